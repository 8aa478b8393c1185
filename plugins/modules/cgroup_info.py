#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cgroup_info
short_description: Look at control groups, what limits them and what they use
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Returns the limits, the usage, the pressure, the events and the processes of a control group (cgroup), or of it
    and all groups below it.
  - The same names and units on cgroup v1, hybrid and v2; limits are named as in M(agentless.oci.cgroup_limit). What
    the host's kernel does not tell is left out, never guessed, and RV(missing) says why.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.info_module
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
options:
  name:
    description:
      - The name of a container made by M(agentless.oci.oci_container). If it does not run, there is no group.
      - At most one of O(name), O(path), O(unit) and O(pid) is taken. Without any it is the root of the hierarchy.
    type: str
    aliases: [container]
  path:
    description:
      - The group, from the root of the hierarchy, such as V(/batch/reports). V(/) is the root.
    type: str
    aliases: [cgroup]
  unit:
    description:
      - A unit of systemd, such as V(nginx.service) or V(system.slice).
    type: str
  pid:
    description:
      - A process. Its group is looked at.
    type: int
  tree:
    description:
      - Whether to look at the groups below it, too.
    type: bool
    default: false
  depth:
    description:
      - How many levels below it to look at. Implies O(tree). Without it all are.
    type: int
  gather:
    description:
      - What to look at; less takes less time. Without it everything is.
    type: list
    elements: str
    choices: [limits, usage, pressure, events, processes]
notes:
  - The usage of a group includes that of the groups below it. So do events of memory on cgroup v2, but not on v1, and
    throttling never does.
  - On a hybrid host pressure is told for groups whose processes are all in the same group of its cgroup v2 mount.
seealso:
  - module: agentless.oci.cgroup_limit
  - module: agentless.oci.oci_container
"""

EXAMPLES = r"""
- name: What a container uses
  agentless.oci.cgroup_info:
    name: cache
  register: cache

- name: Say so when it is close to its limit
  ansible.builtin.debug:
    msg: cache uses {{ (100 * group.usage.memory / group.limits.memory) | round }} % of its memory
  vars:
    group: "{{ cache.cgroups[0] }}"
  when: cache.exists and group.limits.memory > 0

- name: Everything below the services of the host
  agentless.oci.cgroup_info:
    path: system.slice
    tree: true
    gather: [usage, events]
  register: services

- name: Which of them the kernel has killed processes of for lack of memory
  ansible.builtin.debug:
    msg: "{{ killed | map(attribute='path') }}"
  vars:
    killed: "{{ services.cgroups | selectattr('events.oom_kill', 'defined') | selectattr('events.oom_kill') }}"

- name: How much of its time a service waits for the CPU
  agentless.oci.cgroup_info:
    unit: nginx
    gather: [pressure]
  register: nginx

- name: The two uppermost levels of the host
  agentless.oci.cgroup_info:
    depth: 2
    gather: [processes]
"""

RETURN = r"""
path:
  description: The group that was asked for, from the root of the hierarchy.
  returned: success
  type: str
  sample: /batch/reports
exists:
  description: Whether there is such a group.
  returned: success
  type: bool
cgroups:
  description:
    - The group, and with O(tree) those below it, each before those below it. Empty if there is no such group.
    - In every part, what the kernel does not tell for a group is left out.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: From the root of the hierarchy.
      returned: always
      type: str
    limits:
      description:
        - The limits in force, named like the options of M(agentless.oci.cgroup_limit). Sizes in bytes, V(-1) for no
          limit.
      returned: if gathered
      type: dict
    usage:
      description: What it uses, and has used since it was made.
      returned: if gathered
      type: dict
      contains:
        cpu_usec:
          description: CPU time, microseconds.
          returned: if counted
          type: int
        cpu_user_usec:
          description: Of it in user mode.
          returned: if counted
          type: int
        cpu_system_usec:
          description: Of it in the kernel.
          returned: if counted
          type: int
        memory:
          description: Bytes of memory, the page cache and on cgroup v2 the kernel's for it included.
          returned: if counted
          type: int
        memory_peak:
          description: The most that was, bytes.
          returned: if counted (on v2 since Linux 5.19)
          type: int
        memory_anon:
          description: Bytes that belong to no file.
          returned: if counted
          type: int
        memory_file:
          description: Bytes of page cache, tmpfs included.
          returned: if counted
          type: int
        memory_shmem:
          description: Of it shared memory and tmpfs.
          returned: if counted
          type: int
        memory_inactive_file:
          description: Of the page cache what has not been used lately, and is given back first.
          returned: if counted
          type: int
        memory_kernel:
          description: Bytes that the kernel needs for it.
          returned: on cgroup v2, since Linux 5.18
          type: int
        swap:
          description: Bytes of swap.
          returned: if counted
          type: int
        pids:
          description: Processes and threads.
          returned: if counted
          type: int
        pids_peak:
          description: The most there were.
          returned: since Linux 6.6
          type: int
        io:
          description: What was read and written, by device.
          returned: if counted
          type: list
          elements: dict
          contains:
            device:
              description: Its major and minor number.
              returned: always
              type: str
            read_bytes:
              description: Bytes read.
              returned: always
              type: int
            write_bytes:
              description: Bytes written.
              returned: always
              type: int
            read_ops:
              description: Reads.
              returned: always
              type: int
            write_ops:
              description: Writes.
              returned: always
              type: int
        io_read_bytes:
          description: Bytes read from all devices.
          returned: if counted
          type: int
        io_write_bytes:
          description: Bytes written to all devices.
          returned: if counted
          type: int
        io_read_ops:
          description: Reads from all devices.
          returned: if counted
          type: int
        io_write_ops:
          description: Writes to all devices.
          returned: if counted
          type: int
        hugetlb:
          description: Bytes of huge pages, by their size.
          returned: if counted
          type: dict
          sample: {2MB: 4194304}
    pressure:
      description:
        - For C(cpu), C(memory) and C(io), how long tasks waited for it. C(some) while at least one of them waited,
          C(full) while all did.
        - C(avg10), C(avg60) and C(avg300) are percentages of the last 10, 60 and 300 seconds, C(total_usec) is the sum
          since the group was made, microseconds.
        - Empty where the host does not count it.
      returned: if gathered
      type: dict
      sample:
        cpu:
          some: {avg10: 12.5, avg60: 3.1, avg300: 0.8, total_usec: 4212345}
          full: {avg10: 2.0, avg60: 0.4, avg300: 0.1, total_usec: 512345}
    events:
      description: What has happened to it since it was made.
      returned: if gathered
      type: dict
      contains:
        oom:
          description: How often memory was needed that could not be had.
          returned: on cgroup v2
          type: int
        oom_kill:
          description: How many processes were killed for lack of memory.
          returned: if counted
          type: int
        oom_group_kill:
          description: How often all of the group was.
          returned: on cgroup v2, since Linux 5.17
          type: int
        memory_low:
          description: How often memory was taken from it below its C(memory_reservation).
          returned: on cgroup v2
          type: int
        memory_high:
          description: How often it was slowed at its C(memory_high).
          returned: on cgroup v2
          type: int
        memory_max:
          description: How often it reached its limit of memory.
          returned: if counted
          type: int
        swap_max:
          description: How often it reached its limit of swap.
          returned: on cgroup v2
          type: int
        swap_fail:
          description: How often memory could not be swapped out.
          returned: on cgroup v2
          type: int
        pids_max:
          description: How often a new process was refused at its C(pids_limit).
          returned: if counted
          type: int
        cpu_periods:
          description: Periods in which it ran and had a limit of CPU time.
          returned: if counted
          type: int
        cpu_throttled:
          description: In how many of them it used up what it had, and had to wait.
          returned: if counted
          type: int
        cpu_throttled_usec:
          description: How long it waited, summed up over CPUs, microseconds.
          returned: if counted
          type: int
    processes:
      description: Ids of the processes in it, none of groups below it.
      returned: if gathered
      type: list
      elements: int
  sample:
    - path: /batch/reports
      limits: {cpus: 1.5, memory: 2147483648, pids_limit: 200}
      usage: {cpu_usec: 81234567, memory: 734003200, memory_peak: 1073741824, pids: 12}
      pressure: {}
      events: {oom_kill: 0, memory_max: 3, pids_max: 0, cpu_periods: 1200, cpu_throttled: 17}
      processes: [4711, 4712]
hierarchy:
  description: How the host's control groups are arranged.
  returned: success
  type: dict
  contains:
    mode:
      description: V(unified) if all controllers are on cgroup v2, V(legacy) if on v1, V(hybrid) if both are mounted.
      returned: always
      type: str
    v1:
      description: Controllers on v1.
      returned: always
      type: list
      elements: str
    v2:
      description: Controllers on v2.
      returned: always
      type: list
      elements: str
missing:
  description: What this host cannot tell, C(pressure) or a controller, and why.
  returned: success
  type: dict
  sample:
    pressure: the kernel of this host does not count it (CONFIG_PSI, and psi=1 on its command line)
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {
    "argument_spec": {
        "name": {"type": "str", "aliases": ["container"]},
        "path": {"type": "str", "aliases": ["cgroup"]},
        "unit": {"type": "str"},
        "pid": {"type": "int"},
        "tree": {"type": "bool", "default": False},
        "depth": {"type": "int"},
        "gather": {
            "type": "list",
            "elements": "str",
            "choices": ["limits", "usage", "pressure", "events", "processes"],
        },
        "root": {"type": "path"},
    },
    "mutually_exclusive": [("name", "path", "unit", "pid")],
    "supports_check_mode": True,
}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, "cgroups", check_mode=True)  # which installs nothing
    from ansible_collections.agentless.oci.plugins.module_utils.cgroup.info import run

    run(module)


if __name__ == "__main__":
    main()
