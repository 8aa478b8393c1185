#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_info
short_description: Look at the container images of a host
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Returns the images that are in the state directory, all of them or those that were asked for, each in the words of
    M(agentless.oci.oci_image). It asks no registry.
  - An image that is not there is simply not among RV(images).
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.info_module
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
options:
  name:
    description:
      - References or ids of images, as M(agentless.oci.oci_image) takes them.
      - A name with V(*), V(?) or V([) is a pattern for whole names, for example V(registry.example.com/shop/*).
      - Images that any of them names are returned.
    type: list
    elements: str
    aliases: [image]
  id:
    description:
      - Image ids, whole or their beginning. Images that have any of them are returned.
    type: list
    elements: str
  label:
    description:
      - Labels that the images must have, all of them, as C(key) or C(key=value).
    type: list
    elements: str
    aliases: [labels]
  dangling:
    description:
      - With V(true) only images without a name, with V(false) only those with one. By default both.
      - An image loses its name when another is pulled or tagged under it. A container may still use it.
    type: bool
seealso:
  - module: agentless.oci.oci_image
  - module: agentless.oci.oci_prune
"""

EXAMPLES = r"""
- name: All images of the host
  agentless.oci.oci_image_info:
  register: found

- name: One image
  agentless.oci.oci_image_info:
    name: [registry.example.com/shop/redis:7]
  register: redis

- name: What one team has here
  agentless.oci.oci_image_info:
    name: ["registry.example.com/shop/*"]
    label: [org.opencontainers.image.vendor=shop]

- name: How much disk images without a name take
  agentless.oci.oci_image_info:
    dangling: true
  register: old
- name: Say it
  ansible.builtin.debug:
    msg: "{{ old.images | map(attribute='size') | sum | human_readable }}"
"""

RETURN = r"""
images:
  description:
    - The images, those with names first, by name, each as RV(agentless.oci.oci_image#module:image). One that is
      dangling has no names.
  returned: success
  type: list
  elements: dict
  sample:
    - id: sha256:9c2d3a8e7f0b1c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5
      digest: sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
      names: ["docker.io/library/redis:7"]
      size: 41235012
      layers: ["sha256:0b1c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c59c2d3a8e7f"]
      config: {Cmd: [redis-server]}
      created: "2026-01-30T12:00:00Z"
      platform: linux/amd64
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core

ARGUMENT_SPEC = {
    "name": {"type": "list", "elements": "str", "aliases": ["image"]},
    "id": {"type": "list", "elements": "str"},
    "label": {"type": "list", "elements": "str", "aliases": ["labels"]},
    "dangling": {"type": "bool"},
    "root": {"type": "path"},
}


# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {"argument_spec": ARGUMENT_SPEC, "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, "images", check_mode=True)  # which installs nothing
    from ansible_collections.agentless.oci.plugins.module_utils.image.info import run

    run(module)


if __name__ == "__main__":
    main()
