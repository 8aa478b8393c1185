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
  - No daemon and no container engine is needed on the managed host, only Python. Where systemd is process 1, a
    container is the main process of a transient service C(aoci-NAME-ID.service), which systemd starts again as
    O(restart_policy) has it, and stops in order before the host goes down. A small process beside it keeps its log and
    checks its health, unless neither is wanted. Elsewhere that process, its monitor, does it all.
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
  - agentless.oci.process
  - agentless.oci.connections
  - agentless.oci.resources
  - agentless.oci.mounts
  - agentless.oci.supervision
  - agentless.oci.health
  - agentless.oci.registry
  - agentless.oci.foreign
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
      - With V(present) it exists as declared. A new one is not started, one that is there goes on as it did. V(created)
        is another word for it.
      - With V(stopped) it exists as declared and does not run.
      - With V(absent) there is no such container. One that runs is stopped first.
    type: str
    choices: [absent, present, created, started, stopped, healthy]
    default: started
  image:
    description:
      - Image to make the container from, a reference as for any container engine or the id of an image that is on the
        host.
      - A container is replaced when the image's id changes, not when only the name does.
      - Needed for a container that does not exist yet.
    type: str
  image_name_mismatch:
    description:
      - What follows when the image is the same and only its name is another one. With V(recreate) the container is
        replaced, with V(ignore) nothing happens. By default the new name is recorded.
    type: str
    choices: [recreate, ignore]
  image_strict:
    description:
      - With V(true) the same as O(image_name_mismatch=recreate).
    type: bool
  ignore_image:
    description:
      - With V(true) the same as V(ignore) for C(image) in O(comparisons).
    type: bool
  pull:
    description:
      - When to ask the registry for the image.
      - With V(missing) only if no image of that name is on the host.
      - With V(always) each time. With V(newer) too, but if the registry cannot be reached, the image that is there
        will do.
      - With V(never) not at all.
      - V(true) is V(always), and V(false) is V(missing).
    type: raw
    default: missing
  platform:
    description:
      - Platform of the image, as in V(linux/arm64), instead of the host's.
    type: str
  arch:
    description:
      - Architecture of the image, the second part of O(platform).
    type: str
  os:
    description:
      - Operating system of the image, the first part of O(platform), with O(arch).
    type: str
  variant:
    description:
      - Variant of the architecture, the third part of O(platform), with O(arch).
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
    aliases: [force_restart]
  paused:
    description:
      - With V(true) the processes of the container that runs stand still, with V(false) they go on. Without it that is
        left as it is. A container that is started anew goes on.
    type: bool
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
  update:
    description:
      - How a running container is replaced by a newer one.
    type: dict
    suboptions:
      order:
        description:
          - With V(stop-first) the old container is stopped just before the new one's program is started.
          - With V(start-first) the new one runs beside the old one until it has proved itself. Then it gets the name
            and the published ports, and the old one is stopped. New connections reach the old one until then and the
            new one from then on; what is connected to the old one stays so until that has ended. Both run for a
            while, so what else they serve on must be shared, as a socket of SO_REUSEPORT or a file in a directory of
            the host. An address that both want, and a published port of a network whose ports another CNI plugin than
            C(portmap) publishes, are errors before anything is changed.
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

- name: Run a job that has no business on any network
  agentless.oci.oci_container:
    name: thumbnails
    image: registry.example.com/shop/thumbnails:3
    network_mode: none
    volumes: ["/srv/pictures:/pictures"]

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
    Output:
      description: What it wrote on its standard output, and then what it wrote on its standard error.
      type: str
      returned: with O(detach=false)
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
status:
  description: The same as RV(rc).
  returned: with O(detach=false)
  type: int
  sample: 0
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
