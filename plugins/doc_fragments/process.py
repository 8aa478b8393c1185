# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the program that runs in a container, and of its namespaces and privileges."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  command:
    description:
      - Command to run, or arguments for the entrypoint. A string is split into words as a shell would. By default the
        image's.
    type: raw
  entrypoint:
    description:
      - Entrypoint instead of the image's, a list or a string that is split into words. The image's command is not
        used then.
      - An empty list takes the image's entrypoint away. A string that is a JSON list is that list.
    type: raw
  env:
    description:
      - Environment variables, on top of the image's.
      - Values are strings. Whole numbers are taken as they are written. Booleans and fractions could be spelled in
        several ways; they are taken as V(True) or V(1.1), with a warning to put them in quotes. Empty values must be in
        quotes.
    type: dict
  env_file:
    description:
      - Files on the managed host with further environment variables, in lines C(NAME=VALUE). O(env) goes before them,
        a later file before an earlier one. Lines that begin with C(#) are left out; nothing is taken out of the value,
        quotes are part of it.
    type: list
    elements: path
    aliases: [env_files]
  unsetenv:
    description:
      - Variables of the image that the container does not have.
    type: list
    elements: str
  unsetenv_all:
    description:
      - Whether the container has none of the image's variables.
    type: bool
  user:
    description:
      - User to run as, V(name), V(uid), V(name:group) or V(uid:gid). Names are those of the image. By default the
        image's user.
    type: str
  groups:
    description:
      - Further groups of the process, names as the image has them, or numbers.
    type: list
    elements: str
    aliases: [group_add]
  hostname:
    description:
      - Host name in the container. By default the beginning of the container's id.
    type: str
  domainname:
    description:
      - Domain name (NIS) in the container.
    type: str
  working_dir:
    description:
      - Directory to run in, made if it does not exist. By default the image's.
    type: str
    aliases: [workdir]
  umask:
    description:
      - Which permissions new files do not have, an octal number. The default is V(0022).
    type: str
  labels:
    description:
      - Labels, on top of the image's. Values as with O(env). Changed in place.
    type: dict
    aliases: [label]
  label_file:
    description:
      - Files on the managed host with further labels, in lines as of O(env_file). O(labels) goes before them.
    type: list
    elements: path
  annotations:
    description:
      - Annotations for the runtime's configuration of the container.
    type: dict
    aliases: [annotation]
  interactive:
    description:
      - Keep standard input open, for programs that end when it is not.
    type: bool
  tty:
    description:
      - Give the program a terminal of the container's own. What it writes there is kept as its standard output, with
        the ends of lines that a terminal has. With O(interactive) or without, nobody types anything.
    type: bool
  init:
    description:
      - Whether process 1 of the container is an init, and the program its child. It reaps processes that nobody waits
        for, and passes all signals on to the program; the container ends with the program, and its exit code.
      - Nothing has to be installed for it on x86_64 and aarch64. On other machines, and with O(runtime), it is the
        host's C(catatonit), C(docker-init) or C(tini), of which one must be there.
    type: bool
  runtime:
    description:
      - Another OCI runtime to make the container with, a program of the managed host such as V(runc) or V(crun), or its
        absolute path. By default the runtime that comes with this collection, for which nothing has to be installed.
      - Log, restarts, limits and signals are the same with each. A runtime's own restrictions are its own, for example
        V(crun) refuses hosts with cgroup v1 and v2 mixed. If it does not know an option of its configuration, it may
        ignore that.
    type: str
  pid_mode:
    description:
      - Whether the container sees its own processes only (V(private), the default) or the host's (V(host)).
      - With V(container:NAME) it has its processes among those of another container, which must run. When that ends,
        so does this one, and when it was started anew, the next run of this task restarts this one.
    type: str
    aliases: [pid]
  ipc_mode:
    description:
      - Whether System V IPC, POSIX message queues and C(/dev/shm) are the container's own (V(shareable), the default)
        or the host's (V(host)).
      - With V(private) they are its own and no other container can join them; with V(none) it has no C(/dev/shm),
        either.
      - With V(container:NAME) they are those of another container, which must run. They stay when that ends, and when
        it was started anew, the next run of this task restarts this one. Needs Linux 5.2.
    type: str
    aliases: [ipc]
  uts:
    description:
      - Whether the container has a host name of its own (V(private), the default) or the host's (V(host)).
    type: str
  userns_mode:
    description:
      - With V(private), or V(auto), which means the same, the container has a user namespace of its own. Its users and
        groups 0 to 65535, root included, are ids of the host that no other container of the state directory has, as
        long as it is there. Root in the container is nobody on the host; of its own network it is root.
      - The ids are those that C(/etc/subuid) and C(/etc/subgid) both give to the user C(containers), or else to root.
        Where they give none to either, they are taken from 1048576 on, and none that the files give to others.
      - The files of the image and those that the container writes are on disk with the owners that it sees, and so are
        those of volumes. Files of the host in O(volumes) and O(mounts) keep the host's owners, which the container sees
        as V(nobody) and cannot be, unless they belong to its own ids on the host, or have the option V(idmap).
      - That needs Linux 5.19, and a file system for the state directory that has id-mapped mounts, as ext4, XFS and
        btrfs. Elsewhere the container gets a copy of the image's layers in which they are its own ids on the host, and
        volumes get them while it uses them; two containers that both have user namespaces cannot share one there, nor
        is V(idmap) to be had.
      - Excludes O(privileged), and the network, processes and IPC of the host and of other containers.
      - With V(host), the default, root in the container is root of the host, held back by O(cap_drop),
        O(security_opts) and the other namespaces alone.
    type: str
    choices: [auto, private, host]
    aliases: [userns]
  cgroupns_mode:
    description:
      - Whether the container sees its own cgroup as the root (V(private), the default) or where it lies on the host
        (V(host)).
    type: str
    aliases: [cgroupns]
  capabilities:
    description:
      - Capabilities to add to the default ones, as V(NET_ADMIN), or V(ALL).
    type: list
    elements: str
    aliases: [cap_add]
  cap_drop:
    description:
      - Capabilities to take from the default ones, or V(ALL).
    type: list
    elements: str
  privileged:
    description:
      - Give the container all capabilities and devices of the host, and hide nothing of C(/proc) and C(/sys) from it.
    type: bool
  security_opts:
    description:
      - Further restrictions, and fewer.
      - With V(no-new-privileges) set-uid programs gain nothing.
      - System calls go through a filter of libseccomp, the library of the managed host. By default it refuses what
        containers do not need and what has often led out of them; O(capabilities) widen it. V(seccomp=unconfined)
        takes it away, V(seccomp=/path.json) and V(seccomp={…}) put another in its place, in the JSON format that
        Docker has. The file is on the managed host, and a change of it replaces the container.
      - With O(privileged=true) there is no filter unless one is declared.
      - V(apparmor=PROFILE) is a profile that is loaded on the host. V(label=type:NAME), and V(user), V(role), V(level)
        and V(filetype) alike, are parts of an SELinux context; the others are C(system_u:system_r:container_t:s0). A
        host whose kernel has no such module is an error. V(apparmor=unconfined) and V(label=disable) are so anyway.
      - V(mask=/PATH:/PATH) hides files of C(/proc) and C(/sys), V(unmask=/PATH) or V(unmask=ALL) shows those that are
        hidden or read-only otherwise; V(systempaths=unconfined) shows all, too.
    type: list
    elements: str
    aliases: [security_opt]
"""
