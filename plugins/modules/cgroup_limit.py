#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cgroup_limit
short_description: Limit what a control group of processes may use
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Sets CPU, memory, process and disk limits of any control group (cgroup) of the host, makes the group with its
    parents where it does not exist, and moves processes into it.
  - The group is a container's, one at a path, one of a systemd unit, or the one that a process is in. Limits of a unit
    are set by systemd, as C(systemctl set-property) has it do.
  - The same options and units on cgroup v1, hybrid and v2. A limit that the host's hierarchy does not have is an error
    that says what to do, never left out silently.
  - Values are compared as the kernel tells them, so that rounding (of memory to pages, of weights) is not a change.
    When the kernel refuses one limit, those already set are put back.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.limits
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
      - The name of a container made by M(agentless.oci.oci_container) that is running.
      - Changes the limits in force only. Its declared limits stay what they are; the next
        M(agentless.oci.oci_container) task puts those it declares back.
      - Exactly one of O(name), O(path), O(unit) and O(pid) is needed.
    type: str
    aliases: [container]
  path:
    description:
      - The group, from the root of the hierarchy, such as V(/batch/reports) or V(system.slice/nginx.service).
      - On cgroup v1 the same path is used in the hierarchy of every controller.
      - A path that is the group of a systemd unit means that unit, see O(unit).
      - Under systemd no group is made inside of a unit, which is systemd's to divide, unless it has C(Delegate=yes).
        Elsewhere systemd leaves groups alone. For one right below the root an empty group
        C(/agentless-oci.controllers) is made as well, which keeps systemd from switching off controllers that it has
        no use for itself.
    type: str
    aliases: [cgroup]
  unit:
    description:
      - A systemd unit that has processes, such as V(nginx.service) or V(user.slice); V(nginx) means V(nginx.service).
        It must exist and need not be running. A slice need not exist.
      - Limits are told to systemd, which applies them at once and whenever it starts the unit, until the next boot or,
        with O(persistent), for good. It counts CPU quotas in whole percents of a CPU, rounded up.
      - A limit that systemd has no property for, such as one of O(conf), is written to the group of the running unit
        and goes with it.
    type: str
  pid:
    description:
      - A process whose group is meant, be it that of a systemd unit or another.
    type: int
  state:
    description:
      - V(present) makes the group and sets what is declared; limits that are not declared stay as they are.
      - V(absent) moves the processes in it to the nearest group above that may hold processes, or with O(kill) ends
        them, then removes it and every group below it.
      - Of a systemd unit V(absent) takes back the limits that were set with this module or C(systemctl set-property),
        those kept over a reboot too, so that what its own files say is in force. The unit itself goes on.
    type: str
    choices: [present, absent]
    default: present
  processes:
    description:
      - Process ids to move into the group, each with all its threads.
      - A systemd unit takes them while it runs, and ends them when it is stopped; a slice takes none.
    type: list
    elements: int
  kill:
    description:
      - Whether V(state=absent) kills the processes in the group and below it. A systemd unit's are never killed.
    type: bool
    default: false
  persistent:
    description:
      - Whether the limits declared here come back after a reboot. With V(true) the group is made again with them,
        before services start; of a systemd unit systemd keeps them, as C(systemctl set-property) without C(--runtime).
      - V(false) ends that for all limits of the group or unit. Those in force stay until the reboot.
      - Without it, what comes back after a reboot does so with the value declared here, and what does not, does not.
      - Under systemd C(agentless-oci-limits.service) makes the groups; it is installed with the first one and removed
        with the last. Another init has to call C(core/entry.py boot) of the state directory with Python, as in
        C(python3 -I -S /var/lib/agentless-oci/core/entry.py boot).
      - Not for containers, whose limits M(agentless.oci.oci_container) keeps.
    type: bool
notes:
  - Limits last until the group is removed or the host reboots, unless they are O(persistent).
  - Under cgroup v2 a group with children that have limits cannot hold processes itself, the root excepted.
seealso:
  - module: agentless.oci.oci_container
"""

EXAMPLES = r"""
- name: Keep the nightly reports from taking over the host
  agentless.oci.cgroup_limit:
    path: /batch/reports
    cpus: 1.5
    memory: 2g
    pids_limit: 200
    processes: "{{ report_pids }}"

- name: Give a running container more memory until its next task
  agentless.oci.cgroup_limit:
    name: cache
    memory: 512m

- name: Slow a service down before it takes the host's memory, from now on (cgroup v2)
  agentless.oci.cgroup_limit:
    unit: nginx.service
    memory_high: 512m
    persistent: true

- name: What all users together may have, until the next reboot
  agentless.oci.cgroup_limit:
    unit: user.slice
    cpus: 4
    pids_limit: 2000

- name: The service as its own files have it
  agentless.oci.cgroup_limit:
    unit: nginx.service
    state: absent

- name: A group that is there after every reboot
  agentless.oci.cgroup_limit:
    path: /batch/nightly
    memory: 1g
    persistent: true

- name: Whatever group this process is in
  agentless.oci.cgroup_limit:
    pid: 4711
    memory: 256m

- name: Leave the disk to others, and use no other devices than these
  agentless.oci.cgroup_limit:
    path: /batch/reports
    io_weight: 20
    device_write_bps:
      - path: /dev/sda
        rate: 20m
    device_cgroup_rules:
      - c 1:3 rwm
      - c 1:9 r

- name: Let it stand still for a while
  agentless.oci.cgroup_limit:
    path: /batch/reports
    frozen: true

- name: Set a raw control file
  agentless.oci.cgroup_limit:
    path: /batch/reports
    conf:
      cpu.uclamp.max: 50

- name: Remove the group; what still runs goes on in its parent
  agentless.oci.cgroup_limit:
    path: /batch/reports
    state: absent

- name: Remove a group with all that runs in it
  agentless.oci.cgroup_limit:
    path: /batch/nightly
    state: absent
    kill: true
"""

RETURN = r"""
path:
  description: The group, from the root of the hierarchy.
  returned: success
  type: str
  sample: /batch/reports
unit:
  description: The systemd unit that the group is of.
  returned: success, for a unit
  type: str
  sample: nginx.service
persistent:
  description: Whether something of this group or unit comes back after a reboot.
  returned: success
  type: bool
  sample: false
actions:
  description: What was done, or in check mode would be, in order.
  returned: success
  type: list
  elements: str
  sample: [created cgroup /batch/reports, set memory to 2g]
limits:
  description:
    - The limits before and after, read back from the kernel, named like the options. Sizes in bytes, V(-1) for no
      limit.
    - What the host does not have is left out.
  returned: success
  type: dict
  contains:
    before:
      description: The limits found; empty when the group did not exist.
      type: dict
      returned: success
      sample: {memory: -1, cpus: -1.0, pids_limit: -1}
    after:
      description:
        - The limits now; in check mode those that would be. Empty when the group is absent.
        - Of a systemd unit that is V(absent) those that its own files give it, which check mode leaves out.
      type: dict
      returned: success
      sample: {memory: 2147483648, cpus: 1.5, pids_limit: 200}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import limits

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {
    "argument_spec": {
        "name": {"type": "str", "aliases": ["container"]},
        "path": {"type": "str", "aliases": ["cgroup"]},
        "unit": {"type": "str"},
        "pid": {"type": "int"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **limits.argument_spec(),
        "processes": {"type": "list", "elements": "int"},
        "kill": {"type": "bool", "default": False},
        "persistent": {"type": "bool"},
        "root": {"type": "path"},
    },
    "required_one_of": [("name", "path", "unit", "pid")],
    "mutually_exclusive": [
        ("name", "path", "unit", "pid"),
        *limits.CONTRADICTIONS,
    ],
    "supports_check_mode": True,
}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, module.params["name"] or module.params["path"] or module.params["unit"] or "cgroup_limit")
    from ansible_collections.agentless.oci.plugins.module_utils.cgroup.module import run

    run(module)


if __name__ == "__main__":
    main()
