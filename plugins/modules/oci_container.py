#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_container
short_description: Manage containers on a host without a container engine
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Makes a container what the task declares it to be, and keeps it so. It is created, changed in place where the
    kernel allows it, replaced where it does not, started, stopped or removed.
  - No daemon and no container engine is needed on the managed host, only Python. A small monitor process per
    container keeps its log, its exit code and its restart policy.
  - What a container was declared to be is recorded beside it, and the next task is compared with that record. Then
    the container as it runs is compared with the record too, so a container that was killed is started again, and a
    limit that was changed by hand is put back.
  - A task that gives O(image) describes the whole container. An option it leaves out has its default, also if an
    earlier task set it. A task without O(image) changes only the options it names and leaves the others as they are.
  - A container is replaced safely. The image is pulled, and the new container made ready up to the moment before its
    program runs, while the old one still works. If the new one does not start, the old one is started again and the
    task fails.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.registry
  - agentless.oci.health
  - agentless.oci.root
attributes:
  check_mode:
    support: full
    details:
      - A user or a command that the image does not have is found only by a real run.
  diff_mode:
    support: full
    details:
      - Values of environment variables are masked.
  idempotent:
    support: partial
    details:
      - With O(recreate=true) or O(restart=true) each run changes something, and so it does when the container ends by
        itself and is to be started.
options:
  name:
    description:
      - Name of the container, at most 128 letters, digits, C(_), C(.) and C(-).
    type: str
    required: true
  state:
    description:
      - With V(started) the container exists as declared and runs.
      - With V(healthy) also its O(healthcheck) says that it is well. The task waits for that, at most
        O(healthy_wait_timeout) seconds, and fails with the output of the last check. A container that is unhealthy, but
        has not ended, may become healthy in that time.
      - With V(present) it exists as declared. A new one is not started, one that is there goes on as it did.
      - With V(stopped) it exists as declared and does not run.
      - With V(absent) there is no such container. One that runs is stopped first.
    type: str
    choices: [absent, present, started, stopped, healthy]
    default: started
  image:
    description:
      - Image to make the container from, a reference as for any container engine or the id of an image that is on the
        host.
      - A container is replaced when the image's id changes, not when only the name does.
      - Needed for a container that does not exist yet.
    type: str
  pull:
    description:
      - When to ask the registry for the image.
      - With V(missing) only if no image of that name is on the host.
      - With V(always) each time. With V(newer) too, but if the registry cannot be reached, the image that is there
        will do.
      - With V(never) not at all.
    type: str
    choices: [always, missing, never, newer]
    default: missing
  platform:
    description:
      - Platform of the image, as in V(linux/arm64), instead of the host's.
    type: str
  recreate:
    description:
      - Replace the container even if nothing differs.
    type: bool
    default: false
  restart:
    description:
      - Restart the container if it runs.
    type: bool
    default: false
  detach:
    description:
      - With V(false) the task waits until the container has ended, and returns what it wrote and its exit code. The
        task fails if that is not 0.
    type: bool
    default: true
  kill_signal:
    description:
      - Signal that O(force_kill) sends, V(SIGKILL) by default.
    type: str
  force_kill:
    description:
      - Where the container has to stop, send O(kill_signal) at once instead of O(stop_signal).
    type: bool
    default: false
    aliases: [forcekill]
  comparisons:
    description:
      - How options are compared with what is recorded, a dictionary from the names of options to V(strict), V(ignore)
        or V(allow_more_present).
      - With V(ignore) a difference changes nothing. With V(allow_more_present), for lists and dictionaries, what the
        container has beyond the declared values is left alone.
      - The name C(*) stands for all options that are not named, and takes V(strict) or V(ignore). The default is
        V(strict) for all options.
    type: dict
  command:
    description:
      - Command to run, or arguments for the entrypoint. A string is split into words as a shell would. By default the
        image's.
    type: raw
  entrypoint:
    description:
      - Entrypoint instead of the image's, a list or a string that is split into words. The image's command is not
        used then.
      - An empty list takes the image's entrypoint away.
    type: raw
  env:
    description:
      - Environment variables, on top of the image's.
      - Values are strings. Whole numbers are taken as they are written; booleans, fractions and empty values must be
        put in quotes, since they could be spelled in several ways.
    type: dict
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
  labels:
    description:
      - Labels, on top of the image's. Values as with O(env). Changed in place.
    type: dict
    aliases: [label]
  interactive:
    description:
      - Keep standard input open, for programs that end when it is not.
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
  network_mode:
    description:
      - With V(none) the container has a loopback interface of its own and nothing else.
      - With V(host) it uses the host's network, its C(/etc/hosts) and its C(/etc/resolv.conf).
      - With V(bridge) it is connected to O(networks), or to the network C(bridge), which is made on first use; also
        C(default) and C(private), as Docker and podman call that.
      - With the name of a network made by M(agentless.oci.oci_network), or several separated by commas or as a list, it
        is connected to those.
      - With V(container:NAME) it uses the network of another container that runs, and its C(/etc/hosts) and
        C(/etc/resolv.conf). When the other one is started anew, the next run of this task restarts this one.
      - With V(ns:/PATH) it uses the network namespace that is kept there.
      - The default is V(bridge) if O(networks) or O(published_ports) are given, otherwise V(none).
      - V(bridge) and networks need the host's CNI plugins, the package C(containernetworking-plugins), which the role
        P(agentless.oci.host#role) installs with C(host_networks). Directories of the host's environment variable
        E(AGENTLESS_OCI_CNI_PATH) are searched for them first.
      - A container that has ended, or is stopped, gives back its addresses, ports and interfaces. It asks for the same
        again when it is started. While its restart policy starts it again it keeps them.
    type: raw
    aliases: [network, net]
  networks:
    description:
      - Networks to connect the container to. The first one that is not internal has the default route, and the
        published ports. Changed in place, the running container is connected and disconnected.
      - Containers on one network find each other by name, by alias, by O(hostname) and by the beginning of the id.
        C(/etc/hosts) of the running containers is kept current for that.
    type: list
    elements: dict
    suboptions:
      name:
        description: The network's name.
        type: str
        required: true
      ipv4_address:
        description: A fixed address in it. By default a free one.
        type: str
      ipv6_address:
        description: A fixed IPv6 address in it.
        type: str
      aliases:
        description: Further names for the container in this network.
        type: list
        elements: str
      mac_address:
        description: MAC address of the interface in it.
        type: str
  published_ports:
    description:
      - Ports of the host that lead to the container, as V(8080:80), V(127.0.0.1:8080:80/udp), V(8000-8010:80-90),
        V([fd00::1]:8080:80), or V(80) for any free port of the host, which is found in the result. With a range for one
        port of the container, as in V(8000-8010:80), a free port of the range is taken. Put them in quotes.
      - A port that a process or another container has is an error before anything is stopped or replaced.
      - Nothing can be published on V(::1), as Linux does not forward what is sent there.
      - Changed in place, the running container is connected anew and keeps its addresses.
    type: list
    elements: str
    aliases: [ports, publish]
  exposed_ports:
    description:
      - Ports that the container listens on, as V(80), V(53/udp) or V(8000-8010). Only recorded. Changed in place.
    type: list
    elements: str
    aliases: [exposed, expose]
  dns_servers:
    description:
      - Name servers for the container's C(/etc/resolv.conf). By default the host's, less those on its loopback
        interface, and with O(network_mode=none) none. Changed in place.
    type: list
    elements: str
    aliases: [dns]
  dns_opts:
    description:
      - Options for C(/etc/resolv.conf), as V(ndots:2). By default the host's. Changed in place.
    type: list
    elements: str
    aliases: [dns_option]
  dns_search_domains:
    description:
      - Search domains for C(/etc/resolv.conf). By default the host's, V(.) is for none. Changed in place.
    type: list
    elements: str
    aliases: [dns_search]
  etc_hosts:
    description:
      - Further names for C(/etc/hosts), a dictionary from host names to addresses. V(host-gateway) is the host's
        address as the container sees it. Changed in place.
    type: dict
    aliases: [add_hosts, extra_hosts]
  mac_address:
    description:
      - MAC address of the interface in the first network. Changed in place.
    type: str
  pid_mode:
    description:
      - Whether the container sees its own processes only (V(private), the default) or the host's.
    type: str
    choices: [private, host]
    aliases: [pid]
  ipc_mode:
    description:
      - Whether System V IPC, POSIX message queues and C(/dev/shm) are the container's own (V(private), the default)
        or the host's.
    type: str
    choices: [private, host]
    aliases: [ipc]
  uts:
    description:
      - Whether the container has a host name of its own (V(private), the default) or the host's.
    type: str
    choices: [private, host]
  userns_mode:
    description:
      - With V(private) the container has a user namespace of its own. Its users and groups 0 to 65535, root included,
        are ids of the host that nobody else has, from 1048576 on, 65536 for each container.
      - The files of the image and those that the container writes are on disk with the owners that it sees. Files of
        O(volumes) and O(mounts) keep the host's owners, which the container sees as V(nobody) and cannot be, unless
        they belong to its own ids on the host, or the volume has the option V(idmap).
      - Needs Linux 5.19, and a file system for the state directory that has id-mapped mounts, as ext4, XFS and btrfs.
        Excludes O(privileged) and the host's network, processes and IPC.
      - With V(host), the default, root in the container is root of the host, held back by O(cap_drop),
        O(security_opts) and the other namespaces alone.
    type: str
    choices: [private, host]
    aliases: [userns]
  cgroupns_mode:
    description:
      - Whether the container sees its own cgroup as the root (V(private), the default) or where it lies on the host.
    type: str
    choices: [private, host]
    aliases: [cgroupns]
  memory:
    description:
      - Most memory the container may use, for example V(512m). V(0) is no limit. Changed in place.
      - What no longer fits is swapped out. Without O(memory_swap) there is no limit to that but the host's swap space,
        unlike with Docker, which then allows as much swap space as memory.
    type: str
  memory_reservation:
    description:
      - Memory that is left to the container when the host runs short. Changed in place.
    type: str
  memory_swap:
    description:
      - Most memory and swap space together, at least O(memory). V(-1) is no limit. Changed in place.
      - Without it swap space is not limited, also where O(memory) is. The same value as O(memory) means no swap space.
    type: str
  memory_swappiness:
    description:
      - How readily memory is swapped out, 0 to 100. Only on cgroup v1. Changed in place.
    type: int
  cpus:
    description:
      - Number of processors worth of time the container may use, for example V(1.5). V(0) is no limit. Changed in
        place.
    type: float
  cpu_period:
    description:
      - Length of the period that O(cpu_quota) is counted in, in microseconds, 1000 to 1000000. Changed in place.
    type: int
  cpu_quota:
    description:
      - Processor time per period in microseconds. V(0) is no limit. Excludes O(cpus). Changed in place.
    type: int
  cpu_shares:
    description:
      - Weight when processors are short, 2 to 262144; a group of its own has 1024. Changed in place.
    type: int
  cpuset_cpus:
    description:
      - Processors the container may run on, for example V(0-2,4). Changed in place.
    type: str
  cpuset_mems:
    description:
      - Memory nodes the container may use. Changed in place.
    type: str
  pids_limit:
    description:
      - Most processes and threads. V(-1) is no limit. Changed in place.
    type: int
  blkio_weight:
    description:
      - Weight of block I/O, 10 to 1000. Changed in place.
    type: int
  oom_score_adj:
    description:
      - How likely the kernel ends the container when memory is short, -1000 (never) to 1000.
    type: int
  shm_size:
    description:
      - Size of C(/dev/shm). The default is V(64m).
    type: str
  ulimits:
    description:
      - Limits of the process (see C(setrlimit(2\))), each as V(nofile:1024:2048), soft and hard limit.
    type: list
    elements: str
    aliases: [ulimit]
  sysctls:
    description:
      - Kernel parameters of the container's own namespaces, C(net.*), C(fs.mqueue.*) and the C(kernel.*) ones of IPC.
    type: dict
    aliases: [sysctl]
  devices:
    description:
      - Device nodes of the host for the container, each as V(/dev/fuse), V(/dev/sda:/dev/xvda) or
        V(/dev/sda:/dev/xvda:r).
    type: list
    elements: str
    aliases: [device]
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
  read_only:
    description:
      - Whether the container's root file system can only be read.
    type: bool
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
    type: list
    elements: str
    aliases: [security_opt]
  stop_signal:
    description:
      - Signal that asks the container to end. By default the image's, else V(SIGTERM). Changed in place.
    type: str
  stop_timeout:
    description:
      - Seconds that the container has to end before it is killed, V(10) by default. Changed in place.
    type: int
  log_driver:
    description:
      - Where what the container writes goes. Changed in place.
      - With V(k8s-file), the default, into files of lines C(TIME STREAM F|P TEXT), with V(json-file) into files in
        Docker's format, in which bytes that are not UTF-8 are lost.
      - With V(journald) to the host's journal, with the fields that podman and Docker have (C(CONTAINER_NAME),
        C(CONTAINER_ID), C(CONTAINER_ID_FULL), C(CONTAINER_TAG), C(IMAGE_NAME), C(SYSLOG_IDENTIFIER) …). While journald
        is not there, it is lost.
      - With V(none) it is not kept, and a task that waits for the container's end returns nothing of it.
    type: str
    choices: [k8s-file, json-file, journald, none]
  log_options:
    description:
      - Options of the log. C(max-size) is the size at which a new file is begun, V(10m) by default, V(0) for never;
        C(max-file) how many files are kept, V(5) by default. Changed in place.
      - For V(json-file) and V(journald), C(labels) are names of labels, with commas between, that go along with each
        entry, and C(tag) is a text that does. It may have V({{.Name}}), V({{.ID}}), V({{.FullID}}), V({{.ImageName}}),
        V({{.ImageID}}) and V({{.ImageFullID}}) in it.
    type: dict
    aliases: [log_opt]
  restart_policy:
    description:
      - Whether the container is started again when it ends by itself. Changed in place.
      - With V(on-failure) only if its exit code is not 0, and at most O(restart_retries) times in a row.
      - With V(always) and V(unless-stopped) each time, and when the host has started; with V(unless-stopped) not if it
        was stopped on purpose before. Where systemd is process 1 the task installs a unit for that,
        C(agentless-oci-containers.service); elsewhere the host's init has to call
        C(/var/lib/agentless-oci/core/entry.py boot) with Python.
      - Restarts in a row wait longer and longer, from 0.1 to 60 seconds. The default is V(no).
    type: str
    choices: ["no", on-failure, always, unless-stopped]
  restart_retries:
    description:
      - How often O(restart_policy=on-failure) tries in a row. V(0), the default, is without end. Changed in place.
    type: int
  auto_remove:
    description:
      - Remove the container when it has ended. Changed in place.
    type: bool
    aliases: [rm]
  update:
    description:
      - How a running container is replaced by a newer one.
    type: dict
    suboptions:
      order:
        description:
          - With V(stop-first) the old container is stopped just before the new one's program is started.
          - With V(start-first) the new one runs beside the old one until it has proved itself. Then it gets the name,
            and the old one is stopped. Both run for a while, so they must share what they serve on, as a socket of
            SO_REUSEPORT or a file in a directory of the host. A published port or an address that both want is an
            error before anything is changed.
        type: str
        choices: [stop-first, start-first]
        default: stop-first
      wait_healthy:
        description:
          - How long the new container has to prove itself, as V(60s) or V(1m30s).
          - With a health check it must become healthy in this time. Without one it must go on running for this time.
          - Without this option it has done so when its program runs.
        type: str
      on_failure:
        description:
          - What follows if it does not. One whose program cannot even be started is never kept.
          - With V(rollback) the new container is removed, the old one runs again (with O(update.order=start-first) it
            never stopped) as the same container it was, and the task fails with the last output of the new one.
          - With V(stop) the new one takes the place all the same, and the task fails, so that the play goes no further
            on this host.
          - With V(continue) the new one takes the place, and the task warns.
        type: str
        choices: [rollback, stop, continue]
        default: rollback
seealso:
  - module: agentless.oci.oci_containers
  - module: agentless.oci.oci_image
  - module: agentless.oci.cgroup_limit
"""

EXAMPLES = r"""
- name: Run a redis with limits
  agentless.oci.oci_container:
    name: cache
    image: registry.example.com/shop/redis:7
    command: [redis-server, --maxmemory, 64mb]
    env:
      TZ: Asia/Ho_Chi_Minh
    memory: 100m
    cpus: 0.5
    pids_limit: 100
    restart_policy: unless-stopped
    volumes:
      - /srv/cache:/var/lib/redis

- name: Give it more memory, without a restart, and leave everything else as it is
  agentless.oci.oci_container:
    name: cache
    memory: 200m

- name: Run a service, wait until it answers, and start it again whenever it no longer does
  agentless.oci.oci_container:
    name: api
    image: registry.example.com/shop/api:3
    state: healthy
    healthy_wait_timeout: 60
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://localhost:8080/health"]
      interval: 5s
      timeout: 2s
      start_period: 1m
      start_interval: 1s
    on_unhealthy: restart

- name: Run a job to its end
  agentless.oci.oci_container:
    name: report
    image: registry.example.com/shop/report:3
    command: report --month {{ month }}
    detach: false
    auto_remove: true
  register: report

- name: Run a web server that is reached on port 8080 of the host
  agentless.oci.oci_container:
    name: web
    image: registry.example.com/shop/web:3
    published_ports: ["8080:80"]

- name: Connect it to two networks
  agentless.oci.oci_container:
    name: web
    networks:
      - name: front
      - name: back
        ipv4_address: 10.91.7.10
        aliases: [www]

- name: Replace it by a newer one without an interruption, or keep it if the newer one does not become healthy
  agentless.oci.oci_container:
    name: api
    image: "registry.example.com/shop/api@{{ digest }}"
    update: {order: start-first, wait_healthy: 60s, on_failure: rollback}

- name: Remove the container
  agentless.oci.oci_container:
    name: cache
    state: absent
"""

RETURN = r"""
container:
  description:
    - The container as it is now, in the shape of C(docker inspect). Empty if there is none.
    - Values of declared environment variables are masked.
  returned: success
  type: dict
  contains:
    Id:
      description: Its id, 64 hexadecimal digits.
      type: str
      returned: success
    Name:
      description: Its name.
      type: str
      returned: success
    Image:
      description: Id of its image.
      type: str
      returned: success
    Created:
      description: When it was created (RFC 3339).
      type: str
      returned: success
    State:
      description:
        - Whether it runs (C(Status), C(Running), C(Pid)), since when, and how it ended (C(ExitCode), C(OOMKilled)).
          With a health check what it says (C(Health)).
        - C(OOMKilled) is true if it ended after a process of it was killed for lack of memory. The next task says so,
          too, as the reason in RV(actions) if it starts the container again, else by a warning.
      type: dict
      returned: success
    Config:
      description: What runs in it.
      type: dict
      returned: success
    HostConfig:
      description: Its limits, namespaces and policies.
      type: dict
      returned: success
    Mounts:
      description: Files and directories of the host that it sees.
      type: list
      elements: dict
      returned: success
    NetworkSettings:
      description:
        - Its networks with the addresses in each (C(Networks)), those of the first one (C(IPAddress)), and which ports
          of the host lead to it (C(Ports)), random ones too.
      type: dict
      returned: success
    LogPath:
      description: File with what it wrote.
      type: str
      returned: success
    RestartCount:
      description: How often it was started again by its restart policy.
      type: int
      returned: success
  sample:
    Id: 4ac60ec3a21b5b0ecae53fdee4ff9dd5b1d4c88a34bc35f4cc8bbd8b2a3d5a01
    Name: cache
    State: {Status: running, Running: true, Pid: 4711}
actions:
  description: What was done, or in check mode would be done, step by step. Empty if nothing had to be.
  returned: success
  type: list
  elements: str
  sample: ["pulled image registry.example.com/shop/redis:7", "created container cache", "started"]
timings:
  description:
    - What each layer took that had to be fetched or unpacked, the lowest first.
    - Both go on at the same time, and several layers do, so the sum is more than the task takes.
  returned: with a verbosity of 2 (C(-vv)) or more, when the image was pulled or unpacked
  type: list
  elements: dict
  contains:
    layer:
      description: Digest of the layer's blob.
      type: str
      returned: always
    size:
      description: Bytes of the blob.
      type: int
      returned: always
    fetch:
      description: Seconds from its first byte to its last. Null if it was not fetched.
      type: float
      returned: always
    unpack:
      description: Seconds that unpacking it took. Null if it was not unpacked.
      type: float
      returned: always
  sample:
    - layer: sha256:2b5a0f6b2d6b0c7d0e1c3e4b9f0c2a8f6a5d4c3b2a1f0e9d8c7b6a5f4e3d2c1b
      size: 31415926
      fetch: 0.412
      unpack: 0.977
stdout:
  description: What the container wrote on its standard output.
  returned: with O(detach=false)
  type: str
  sample: "42 orders\n"
stderr:
  description: What the container wrote on its standard error.
  returned: with O(detach=false)
  type: str
  sample: ""
rc:
  description: Exit code of the container, 128 and the signal's number if a signal ended it.
  returned: with O(detach=false)
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core
from ansible_collections.agentless.oci.plugins.module_utils.container.options import argument_spec

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {
    "argument_spec": argument_spec(),
    "supports_check_mode": True,
    "required_together": [("username", "password")],
}


def main() -> None:
    module = AnsibleModule(**MODULE)
    entry = core.enter(module, module.params["name"])
    from ansible_collections.agentless.oci.plugins.module_utils.container.module import run

    run(module, entry)


if __name__ == "__main__":
    main()
