# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of what a container sees of the host's files."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  volumes:
    description:
      - Files and directories of the host for the container, each as V(/host/path:/container/path) or with options
        behind another colon, V(ro), V(rw), V(idmap) or a propagation, separated by commas. A source that does not
        exist becomes a directory.
      - With V(idmap) and O(userns_mode=private) the files have in the container the owners that they have on the host.
        Root in the container then reads and writes there as root of the host would.
      - Named volumes are not supported yet.
    type: list
    elements: str
    aliases: [volume]
  mounts:
    description:
      - Mounts, described in full.
    type: list
    elements: dict
    suboptions:
      target:
        description: Path in the container.
        type: str
        required: true
        aliases: [dest, destination, dst]
      source:
        description: Path on the host, which must exist. For O(mounts[].type=bind).
        type: str
        aliases: [src]
      type:
        description: With V(bind) a file or directory of the host, with V(tmpfs) an empty directory in memory.
        type: str
        choices: [bind, tmpfs]
        default: bind
      read_only:
        description: Whether the container can only read it.
        type: bool
        aliases: [ro, readonly]
      propagation:
        description: Whether later mounts below it are passed on. The default is V(rprivate). For O(mounts[].type=bind).
        type: str
        choices: [private, rprivate, shared, rshared, slave, rslave]
      tmpfs_size:
        description: Most it may hold, for example V(64m). For O(mounts[].type=tmpfs).
        type: str
      tmpfs_mode:
        description: Its permissions as an octal number. The default is V(1777). For O(mounts[].type=tmpfs).
        type: str
  tmpfs:
    description:
      - Empty directories in memory, each a path in the container, with options of C(mount(8\)) behind a colon.
    type: list
    elements: str
  read_only_tmpfs:
    description:
      - With O(read_only=true), whether C(/run), C(/tmp) and C(/var/tmp) are empty directories in memory, where nothing
        else is declared for them.
    type: bool
  timezone:
    description:
      - Time zone, as V(Europe/Berlin), or V(local) for the host's. The host's file of it becomes C(/etc/localtime).
    type: str
  read_only:
    description:
      - Whether the container's root file system can only be read.
    type: bool
"""
