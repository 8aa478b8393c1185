# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that limit a group of processes; module_utils/cgroup/limits.py has them as code."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  cpus:
    description:
      - How many CPUs the group may use, such as V(1.5), V(50%) of one, or V(max) for no limit.
      - Excludes O(cpu_quota).
    type: str
  cpu_quota:
    description:
      - Microseconds of CPU time in each O(cpu_period), or V(-1) for no limit.
    type: str
  cpu_period:
    description:
      - Length of the period that O(cpus) and O(cpu_quota) count in, microseconds.
    type: int
  cpu_shares:
    description:
      - Relative share of CPU time under contention, 2 to 262144; a new group has 1024.
      - Converted to a weight on cgroup v2.
      - Excludes O(cpu_weight).
    type: int
  cpu_weight:
    description:
      - Relative share of CPU time under contention, 1 to 10000; a new group has 100. Converted to shares on cgroup v1.
    type: int
  cpu_burst:
    description:
      - Microseconds of CPU time that the group may save from quiet periods and use above its quota; at most the quota.
      - Needs Linux 5.14.
    type: int
  cpu_idle:
    description:
      - Whether the group runs only when nothing else wants the CPU. Excludes O(cpu_shares) and O(cpu_weight).
      - Needs Linux 5.15.
    type: bool
  cpu_rt_period:
    description:
      - Length of the period that O(cpu_rt_runtime) counts in, microseconds. Only on cgroup v1.
    type: int
  cpu_rt_runtime:
    description:
      - Microseconds in each O(cpu_rt_period) that realtime processes may run. Only on cgroup v1.
    type: int
  cpuset_cpus:
    description:
      - The CPUs that the group may run on, such as V(0-2,4).
    type: str
  cpuset_mems:
    description:
      - The memory nodes that the group may allocate from, such as V(0).
    type: str
  cpuset_partition:
    description:
      - V(root) takes the CPUs of O(cpuset_cpus) away from all other groups, V(isolated) from the load balancing too,
        V(member) is neither. Only on cgroup v2.
      - A partition that the kernel calls invalid is an error with the kernel's reason, and is taken back.
    type: str
  memory:
    description:
      - The most memory, such as V(512m) or V(1.5g), or V(max) for no limit.
      - A limit below what is used and cannot be reclaimed is refused on both versions; no process is killed for it.
    type: str
  memory_reservation:
    description:
      - The memory that stays with the group when the host runs short (C(memory.low), on v1 the soft limit).
    type: str
    aliases: [memory_low]
  memory_swap:
    description:
      - The most memory and swap together, or V(max) for no limit. Needs O(memory).
    type: str
  memory_swappiness:
    description:
      - How readily the group's memory is swapped out, 0 to 100. Only on cgroup v1.
    type: int
  memory_high:
    description:
      - The memory above which the group is slowed and reclaimed from rather than killed. Only on cgroup v2.
    type: str
  memory_min:
    description:
      - The memory that is never taken from the group, whatever the host's need. Only on cgroup v2.
    type: str
  memory_oom_group:
    description:
      - Whether all processes of the group are killed together when one has to be for memory. Only on cgroup v2.
      - Of a systemd unit systemd sets it again by C(OOMPolicy) of the unit; declare that there.
    type: bool
  oom_killer:
    description:
      - Whether to disable the OOM killer, as in C(docker_container); processes then wait for memory instead. Only on
        cgroup v1.
    type: bool
    aliases: [oom_kill_disable]
  pids_limit:
    description:
      - The most processes and threads, or V(max) for no limit.
    type: str
  blkio_weight:
    description:
      - Relative share of disk time, 10 to 1000. Excludes O(io_weight).
    type: int
  blkio_weight_device:
    description:
      - >-
        The same for single disks, a list of V({path: /dev/sda, weight: 200}) or V(/dev/sda:200).
      - C(path) may be V(MAJOR:MINOR), here and below. Excludes O(io_weight_device).
    type: list
    elements: raw
  io_weight:
    description:
      - Relative share of disk time, 1 to 10000; a new group has 100. Converted on cgroup v1.
    type: int
  io_weight_device:
    description:
      - >-
        The same for single disks, a list of V({path: /dev/sda, weight: 200}) or V(/dev/sda:200).
    type: list
    elements: raw
  io_latency:
    description:
      - >-
        The latency that a disk is to keep for the group, others being slowed for it; a list of
        V({path: /dev/sda, target: 10ms}), V(max) for no target. Only on cgroup v2.
    type: list
    elements: raw
  device_read_bps:
    description:
      - >-
        The most bytes a second read from a disk, a list of V({path: /dev/sda, rate: 20m}) or V(/dev/sda:20m), V(max)
        for no limit. Disks that are not named stay as they are.
    type: list
    elements: raw
  device_write_bps:
    description:
      - The most bytes a second written to a disk, as in O(device_read_bps).
    type: list
    elements: raw
  device_read_iops:
    description:
      - >-
        The most reads a second from a disk, a list of V({path: /dev/sda, rate: 500}) or V(/dev/sda:500), V(max) for no
        limit.
    type: list
    elements: raw
  device_write_iops:
    description:
      - The most writes a second to a disk, as in O(device_read_iops).
    type: list
    elements: raw
  hugetlb:
    description:
      - >-
        The most memory in huge pages by their size, such as V({2MB: 64m, 1GB: max}), in use or reserved.
    type: dict
  rdma:
    description:
      - >-
        RDMA resources by device, such as V({mlx5_0: {hca_handles: 2, hca_objects: max}}).
    type: dict
  misc:
    description:
      - >-
        Resources of the misc controller by name, such as V({sev: 10}).
    type: dict
  device_cgroup_rules:
    description:
      - The device nodes that the group may use, as rules in order, a later one wins. A rule is V(c 1:3 rwm) (type V(a),
        V(b) or V(c), V(MAJOR:MINOR) with V(*) for any, access of V(r), V(w) and V(m) for mknod) with V(allow), which is
        meant without it, or V(deny) before it; or a dictionary as in C(linux.resources.devices) of the OCI runtime
        spec.
      - What no rule names is denied where the first rule allows, and allowed where the first rule denies.
        V(a *:* rwm) alone allows all again.
      - Cgroup v1 has rules of its own, on v2 an eBPF program is attached to the group.
    type: list
    elements: raw
    aliases: [device_cgroup_rule]
  net_cls_classid:
    description:
      - The class that tc(8) and iptables see on the group's packets, such as V(10:1) (hexadecimal) or V(0x100001). Only
        on cgroup v1.
    type: str
  net_prio_ifpriomap:
    description:
      - >-
        The priority of the group's packets by network interface, such as V({eth0: 5}). Only on cgroup v1.
    type: dict
  frozen:
    description:
      - V(true) stops every process of the group and waits until all stand still, V(false) lets them run.
    type: bool
  conf:
    description:
      - Raw control files and their values, for what has no option here, such as C(cpu.uclamp.max) or
        C(memory.swap.high). Files that only start something, such as C(memory.reclaim), are no limits.
      - A value may be a list, or several lines, for files that take one device at a time.
    type: dict
"""
