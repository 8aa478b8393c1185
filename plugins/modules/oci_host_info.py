#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_host_info
short_description: Look at what a host can do for containers, and what it has
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Returns the host's kernel and cgroups, what the runtime can do, and how many images and containers there are.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.info_module
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
seealso:
  - module: agentless.oci.oci_container_info
  - module: agentless.oci.oci_image_info
"""

EXAMPLES = r"""
- name: Look at the host
  agentless.oci.oci_host_info:
  register: found
- name: Stop where limits of memory do not work
  ansible.builtin.assert:
    that: "'memory' in found.host.cgroup.controllers"
"""

RETURN = r"""
host:
  description: The host.
  returned: success
  type: dict
  contains:
    name: {description: Its name., type: str, returned: always}
    kernel: {description: Release of its kernel., type: str, returned: always}
    machine: {description: Its architecture as the kernel names it., type: str, returned: always}
    python: {description: Version of the Python that runs the core., type: str, returned: always}
    version: {description: Version of the core., type: str, returned: always}
    init: {description: V(systemd) or V(other)., type: str, returned: always}
    cgroup:
      description: C(mode) is V(unified), V(hybrid) or V(legacy); C(controllers) are those that can be had.
      type: dict
      returned: always
    memory: {description: Bytes of memory., type: int, returned: always}
    cpus: {description: Processors that are online., type: int, returned: always}
    runtimes:
      description: Other OCI runtimes that O(agentless.oci.oci_container#module:runtime) can name, and their paths.
      type: dict
      returned: always
    features:
      description: What the collection's own runtime can do, in the words of the runtime specification's C(features).
      type: dict
      returned: always
    root: {description: The state directory., type: str, returned: always}
    size: {description: Bytes of the file system that it is on., type: int, returned: always}
    free: {description: Bytes that are free there., type: int, returned: always}
    images: {description: How many images there are., type: int, returned: always}
    containers: {description: How many containers there are., type: int, returned: always}
    statuses: {description: How many containers are in each state., type: dict, returned: always}
  sample:
    name: web1
    kernel: 6.1.0-18-amd64
    cgroup: {mode: unified, controllers: [cpu, cpuset, io, memory, pids]}
    root: /var/lib/agentless-oci
    images: 3
    containers: 2
    statuses: {running: 2}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core

ARGUMENT_SPEC = {"root": {"type": "path"}}

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {"argument_spec": ARGUMENT_SPEC, "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, "host", check_mode=True)  # which installs nothing
    from ansible_collections.agentless.oci.plugins.module_utils.cli.host_info import run

    run(module)


if __name__ == "__main__":
    main()
