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
"""
