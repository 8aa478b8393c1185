# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random changes of a live container: check mode says what a run does, the next does nothing, the kernel has it."""

from __future__ import annotations

import os
import random
import re

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import optionrow, options
from conftest import IMAGE, WAIT

UNLIMITED = 1 << 60


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Seen:
    """A running container as the kernel has it."""

    def __init__(self, result, host):
        self.container = result["container"]
        self.pid = self.container["State"]["Pid"]
        self.directory = os.path.realpath(os.path.join(host.state.containers, "web"))
        lines = read(f"/proc/{self.pid}/status").splitlines()
        self.status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def control(self, controller, v1, v2):
        groups = [line.split(":", 2) for line in read(f"/proc/{self.pid}/cgroup").splitlines()]
        for _number, controllers, path in groups:
            if controller in controllers.split(","):
                return read(f"/sys/fs/cgroup/{controller}{path}/{v1}").split()[0]
        return read(f"/sys/fs/cgroup{groups[0][2]}/{v2}").split()[0]

    def limit(self, v1, v2):
        """Bytes, None for no limit."""
        text = self.control("memory", v1, v2)
        return None if text == "max" or int(text) > UNLIMITED else int(text)

    def environment(self, name):
        entries = dict(item.split("=", 1) for item in read(f"/proc/{self.pid}/environ").split("\0") if item)
        return entries.get(name)

    def mount(self, target):
        found = [line for line in read(f"/proc/{self.pid}/mountinfo").splitlines() if line.split()[4] == target]
        return found[-1] if found else ""

    def monitor(self, name):
        settings = dict(line.split("=", 1) for line in read(os.path.join(self.directory, "monitor.conf")).splitlines())
        return settings.get(name)


# Option → (values as users write them, what to look at, what it shows for each value and without one).
CHOICES = {
    "command": (
        [[*WAIT, "one"], [*WAIT, "One"]],
        lambda seen: read(f"/proc/{seen.pid}/cmdline").split("\0")[3],
        ["one", "One", ""],
    ),
    "env": ([{"A": "x"}, {"A": "X"}], lambda seen: seen.environment("A"), ["x", "X", None]),
    "unsetenv": ([["FROM_IMAGE"]], lambda seen: seen.environment("FROM_IMAGE"), [None, "yes"]),
    "user": (["1000", "1001:7"], lambda seen: seen.status["Uid"].split()[0], ["1000", "1001", "0"]),
    "groups": (
        [["5"], ["6", "5"]],
        lambda seen: set(seen.status["Groups"].split()) & {"5", "6"},
        [{"5"}, {"5", "6"}, set()],
    ),
    "umask": (["0077"], lambda seen: seen.status["Umask"], ["0077", "0022"]),
    "working_dir": (["/tmp"], lambda seen: os.readlink(f"/proc/{seen.pid}/cwd").endswith("/tmp"), [True, False]),
    "capabilities": ([["NET_ADMIN"]], lambda seen: int(seen.status["CapBnd"], 16) >> 12 & 1, [1, 0]),
    "cap_drop": ([["KILL"]], lambda seen: int(seen.status["CapBnd"], 16) >> 5 & 1, [0, 1]),
    "security_opts": ([["no-new-privileges"]], lambda seen: seen.status["NoNewPrivs"], ["1", "0"]),
    "ulimits": (
        [["nofile:64:128"]],
        lambda seen: bool(re.search(r"Max open files +64 +128 ", read(f"/proc/{seen.pid}/limits"))),
        [True, False],
    ),
    "oom_score_adj": ([300], lambda seen: read(f"/proc/{seen.pid}/oom_score_adj").strip(), ["300", "0"]),
    "shm_size": (
        ["1m", "2m"],
        lambda seen: re.search(r"size=(\d+)k", seen.mount("/dev/shm"))[1],
        ["1024", "2048", "65536"],
    ),
    "tmpfs": ([["/t"]], lambda seen: bool(seen.mount("/t")), [True, False]),
    "read_only": ([True], lambda seen: " ro," in seen.mount("/"), [True, False]),
    "memory": (
        ["64m", "96m"],
        lambda seen: seen.limit("memory.limit_in_bytes", "memory.max"),
        [64 << 20, 96 << 20, None],
    ),
    "pids_limit": ([50, 60], lambda seen: seen.control("pids", "pids.max", "pids.max"), ["50", "60", "max"]),
    "cpus": (
        [0.5, 0.25],
        lambda seen: seen.control("cpu", "cpu.cfs_quota_us", "cpu.max"),
        [{"50000"}, {"25000"}, {"-1", "max"}],
    ),
    "cpu_shares": (
        [512],
        lambda seen: seen.control("cpu", "cpu.shares", "cpu.weight"),
        [{"512", "59"}, {"1024", "100"}],
    ),
    "cpuset_cpus": (["0"], lambda seen: seen.status["Cpus_allowed_list"].strip() == "0", [True, None]),
    "labels": ([{"a": "x"}, {"a": "X"}], lambda seen: seen.container["Config"]["Labels"].get("a"), ["x", "X", None]),
    "restart_policy": (["always", "on-failure:3"], lambda seen: seen.monitor("policy"), ["always", "on-failure", "no"]),
    "log_options": ([{"max-file": 2}], lambda seen: seen.monitor("max_file"), ["2", None]),
    "log_driver": (["json-file"], lambda seen: seen.monitor("log_driver"), ["json-file", None]),
    "stop_timeout": ([3], lambda seen: seen.container["Config"]["StopTimeout"], [3, 10]),
    "healthcheck": (
        [{"test": "true", "interval": "1h"}],
        lambda seen: (seen.container["Config"].get("Healthcheck") or {}).get("Test"),
        [["CMD-SHELL", "true"], None],
    ),
    "paused": ([True, False], lambda seen: seen.container["State"]["Paused"], [True, False, None]),
}


def chosen(chance):
    """Some options with the index of their value."""
    names = chance.sample(sorted(CHOICES), chance.randint(0, 6))
    return {name: chance.randrange(len(CHOICES[name][0])) for name in names}


def given_of(indices):
    return {name: CHOICES[name][0][index] for name, index in indices.items()}


def check_kernel(seen, indices):
    for name, (values, look, shown) in CHOICES.items():
        expected = shown[indices.get(name, len(values))]
        found = look(seen)
        if expected is None and name in ("cpuset_cpus", "paused"):
            continue  # as the machine has it, and as it was
        assert found in expected if isinstance(expected, set) and isinstance(found, str) else found == expected, name


@pytest.mark.parametrize("seed", range(3))
def test_random_changes_of_a_live_container(host, seed):
    chance = random.Random(f"{__name__} {seed}")
    before, indices = None, {}
    for _round in range(12):
        whole = before is None or chance.random() < 0.7
        wanted = chosen(chance)
        task = {"force_kill": True, **({"image": IMAGE} if whole else {}), **given_of(wanted)}
        if whole and "command" not in wanted:
            task["command"] = [*WAIT, ""]
        told = host.task(check=True, **task)
        done = host.task(**task)
        assert (told["actions"], told["diff"], told["changed"]) == (done["actions"], done["diff"], done["changed"])
        again = host.task(check=True, **task)
        assert (again["actions"], again["diff"]) == ([], {"before": {}, "after": {}}), task
        assert host.task(**task)["actions"] == []
        indices = dict(wanted) if whole else {**indices, **wanted}
        if "paused" not in wanted:
            indices.pop("paused", None)  # it is of the moment, and recorded nowhere
        seen = Seen(host.task(state="present", check=True), host)
        check_kernel(seen, indices)
        if before is not None:
            changed = set(done["diff"]["before"]) - {"paused", "restart_retries"}
            kept = all(options.TABLE[name].update != optionrow.RECREATE for name in changed) and not (
                "cpuset_cpus" in changed and "cpuset_cpus" not in indices
            )
            assert (seen.container["Id"] == before.container["Id"]) is kept, done["actions"]
            assert not kept or seen.pid == before.pid
        before = seen
