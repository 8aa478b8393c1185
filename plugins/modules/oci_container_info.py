#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_container_info
short_description: Look at the containers of a host
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Returns the containers of a host, all of them or those that were asked for, each in the words of
    M(agentless.oci.oci_container).
  - A container that is not there is simply not among RV(containers).
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.info_module
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
options:
  name:
    description:
      - Names of containers, patterns for names with V(*), V(?) or V([), or beginnings of ids.
      - Containers that any of them names are returned.
    type: list
    elements: str
    aliases: [names]
  status:
    description:
      - Containers that are in one of these states are returned.
    type: list
    elements: str
    choices: [created, running, paused, restarting, exited]
    aliases: [state]
  label:
    description:
      - Labels that the containers must have, all of them, as C(key) or C(key=value).
    type: list
    elements: str
    aliases: [labels]
seealso:
  - module: agentless.oci.oci_container
  - module: agentless.oci.oci_host_info
"""

EXAMPLES = r"""
- name: All containers of the host
  agentless.oci.oci_container_info:
  register: found

- name: What runs of the shop
  agentless.oci.oci_container_info:
    name: ["shop-*"]
    status: [running]
  register: shop
- name: Their processes
  ansible.builtin.debug:
    msg: "{{ shop.containers | items2dict(key_name='Name', value_name='State') }}"
"""

RETURN = r"""
containers:
  description:
    - The containers, by name, each as RV(agentless.oci.oci_container#module:container).
    - Values of environment variables that a task has declared are masked.
  returned: success
  type: list
  elements: dict
  sample:
    - Id: 4ac60ec3a21b5b0ecae53fdee4ff9dd5b1d4c88a34bc35f4cc8bbd8b2a3d5a01
      Name: cache
      State: {Status: running, Running: true, Pid: 4711}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core

ARGUMENT_SPEC = {
    "name": {"type": "list", "elements": "str", "aliases": ["names"]},
    "status": {
        "type": "list",
        "elements": "str",
        "choices": ["created", "running", "paused", "restarting", "exited"],
        "aliases": ["state"],
    },
    "label": {"type": "list", "elements": "str", "aliases": ["labels"]},
    "root": {"type": "path"},
}

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {"argument_spec": ARGUMENT_SPEC, "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, "containers", check_mode=True)  # which installs nothing
    from ansible_collections.agentless.oci.plugins.module_utils.container.info import run

    run(module)


if __name__ == "__main__":
    main()
