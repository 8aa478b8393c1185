# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.validate import Machine
from ansible_collections.agentless.oci.plugins.module_utils.container import checks, options
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

TASK = {"state": "started", "detach": True}


@pytest.mark.parametrize("name", ["web", "a", "Web_1.2-x", "x" * 128])
def test_names_that_are_fine(name):
    checks.check_name(name)


@pytest.mark.parametrize("name", ["", ".web", "-x", "a/b", "a b", "é", "x" * 129, "../x", "a\n"])
def test_names_that_are_not(name):
    with pytest.raises(ContainerError, match="cannot be the name"):
        checks.check_name(name)


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ({"state": "absent", "restart": True}, ("restart: true", "state: absent")),
        ({"state": "absent", "recreate": True}, ("recreate: true", "state: absent")),
        ({"state": "stopped", "restart": True}, ("restart: true", "state: stopped")),
        ({"state": "stopped", "detach": False}, ("detach: false", "state: stopped")),
    ],
)
def test_tasks_that_contradict_themselves(task, names):
    with pytest.raises(ContainerError) as caught:
        checks.check_task({**TASK, **task})
    assert all(name in str(caught.value) for name in names)


def test_a_signal_to_kill_with_must_exist():
    with pytest.raises(ContainerError, match="kill_signal: there is no signal"):
        checks.check_task({**TASK, "force_kill": True, "kill_signal": "NOPE"})


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        ({"cpus": 1.0, "cpu_quota": 50000}, ("cpus", "cpu_quota")),
        ({"cpus": 1.0, "cpu_period": 50000}, ("cpus", "cpu_period")),
        ({"memory_swap": "1g"}, ("memory_swap", "no memory")),
        ({"memory_swap": "1g", "memory": "2g"}, ("memory_swap: 1073741824", "memory: 2147483648")),
        ({"memory_reservation": "2g", "memory": "1g"}, ("memory_reservation", "memory: 1073741824")),
        ({"volumes": ["/a:/x"], "tmpfs": ["/x"]}, ("volumes: /x", "tmpfs: /x")),
        ({"mounts": [{"target": "/x", "source": "/a", "type": "bind"}], "volumes": ["/a:/x"]}, ("volumes", "mounts")),
        ({"capabilities": ["NET_ADMIN"], "cap_drop": ["NET_ADMIN"]}, ("capabilities: CAP_NET_ADMIN", "cap_drop")),
        ({"restart_retries": 3}, ("restart_retries", "restart_policy: no")),
        ({"restart_retries": 3, "restart_policy": "always"}, ("restart_retries", "restart_policy: always")),
        ({"auto_remove": True, "restart_policy": "always"}, ("auto_remove: true", "restart_policy: always")),
        ({"userns_mode": "private", "network_mode": "host"}, ("network_mode: host", "userns_mode: private")),
        ({"userns_mode": "private", "pid_mode": "host"}, ("pid_mode: host", "userns_mode: private")),
        ({"userns_mode": "private", "ipc_mode": "host"}, ("ipc_mode: host", "userns_mode: private")),
        ({"userns_mode": "private", "privileged": True}, ("privileged: true", "userns_mode: private")),
        ({"volumes": ["/a:/b:idmap"]}, ("volumes: /b: idmap", "userns_mode: host")),
        ({"hostname": "x", "uts": "host"}, ("hostname", "uts: host")),
        ({"domainname": "x", "uts": "host"}, ("domainname", "uts: host")),
        ({"sysctls": {"net.x": "1"}, "network_mode": "host"}, ("sysctls: net.x", "network_mode: host")),
        ({"sysctls": {"kernel.shmmax": "1"}, "ipc_mode": "host"}, ("sysctls: kernel.shmmax", "ipc_mode: host")),
        ({"shm_size": "1m", "ipc_mode": "host"}, ("shm_size", "ipc_mode: host")),
    ],
)
def test_options_that_contradict_each_other(declared, names):
    with pytest.raises(ContainerError) as caught:
        checks.check_options(options.without_defaults(options.normalise(declared)))
    assert all(name in str(caught.value) for name in names), str(caught.value)


def test_waiting_for_what_never_ends():
    with pytest.raises(ContainerError, match="detach: false and restart_policy: always"):
        checks.check_options({"restart_policy": "always"}, detach=False)


@pytest.mark.parametrize(
    "declared",
    [
        {"cpu_quota": 50000, "cpu_period": 100000},
        {"memory": "1g", "memory_swap": "-1"},
        {"memory": "1g", "memory_swap": "1g", "memory_reservation": "1g"},
        {"capabilities": ["ALL"], "cap_drop": ["ALL"]},
        {"restart_policy": "on-failure", "restart_retries": 3},
        {"hostname": "x", "network_mode": "host"},
    ],
)
def test_options_that_go_together(declared):
    checks.check_options(options.without_defaults(options.normalise(declared)))


MACHINE = Machine(frozenset({0, 1}), frozenset({0}))


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"cpus": 2.5}, "cpus 2.5 is more than this machine has"),
        ({"cpuset_cpus": "1-2"}, "cpuset_cpus"),
        ({"memory": 2 << 30}, "memory: 2g is more than the 1g this host has"),
        ({"memory_reservation": 2 << 30}, "memory_reservation: 2g is more"),
        ({"memory": 4096}, "memory 4k is below the smallest that works"),
    ],
)
def test_limits_that_the_machine_does_not_take(declared, reason):
    with pytest.raises(Error, match=reason):
        checks.check_machine(declared, 1 << 30, MACHINE)


def test_limits_that_are_just_the_machine():
    checks.check_machine({"cpus": 2.0, "memory": 1 << 30, "cpuset_cpus": "0-1"}, 1 << 30, MACHINE)
