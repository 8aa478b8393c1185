#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_volume
short_description: Manage the volumes of containers
version_added: 0.2.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Makes a volume that O(agentless.oci.oci_container#module:volumes) can name, changes it or removes it. A volume is a
    directory in the state directory, and outlives the containers that use it.
  - A volume need not be declared. A container that names one makes it. This module is for labels, for driver options
    and for removing.
  - The first container that uses a volume fills it with what its image has in that place.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(recreate=always) each run makes a new volume.
options:
  name:
    description:
      - Name of the volume, at most 128 letters, digits, C(_), C(.) and C(-).
    type: str
    required: true
    aliases: [volume_name]
  state:
    description:
      - With V(present) there is a volume as declared.
      - With V(absent) there is none. What is in it is lost. One that a container uses, running or not, is not removed,
        and the task fails.
    type: str
    choices: [absent, present]
    default: present
  driver:
    description:
      - What makes the volume. There is one driver.
    type: str
    choices: [local]
    default: local
  driver_options:
    description:
      - What is mounted on the volume's directory, as C(mount(8\)) takes it, C(type), C(device) and C(o), as
        C(docker volume create --opt) has them. A directory of the host is C(o) V(bind) with its path as C(device).
      - It is mounted when the first container wants it, and stays so until the volume is removed or the host goes down.
        Removing the volume unmounts it, and removes nothing of what a device, a server or a directory of the host has.
      - Without them the volume is a directory. If they are left out, a volume that is there keeps its own.
    type: dict
    aliases: [options]
  labels:
    description:
      - Labels of the volume, all of them. If they are left out, it keeps those it has.
    type: dict
    aliases: [label]
  recreate:
    description:
      - When to make a new volume in the place of one that is there. What is in the old one is lost.
      - With V(never) a volume that has other O(driver_options) is an error.
      - With V(options-changed) it is replaced, with V(always) each time.
      - One that a container uses is never replaced, and the task fails.
    type: str
    choices: [always, never, options-changed]
    default: never
seealso:
  - module: agentless.oci.oci_volume_info
  - module: agentless.oci.oci_container
  - module: agentless.oci.oci_prune
"""

EXAMPLES = r"""
- name: A volume that says what it is for
  agentless.oci.oci_volume:
    name: db
    labels:
      backup: nightly

- name: Files in memory that several containers share
  agentless.oci.oci_volume:
    name: sessions
    driver_options:
      type: tmpfs
      o: size=64m,mode=1777

- name: A directory of another host
  agentless.oci.oci_volume:
    name: media
    driver_options:
      type: nfs
      device: ":/export/media"
      o: addr=nas.example.com,ro

- name: Remove a volume, with all that is in it
  agentless.oci.oci_volume:
    name: db
    state: absent
"""

RETURN = r"""
volume:
  description: The volume as it is now, or in check mode would be. Empty if there is none.
  returned: success
  type: dict
  contains:
    Name:
      description: Its name.
      type: str
      returned: success
    Driver:
      description: Always V(local).
      type: str
      returned: success
    Mountpoint:
      description: The directory that containers see.
      type: str
      returned: success
    CreatedAt:
      description: When it was made, an RFC 3339 time.
      type: str
      returned: success
    Labels:
      description: Its labels.
      type: dict
      returned: success
    Options:
      description: Its driver options.
      type: dict
      returned: success
    Scope:
      description: Always V(local).
      type: str
      returned: success
    Anonymous:
      description: Whether it was made for a container that named none.
      type: bool
      returned: success
    Containers:
      description: Names of the containers that use it, running or not.
      type: list
      elements: str
      returned: success
  sample:
    Name: db
    Driver: local
    Mountpoint: /var/lib/agentless-oci/volumes/db/data
    CreatedAt: "2026-03-01T12:00:00Z"
    Labels: {backup: nightly}
    Options: {}
    Scope: local
    Anonymous: false
    Containers: [postgres]
actions:
  description: What was done, or in check mode would be done, step by step. Empty if nothing had to be.
  returned: success
  type: list
  elements: str
  sample: ["created volume db"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core
from ansible_collections.agentless.oci.plugins.module_utils.volume.options import ARGUMENT_SPEC

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {"argument_spec": ARGUMENT_SPEC, "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, f"volume {module.params['name']}")
    from ansible_collections.agentless.oci.plugins.module_utils.volume.module import run

    run(module)


if __name__ == "__main__":
    main()
