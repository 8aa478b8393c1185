# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a container's mounts and volumes."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  volumes:
    description:
      - Volumes, and files and directories of the host, for the container, each as V(source:/container/path) or with
        options behind another colon, separated by commas.
      - A source that is an absolute path is of the host, and must exist. Any other is the name of a volume, which is
        made on first use (see M(agentless.oci.oci_volume) for one with labels or driver options). A path alone is an
        anonymous volume.
      - A new volume is filled with what the image has in that place, owners and modes as there, unless the option
        V(nocopy) is given. Then it is the containers' own, whatever later images have there.
      - Further options are V(ro), V(rw), V(nosuid), V(nodev), V(noexec), and for paths of the host V(bind) (without
        what is mounted below it), V(idmap) and a propagation. With V(z) and V(Z), on a host whose kernel has SELinux,
        files of the host get the label that containers can use. V(cached), V(delegated) and V(consistent) say nothing
        here.
      - With V(idmap) and O(userns_mode=private) the files have in the container the owners that they have on the host.
        Root in the container then reads and writes there as root of the host would. Volumes are always mounted so,
        which is why containers with user namespaces of their own and without can share one.
      - What an image declares as volumes are anonymous volumes too, unless something is mounted there anyway.
      - An anonymous volume is carried over to the container that takes the place of its own. When a container is
        removed, O(keep_volumes) says what becomes of it.
      - A volume that was removed by hand is made again by the next run, and the container restarted with it.
    type: list
    elements: str
    aliases: [volume]
  volumes_from:
    description:
      - Containers whose volumes and files of the host this one gets, in the same places, each as V(name), V(name:ro) or
        V(name:rw). What is mounted here by other options comes first.
      - They are those that the other container has when this one is made.
    type: list
    elements: str
  keep_volumes:
    description:
      - Whether the anonymous volumes of a container that is removed stay, until M(agentless.oci.oci_prune) takes them.
      - With O(auto_remove) they go in any case.
    type: bool
    default: true
  delete_volumes:
    description:
      - With V(true) the same as O(keep_volumes=false).
    type: bool
  mounts:
    description:
      - Mounts, described in full.
      - Each may be a string as of podman's command line, V(type=bind,src=/a,dst=/b,ro=true).
    type: list
    elements: dict
    aliases: [mount]
    suboptions:
      target:
        description: Path in the container.
        type: str
        required: true
        aliases: [dest, destination, dst]
      source:
        description:
          - Path on the host, which must exist, for O(mounts[].type=bind).
          - Name of a volume, for O(mounts[].type=volume). Without it the volume is an anonymous one.
          - Name of an image that is on the host, for O(mounts[].type=image).
        type: str
        aliases: [src]
      type:
        description:
          - With V(bind) a file or directory of the host, with V(volume) a volume, with V(tmpfs) an empty directory in
            memory, with V(image) the files of an image, to be read.
          - An image is the one that had the name when the container was made.
          - By default V(bind) if the source is a path, else V(volume).
        type: str
        choices: [bind, volume, tmpfs, image]
      read_only:
        description: Whether the container can only read it.
        type: bool
        aliases: [ro, readonly]
      propagation:
        description: Whether later mounts below it are passed on. The default is V(rprivate). For O(mounts[].type=bind).
        type: str
        choices: [private, rprivate, shared, rshared, slave, rslave]
      non_recursive:
        description: Leave out what is mounted below the source. For O(mounts[].type=bind).
        type: bool
      read_only_non_recursive:
        description: With O(mounts[].read_only), what is mounted below the source can be written to. That is the
          default. For O(mounts[].type=bind).
        type: bool
      read_only_force_recursive:
        description: With O(mounts[].read_only), what is mounted below the source can only be read, too. Needs Linux
          5.12. For O(mounts[].type=bind).
        type: bool
      create_mountpoint:
        description: Make the source as a directory, if there is nothing. For O(mounts[].type=bind).
        type: bool
      consistency:
        description: Says nothing here, and is taken so that others' playbooks work.
        type: str
        choices: [cached, consistent, default, delegated]
      no_copy:
        description: Do not fill a new volume with what the image has there. For O(mounts[].type=volume).
        type: bool
      labels:
        description: Labels of the volume, if it is made for this container. For O(mounts[].type=volume).
        type: dict
      volume_driver:
        description: The driver V(local) is the only one. For O(mounts[].type=volume).
        type: str
      volume_options:
        description: Options of the driver, if the volume is made for this container, as
          O(agentless.oci.oci_volume#module:driver_options). For O(mounts[].type=volume).
        type: dict
      subpath:
        description: A directory or file in the volume or image, which must exist, instead of all of it.
        type: str
        aliases: [volume_subpath]
      tmpfs_size:
        description: Most it may hold, for example V(64m). For O(mounts[].type=tmpfs).
        type: str
      tmpfs_mode:
        description: Its permissions as an octal number. The default is V(1777). For O(mounts[].type=tmpfs).
        type: str
      tmpfs_options:
        description: Further options of C(mount(8\)), as dictionaries of one name and its value each. For
          O(mounts[].type=tmpfs).
        type: list
        elements: dict
  secrets:
    description:
      - Files that a container finds in C(/run/secrets) or elsewhere, and that never come to a disk of the host.
      - They are kept in memory that is not swapped out, readable by root of the host alone, and are neither in the
        container's configuration nor in its record, in a command line, in results or in diffs.
      - What is recorded is a salted hash, by which a changed secret is noticed. The container is replaced then.
      - They are there for every restart of the container, until it is removed. When the host goes down, they are lost.
        A container that O(restart_policy) would bring back with the host is then not started. C(aoci boot) says so, and
        the next run of the task that declares the secrets starts it. A task that does not declare them fails.
      - If only the files are lost while the container runs, the next run of the task writes them again.
      - How they come to the host is Ansible's business. With C(pipelining = True), and a copy of the core that an
        earlier task has left there, they come by a pipe. Otherwise they lie in a file in Ansible's temporary directory
        on the host for as long as the task runs.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the secret, letters, digits, C(_), C(.) and C(-).
        type: str
        required: true
      target:
        description: Path in the container, absolute or below C(/run/secrets). By default the name.
        type: str
        aliases: [dest, filename]
      content:
        description: What is in it, at most 1 MiB.
        type: str
        aliases: [data]
      content_is_b64:
        description: Whether O(secrets[].content) is base64, for what is no text.
        type: bool
        aliases: [data_is_b64]
      source:
        description: A file of the host that has the content, instead of O(secrets[].content).
        type: path
        aliases: [src, file]
      uid:
        description: The user who owns it in the container. By default root.
        type: int
      gid:
        description: The group that owns it in the container. By default root.
        type: int
      mode:
        description: Its permissions. The default is V(0444).
        type: raw
  tmpfs:
    description:
      - Empty directories in memory, each a path in the container, with options of C(mount(8\)) behind a colon. A list,
        or a dictionary from paths to options.
    type: raw
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
