# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a container's limits and devices."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
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
  oom_killer:
    description:
      - With V(true) the kernel does not kill the container's processes when its memory is used up; they wait. Only on
        cgroup v1. Changed in place.
    type: bool
    aliases: [oom_kill_disable]
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
  cpu_rt_period:
    description:
      - Period that O(cpu_rt_runtime) is counted in, in microseconds. Only on cgroup v1, where the kernel has it.
        Changed in place.
    type: int
  cpu_rt_runtime:
    description:
      - Time in microseconds that realtime tasks may run in each period. Only on cgroup v1, where the kernel has it.
        Changed in place.
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
  blkio_weight_device:
    description:
      - Weights of single devices, a dictionary from their paths or V(MAJOR:MINOR) to 10 to 1000, or a list of C(path)
        and C(weight). Changed in place, but for a device that is left out.
    type: raw
  device_read_bps:
    description:
      - Most bytes that are read from a device each second, as a list of dictionaries with C(path) (or V(MAJOR:MINOR))
        and C(rate), as V(1m), or of strings as V(/dev/sda:1m). Changed in place.
    type: list
    elements: raw
  device_write_bps:
    description:
      - The same of bytes that are written. Changed in place.
    type: list
    elements: raw
  device_read_iops:
    description:
      - The same of read operations. Changed in place.
    type: list
    elements: raw
  device_write_iops:
    description:
      - The same of write operations. Changed in place.
    type: list
    elements: raw
  cgroup_conf:
    description:
      - Control files of cgroup v2 that no other option stands for, by their names, as C(memory.high), with what is to
        be written there. Changed in place, but for one that is left out.
    type: dict
  cgroup_parent:
    description:
      - The group above the container's, a path from the root of the hierarchies, or the name of a systemd slice as
        V(batch.slice). Limits of that group hold for all in it. The default is V(/agentless-oci) or, under systemd, the
        group of the container's service in C(system.slice). Of a slice the service itself is a part; elsewhere the
        container lies outside of its service's group.
    type: str
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
  device_cgroup_rules:
    description:
      - Devices that the container may use besides those, if it has a node of them, each as V(c 42:* rmw), type, numbers
        and access. Changed in place.
    type: list
    elements: str
    aliases: [device_cgroup_rule]
"""
