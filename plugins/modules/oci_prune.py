#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_prune
short_description: Throw away stopped containers, unused volumes and unused images
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Removes containers that have ended, and volumes and images that no container uses, by age and label, and says how
    many bytes of disk that frees.
  - Nothing is removed unless it is asked for with O(containers), O(volumes) or O(images).
  - A volume or an image that a container uses is never removed, whether the container runs or not.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
attributes:
  check_mode:
    support: full
    details:
      - Check mode returns what a run would return, to the byte, as long as nothing else changes meanwhile.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  containers:
    description:
      - Whether to remove containers that have ended.
      - A container whose end nobody recorded, since its host went down, has not ended. It stays.
    type: bool
    default: false
    aliases: [container]
  containers_filters:
    description:
      - Which containers to remove, of those that have ended. All that are given must hold.
    type: dict
    aliases: [container_filters]
    suboptions:
      until:
        description:
          - Only what was made before this, a duration back from now (V(24h), V(1h30m), V(7d)), an RFC 3339 time, a
            date, or a Unix time.
          - A container is as old as its declaration. An image is as old as its C(created) says, or if it does not say,
            as its time on this host.
        type: str
      label:
        description:
          - Labels that it must have, all of them, as C(key) or C(key=value).
        type: list
        elements: str
        aliases: [labels]
      exclude_label:
        description:
          - Labels of which it must have none, as C(key) or C(key=value).
        type: list
        elements: str
        aliases: [exclude_labels]
  volumes:
    description:
      - Whether to remove volumes that no container uses, with all that is in them, named ones too.
      - Those of containers that are removed by the same task are not used any more.
    type: bool
    default: false
    aliases: [volume]
  volumes_filters:
    description:
      - Which volumes to remove, of those that no container uses. All that are given must hold.
    type: dict
    aliases: [volume_filters]
    suboptions:
      anonymous:
        description:
          - With V(true) only anonymous volumes, which no task can name.
        type: bool
        default: false
      until:
        description:
          - As in O(containers_filters.until).
        type: str
      label:
        description:
          - As in O(containers_filters.label).
        type: list
        elements: str
        aliases: [labels]
      exclude_label:
        description:
          - As in O(containers_filters.exclude_label).
        type: list
        elements: str
        aliases: [exclude_labels]
  images:
    description:
      - Whether to remove images that no container uses.
      - What pulls have left that were killed, cut off or out of space goes with them, counts as space reclaimed, and
        has to be fetched anew if they are repeated.
    type: bool
    default: false
    aliases: [image]
  images_filters:
    description:
      - Which images to remove, of those that no container uses. All that are given must hold.
    type: dict
    aliases: [image_filters]
    suboptions:
      dangling:
        description:
          - With V(true) only images that have no name any more, since another took it.
          - With V(false) all images that no container uses.
        type: bool
        default: true
        aliases: [dangling_only]
      until:
        description:
          - As in O(containers_filters.until).
        type: str
      label:
        description:
          - As in O(containers_filters.label).
        type: list
        elements: str
        aliases: [labels]
      exclude_label:
        description:
          - As in O(containers_filters.exclude_label).
        type: list
        elements: str
        aliases: [exclude_labels]
seealso:
  - module: agentless.oci.oci_image
  - module: agentless.oci.oci_image_info
  - module: agentless.oci.oci_container
  - module: agentless.oci.oci_volume
"""

EXAMPLES = r"""
- name: Remove images that lost their name to a newer one
  agentless.oci.oci_prune:
    images: true

- name: Remove anonymous volumes that have outlived their containers
  agentless.oci.oci_prune:
    volumes: true
    volumes_filters:
      anonymous: true

- name: See what a thorough cleaning would free
  agentless.oci.oci_prune:
    containers: true
    images: true
    images_filters:
      dangling: false
  check_mode: true
  register: would

- name: Say it
  ansible.builtin.debug:
    msg: "{{ would.space_reclaimed | human_readable }} in {{ would.images | length }} images"

- name: Remove what has been lying around for a week, but nothing that is labelled
  agentless.oci.oci_prune:
    containers: true
    containers_filters:
      until: 7d
      exclude_label: [keep]
    images: true
    images_filters:
      dangling: false
      until: 7d
      exclude_label: [keep]
"""

RETURN = r"""
containers:
  description: Names of the containers that were removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [migration, nightly-report]
containers_space_reclaimed:
  description: Bytes of disk that they took.
  returned: success
  type: int
  sample: 81920
volumes:
  description: Names of the volumes that were removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [old-cache]
volumes_space_reclaimed:
  description:
    - Bytes of disk that they took. What a volume's driver options mount is not removed, and does not count.
  returned: success
  type: int
  sample: 4096000
images:
  description:
    - The images that were removed, or in check mode would be, each as RV(agentless.oci.oci_image#module:image).
  returned: success
  type: list
  elements: dict
images_space_reclaimed:
  description:
    - Bytes of disk that their blobs and layers took, as far as no other image needs them, and what interrupted pulls
      had left.
  returned: success
  type: int
  sample: 214958080
space_reclaimed:
  description: The sum of all.
  returned: success
  type: int
  sample: 215040000
actions:
  description: What was done, or in check mode would be done, step by step. Empty if nothing had to be.
  returned: success
  type: list
  elements: str
  sample: ["removed container migration", "removed image docker.io/library/redis:6"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core

FILTERS = {
    "until": {"type": "str"},
    "label": {"type": "list", "elements": "str", "aliases": ["labels"]},
    "exclude_label": {"type": "list", "elements": "str", "aliases": ["exclude_labels"]},
}

ARGUMENT_SPEC = {
    "containers": {"type": "bool", "default": False, "aliases": ["container"]},
    "containers_filters": {"type": "dict", "aliases": ["container_filters"], "options": FILTERS},
    "volumes": {"type": "bool", "default": False, "aliases": ["volume"]},
    "volumes_filters": {
        "type": "dict",
        "aliases": ["volume_filters"],
        "options": {"anonymous": {"type": "bool", "default": False}, **FILTERS},
    },
    "images": {"type": "bool", "default": False, "aliases": ["image"]},
    "images_filters": {
        "type": "dict",
        "aliases": ["image_filters"],
        "options": {"dangling": {"type": "bool", "default": True, "aliases": ["dangling_only"]}, **FILTERS},
    },
    "root": {"type": "path"},
}


# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {"argument_spec": ARGUMENT_SPEC, "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, "prune")
    from ansible_collections.agentless.oci.plugins.module_utils.container.prune import run

    run(module)


if __name__ == "__main__":
    main()
