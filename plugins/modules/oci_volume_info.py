#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_volume_info
short_description: Look at the volumes of a host
version_added: 0.2.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Returns the volumes of a host, all of them or those that were asked for, each in the words of
    M(agentless.oci.oci_volume).
  - A volume that is not there is simply not among RV(volumes).
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.info_module
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
options:
  name:
    description:
      - Names of volumes, or patterns for names with V(*), V(?) or V([).
      - Volumes that any of them names are returned.
    type: list
    elements: str
    aliases: [names]
  label:
    description:
      - Labels that the volumes must have, all of them, as C(key) or C(key=value).
    type: list
    elements: str
    aliases: [labels]
  dangling:
    description:
      - With V(true) volumes that no container uses, with V(false) those that one uses. By default both.
    type: bool
seealso:
  - module: agentless.oci.oci_volume
"""

EXAMPLES = r"""
- name: All volumes of the host
  agentless.oci.oci_volume_info:
  register: found

- name: What is to be backed up
  agentless.oci.oci_volume_info:
    label: [backup=nightly]
  register: wanted
- name: Where it lies
  ansible.builtin.debug:
    msg: "{{ wanted.volumes | items2dict(key_name='Name', value_name='Mountpoint') }}"
"""

RETURN = r"""
volumes:
  description:
    - The volumes, by name, each as RV(agentless.oci.oci_volume#module:volume).
  returned: success
  type: list
  elements: dict
  sample:
    - Name: db
      Mountpoint: /var/lib/agentless-oci/volumes/db/data
      Containers: [postgres]
exists:
  description: Whether there is any of them.
  returned: success
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core

ARGUMENT_SPEC = {
    "name": {"type": "list", "elements": "str", "aliases": ["names"]},
    "label": {"type": "list", "elements": "str", "aliases": ["labels"]},
    "dangling": {"type": "bool"},
    "root": {"type": "path"},
}

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {"argument_spec": ARGUMENT_SPEC, "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, "volumes", check_mode=True)  # which installs nothing
    from ansible_collections.agentless.oci.plugins.module_utils.volume.info import run

    run(module)


if __name__ == "__main__":
    main()
