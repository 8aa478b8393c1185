#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_container_copy
short_description: Copy files into and out of containers
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Copies a file, a directory with all that is in it, or a given content into a container; or files of a container to
    the host that it is on.
  - Compared are type, content, mode and owner, and only what differs is changed. Files appear in one step, whole.
    What else is in a directory stays.
  - The container may be running, paused or stopped. Nothing is needed in it, and nothing of it is run.
  - No path is followed out of the container, whatever symlinks are in it and whatever it does meanwhile.
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
    support: full
options:
  name:
    description:
      - Name of the container, or its id or the beginning of its id.
    type: str
    required: true
    aliases: [container]
  src:
    description:
      - What is copied, a file, a directory or a symlink. On the controller, where a relative path is looked up as for
        M(ansible.builtin.copy); with O(remote_src=true) on the managed host, with O(from_container=true) in the
        container.
      - Of a directory that is written with a V(/) at its end only the contents are copied into O(dest), otherwise the
        directory itself.
      - Exactly one of O(src) and O(content) is needed.
    type: str
    aliases: [path]
  content:
    description:
      - What is to be in the file O(dest).
    type: str
  content_is_b64:
    description:
      - Whether O(content) is written in base64, as contents that are no text have to be.
    type: bool
    default: false
  dest:
    description:
      - Absolute path of where it goes, in the container or, with O(from_container=true), on the host.
      - A directory, or a symlink to one, is copied into, as is a path that ends in V(/) and is made if it is missing.
        Missing directories above are made for directories only.
    type: str
    required: true
    aliases: [container_path]
  remote_src:
    description:
      - Whether O(src) is on the managed host, and not on the controller.
    type: bool
    default: false
  from_container:
    description:
      - Whether O(src) is in the container and O(dest) on its host.
    type: bool
    default: false
  mode:
    description:
      - Mode of the files, as an octal number in quotes like V('0640'), or V(preserve) for that of the source, which is
        the default for O(src). With O(content) the mode of a file that is there is left alone, and a new one has 0644.
      - Set-user-id and set-group-id bits of a container's file are not brought to the host unless they are declared.
    type: raw
  directory_mode:
    description:
      - Mode of the directories that are copied, likewise.
    type: raw
  owner:
    description:
      - Owner of all that is copied, as a name or number that the container knows, or the host with
        O(from_container=true). V(preserve) is the number that the source has.
      - By default owners of what is there are left alone, and what is new belongs to root, in a container to the
        container's.
    type: str
    aliases: [owner_id]
  group:
    description:
      - Group of all that is copied, likewise.
    type: str
    aliases: [group_id]
  follow:
    description:
      - Whether a symlink in the place of the file O(dest) is followed, inside the container. By default it is replaced.
    type: bool
    default: false
  local_follow:
    description:
      - Whether what O(src) leads to is copied, if it is a symlink itself. Symlinks in a directory are always copied as
        what they are.
    type: bool
    default: true
  force:
    description:
      - With V(false) nothing is done if O(dest) is there, whatever it is like.
    type: bool
    default: true
  decrypt:
    description:
      - Whether files of the controller that Ansible Vault has encrypted are decrypted.
    type: bool
    default: true
  _sent:
    description:
      - What there is on the controller. The action plugin of this module gives it; no task does.
    type: dict
notes:
  - Extended attributes, ACLs, file capabilities and times are neither compared nor copied. Devices, sockets and FIFOs
    are an error.
  - What is copied below a tmpfs of a container that does not run would be lost, and is refused.
seealso:
  - module: agentless.oci.oci_container
  - module: agentless.oci.oci_container_exec
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: The configuration of web, for its own user
  agentless.oci.oci_container_copy:
    name: web
    src: web/nginx.conf
    dest: /etc/nginx/nginx.conf
    owner: nginx
    mode: "0640"

- name: A file with this in it
  agentless.oci.oci_container_copy:
    name: web
    content: "{{ greeting }}\n"
    dest: /etc/motd

- name: All that is in a directory of the managed host
  agentless.oci.oci_container_copy:
    name: web
    src: /srv/pages/
    remote_src: true
    dest: /usr/share/nginx/html

- name: The dump that the database has written, to its host
  agentless.oci.oci_container_copy:
    name: db
    src: /var/lib/postgresql/dump.sql
    from_container: true
    dest: /srv/backup/
    mode: "0600"
"""

RETURN = r"""
dest:
  description: Where the file or directory is.
  returned: success
  type: str
  sample: /etc/nginx/nginx.conf
actions:
  description: What was done, or would be in check mode; the first hundred lines of it.
  returned: success
  type: list
  elements: str
  sample: [wrote /etc/nginx/nginx.conf]
state:
  description: V(file), V(directory) or V(link).
  returned: success
  type: str
  sample: file
mode:
  description: Its mode.
  returned: success
  type: str
  sample: "0640"
uid:
  description: Its owner, as it is seen there.
  returned: success
  type: int
  sample: 101
gid:
  description: Its group, likewise.
  returned: success
  type: int
  sample: 0
size:
  description: Bytes in the file.
  returned: if it is a file
  type: int
  sample: 648
checksum:
  description: SHA-256 of what is in it.
  returned: if it is a file
  type: str
  sample: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core

ARGUMENT_SPEC = {
    "name": {"type": "str", "required": True, "aliases": ["container"]},
    "src": {"type": "str", "aliases": ["path"]},
    "content": {"type": "str"},
    "content_is_b64": {"type": "bool", "default": False},
    "dest": {"type": "str", "required": True, "aliases": ["container_path"]},
    "remote_src": {"type": "bool", "default": False},
    "from_container": {"type": "bool", "default": False},
    "mode": {"type": "raw"},
    "directory_mode": {"type": "raw"},
    "owner": {"type": "str", "aliases": ["owner_id"]},
    "group": {"type": "str", "aliases": ["group_id"]},
    "follow": {"type": "bool", "default": False},
    "local_follow": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": True},
    "decrypt": {"type": "bool", "default": True},
    "root": {"type": "path"},
    "_sent": {"type": "dict"},
}

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {
    "argument_spec": ARGUMENT_SPEC,
    "supports_check_mode": True,
    "mutually_exclusive": [("src", "content")],
    "required_one_of": [("src", "content")],
}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, module.params["name"])
    from ansible_collections.agentless.oci.plugins.module_utils.container.copymodule import run

    run(module)


if __name__ == "__main__":
    main()
