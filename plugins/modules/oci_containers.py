#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_containers
short_description: Manage all containers of a host in one task
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Makes a set of containers what the task declares them to be, each as M(agentless.oci.oci_container) does.
  - The plan for all of them is made first. Whatever is wrong with the options of any container, an image that cannot be
    had and a port that two of them want are errors before anything is changed. Images are pulled once.
  - Then several containers are worked on at once, each after those that it depends on. Where there is nothing to
    change, nothing is done, and it takes milliseconds for each container.
  - A run that was killed is put in order by the next one.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.containers
  - agentless.oci.root
attributes:
  check_mode:
    support: full
    details:
      - A user or a command that the image does not have is found only by a real run.
  diff_mode:
    support: full
    details:
      - There is one diff for all containers that change. Values of environment variables are masked.
  idempotent:
    support: partial
    details:
      - As M(agentless.oci.oci_container).
options:
  project:
    description:
      - Name of what the containers belong to. It is put on each of them as the label C(agentless.oci.project).
      - Networks that they name and that are not there are made for the project, bridges as M(agentless.oci.oci_network)
        makes them, with that label. Without a project they are an error.
    type: str
  purge:
    description:
      - Remove the containers that belong to O(project) and are not declared. They go before anything else is done, so
        that what they have, as ports, is free.
      - A network that was made for the project goes in the end when none of its containers names it any more, unless
        others are connected to it.
    type: bool
    default: false
  on_failure:
    description:
      - What happens to the others when one container fails. Those that are being worked on are finished in any case,
        and those that depend on it are left untouched. The task fails and says of each container what became of it.
      - With V(stop) nothing more is begun.
      - With V(continue) all others are done.
    type: str
    choices: [stop, continue]
    default: stop
  parallel:
    description:
      - How many containers are worked on at once. By default it depends on the host's processors.
    type: int
seealso:
  - module: agentless.oci.oci_container
  - module: agentless.oci.oci_image
  - module: agentless.oci.oci_network
"""

EXAMPLES = r"""
- name: The shop is these three containers, and nothing else
  agentless.oci.oci_containers:
    project: shop
    purge: true
    containers:
      - name: db
        image: registry.example.com/shop/postgres:16
        volumes: ["/srv/db:/var/lib/postgresql/data"]
        healthcheck: {test: [CMD, pg_isready], interval: 2s}
        networks: [{name: shop}]
      - name: api
        image: "registry.example.com/shop/api:{{ version }}"
        depends_on: {db: healthy}
        networks: [{name: shop}]
      - name: web
        image: "registry.example.com/shop/web:{{ version }}"
        depends_on: [api]
        published_ports: ["80:8080"]
        networks: [{name: shop, aliases: [www]}]

- name: Workers alike, replaced one after the other when their image changes
  agentless.oci.oci_containers:
    project: workers
    purge: true
    parallel: 1
    defaults:
      image: "registry.example.com/shop/worker:{{ version }}"
      memory: 512m
      restart_policy: unless-stopped
      update: {wait_healthy: 10s}
    containers:
      - name: worker-1
      - name: worker-2
      - {name: worker-3, memory: 1g}

- name: Nothing of the project is left
  agentless.oci.oci_containers:
    project: shop
    purge: true
    containers: []
"""

RETURN = r"""
containers:
  description: What became of each container, in the order they are declared, then those that were purged.
  returned: always, unless nothing was changed because of an error in the plan
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: success
    changed:
      description: Whether something was done, or in check mode would be done.
      type: bool
      returned: success
    failed:
      description: That it failed.
      type: bool
      returned: if it did
    msg:
      description: Why it failed, or was left untouched.
      type: str
      returned: if it was
    actions:
      description: What was done, as in RV(actions).
      type: list
      elements: str
      returned: success
    container:
      description: The container as it is now, as M(agentless.oci.oci_container) returns it. Empty if there is none.
      type: dict
      returned: success
  sample:
    - name: db
      changed: true
      actions: [created container db, started db]
      container: {Name: db, State: {Status: running, Running: true, Pid: 4711}}
actions:
  description: What was done, or in check mode would be done, for all containers. Empty if nothing had to be.
  returned: always, unless nothing was changed because of an error in the plan
  type: list
  elements: str
  sample: ["pulled image registry.example.com/shop/api:3", "created container api", "started api"]
timings:
  description: What each layer that was pulled took, as in M(agentless.oci.oci_container).
  returned: with a verbosity of 2 (C(-vv)) or more, when an image was pulled or unpacked
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core
from ansible_collections.agentless.oci.plugins.module_utils.container.fleetoptions import argument_spec

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {"argument_spec": argument_spec(), "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**MODULE)
    entry = core.enter(module, "containers")
    from ansible_collections.agentless.oci.plugins.module_utils.container.fleet import run

    run(module, entry)


if __name__ == "__main__":
    main()
