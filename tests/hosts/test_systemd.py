# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd cgroup driver, and a module over SSH, on a host whose process 1 is systemd."""

from __future__ import annotations

import json
import os
import re

import pytest
from bundles import config
from waiting import until

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
AOCI = "/root/oci/bin/aoci"
LIMITS = {
    "memory": {"limit": 64 << 20, "reservation": 16 << 20},
    "pids": {"limit": 50},
    "cpu": {"quota": 33333, "period": 100000, "shares": 512},
}


class Containers:
    """``aoci --systemd-cgroup`` on *host*."""

    def __init__(self, host):
        self.host = host

    def __call__(self, words, *, check=True):
        # What runs on keeps these descriptors, and SSH would wait for their end.
        command = f"{AOCI} {words} </dev/null >/tmp/out 2>/tmp/err; code=$?; cat /tmp/out; cat /tmp/err >&2; exit $code"
        return self.host.run(command, check=check)

    def bundle(self, name, *args, path="", resources=None, hooks=None):
        document = config("/root/rootfs", *(args or ("sleep", "1000")))
        document["linux"]["resources"] = LIMITS if resources is None else resources
        document["hooks"] = hooks or {}
        if path:
            document["linux"]["cgroupsPath"] = path
        text = json.dumps(document)
        self.host.run(f"mkdir -p /root/{name} && cat > /root/{name}/config.json <<'EOF'\n{text}\nEOF")
        return f"/root/{name}"

    def run(self, name, path="", **options):
        return self(f"--systemd-cgroup run -d -b {self.bundle(name, path=path, **options)} {name}")

    def show(self, unit):
        """What systemd says of *unit*."""
        names = "MemoryMax,MemoryLow,TasksMax,CPUQuotaPerSecUSec,CPUWeight,Slice,Delegate,ActiveState,ControlGroup"
        lines = self.host.run(f"systemctl show {unit} -p {names}").stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def units(self):
        """The scopes that are not the host's own."""
        listed = self.host.run("systemctl list-units --all --plain --no-legend --type=scope").stdout
        return [line.split()[0] for line in listed.splitlines() if not line.startswith(("init.", "session-"))]

    def files(self, path, *names):
        text = self.host.run(f"cd /sys/fs/cgroup{path} && cat {' '.join(names)}").stdout
        return text.splitlines()


@pytest.fixture
def containers(host):
    made = Containers(host)
    yield made
    for container in made("list -q").stdout.split():
        made(f"delete --force {container}")
    assert made.units() == []


def test_a_unit_with_limits_and_its_end(containers):
    containers.run("one", "test-a.slice:ctr:one")
    found = containers.show("ctr-one.scope")
    assert found == {
        "MemoryMax": str(64 << 20),
        "MemoryLow": str(16 << 20),
        "TasksMax": "50",
        "CPUQuotaPerSecUSec": "340ms",
        "CPUWeight": "59",
        "Slice": "test-a.slice",
        "Delegate": "yes",
        "ActiveState": "active",
        "ControlGroup": "/test.slice/test-a.slice/ctr-one.scope",
    }
    group = found["ControlGroup"]
    limits = ("memory.max", "memory.low", "pids.max", "cpu.max", "cpu.weight")
    assert containers.files(group, *limits) == [str(64 << 20), str(16 << 20), "50", "33333 100000", "59"]
    pid = json.loads(containers("state one").stdout)["pid"]
    assert containers.files(group, "cgroup.procs") == [str(pid)]

    assert containers("exec one cat /proc/self/cgroup").stdout.strip() == "0::/"
    containers("pause one")
    assert json.loads(containers("state one").stdout)["status"] == "paused"
    containers("resume one")
    containers("kill one KILL")
    containers.host.run(f"while [ -d /proc/{pid} ]; do sleep 0.1; done")
    containers("delete one")
    assert containers.units() == []
    assert containers.show("ctr-one.scope")["ActiveState"] == "inactive"


def test_an_update_tells_systemd_and_the_kernel(containers):
    containers.run("one", ":ctr:one")
    containers(f"update --memory {32 << 20} --cpu-quota 12345 --pids-limit 20 one")
    found = containers.show("ctr-one.scope")
    assert found["Slice"] == "system.slice"
    told = [found[name] for name in ("MemoryMax", "TasksMax", "CPUQuotaPerSecUSec", "CPUWeight")]
    assert told == [str(32 << 20), "20", "130ms", "59"]
    files = ("memory.max", "pids.max", "cpu.max", "cpu.weight")
    assert containers.files(found["ControlGroup"], *files) == [str(32 << 20), "20", "12345 100000", "59"]

    containers.host.run("systemctl daemon-reload")
    # systemd writes what it was told; it keeps whole percents of a CPU.
    after = containers.files(found["ControlGroup"], *files)
    assert (after[0], after[1], after[3]) == (str(32 << 20), "20", "59")
    assert after[2] in ("12345 100000", "13000 100000")
    containers("update --pids-limit -1 one")
    assert containers.show("ctr-one.scope")["TasksMax"] == "infinity"


def test_an_update_below_the_usage_changes_nothing(containers):
    fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; touch /dev/shm/full; sleep 1000"
    containers.bundle("one", "sh", "-c", fill, path=":ctr:one")
    containers("--systemd-cgroup run -d -b /root/one one")
    containers("exec one sh -c 'while [ ! -e /dev/shm/full ]; do sleep 0.1; done'")
    refused = containers(f"update --memory {4 << 20} one", check=False)
    assert refused.returncode == 1
    assert "memory" in refused.stderr
    assert containers.show("ctr-one.scope")["MemoryMax"] == str(64 << 20)
    assert json.loads(containers("state one").stdout)["status"] == "running"


def test_the_default_place(containers):
    containers.run("plain", resources={})
    assert containers.show("aoci-plain.scope")["ControlGroup"] == "/system.slice/aoci-plain.scope"


def test_a_slice(containers):
    containers.run("one", "test.slice::test-own.slice")
    assert containers.show("test-own.slice")["MemoryMax"] == str(64 << 20)
    pid = json.loads(containers("state one").stdout)["pid"]
    assert containers.files("/test.slice/test-own.slice", "cgroup.procs") == [str(pid)]
    containers("delete --force one")
    assert containers.show("test-own.slice")["ActiveState"] == "inactive"


def test_a_failing_create_leaves_no_unit(containers):
    containers.bundle("bad", "no-such-program")
    refused = containers("--systemd-cgroup create -b /root/bad bad", check=False)
    assert refused.returncode == 1
    assert "no-such-program" in refused.stderr
    assert containers.units() == []


def test_a_unit_of_somebody_else_is_left_alone(containers):
    containers.host.run(
        "systemd-run -q --slice=other.slice --unit=ctr-one --scope sleep 1000 </dev/null >/dev/null 2>&1 &"
    )
    containers.host.run("until systemctl -q is-active ctr-one.scope; do sleep 0.1; done")
    try:
        containers.bundle("one", path="test.slice:ctr:one")
        refused = containers("--systemd-cgroup create -b /root/one one", check=False)
        assert refused.returncode == 1
        assert "systemctl stop ctr-one.scope" in refused.stderr
        assert containers.show("ctr-one.scope")["ActiveState"] == "active"
    finally:
        containers.host.run("systemctl stop ctr-one.scope")


def test_a_unit_that_failed_is_in_nobodys_way(containers):
    run = "systemd-run -q --scope --slice=other.slice --unit=ctr-one -p RuntimeMaxSec=1 sleep 100"
    failed = "until systemctl is-failed ctr-one.scope; do sleep 0.1; done"
    containers.host.run(f"{run} </dev/null >/dev/null 2>&1; {failed}")
    containers.run("one", "test.slice:ctr:one")
    assert containers.show("ctr-one.scope")["ControlGroup"] == "/test.slice/ctr-one.scope"


def test_killed_in_the_middle_of_create(containers):
    hooks = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo $PPID > /tmp/aoci.pid; sleep 60"]}]}
    containers.bundle("half", path=":ctr:half", hooks=hooks)
    containers.host.run(
        f"rm -f /tmp/aoci.pid; {AOCI} --systemd-cgroup create -b /root/half half </dev/null >/dev/null 2>&1 &"
    )
    containers.host.run("until [ -s /tmp/aoci.pid ]; do sleep 0.1; done")
    assert containers.units() == ["ctr-half.scope"]
    containers.host.run("kill -KILL $(cat /tmp/aoci.pid)")
    containers("delete --force half")
    assert containers.units() == []
    assert containers.host.run("test -e /sys/fs/cgroup/system.slice/ctr-half.scope", check=False).returncode == 1
    containers.bundle("half", path=":ctr:half")
    containers("--systemd-cgroup run -d -b /root/half half")
    assert containers.show("ctr-half.scope")["ActiveState"] == "active"


def test_a_damaged_state_still_leads_to_the_unit(containers):
    containers.run("one", "test.slice:ctr:one")
    states = containers.host.run(
        "find / -xdev -path '*/one/state.json'; find /run -path '*/one/state.json'"
    ).stdout.split()
    assert len(states) == 1
    containers.host.run(f"echo x > {states[0]}")
    containers("delete --force one")
    assert containers.units() == []


def test_killed_for_memory_and_deleted(containers):
    """Whether systemd calls such a scope failed (since 253) or not, nothing of it is left."""
    fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=40 || exit 9; sleep 1000"
    limits = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
    containers.bundle("one", "sh", "-c", fill, path=":ctr:one", resources=limits)
    containers("--systemd-cgroup run -d -b /root/one one")
    until(lambda: containers.show("ctr-one.scope")["ActiveState"] in ("failed", "inactive"))
    containers("delete --force one")
    assert containers.units() == []


def test_without_the_message_bus(containers):
    """systemd's own socket does without a bus daemon; the bus is the way where that socket is not."""
    containers.host.run("mv /run/systemd/private /run/systemd/hidden")
    try:
        containers.run("one", ":ctr:one")
        assert containers.show("ctr-one.scope")["MemoryMax"] == str(64 << 20)
        containers("delete --force one")
    finally:
        containers.host.run("mv /run/systemd/hidden /run/systemd/private")
    assert containers.units() == []


def test_oci_container_over_ssh(network, host):
    """A playbook against the host: the first run makes a container with a limit, the second changes nothing."""
    command = [os.path.join(CHECKOUT, ".venv", "bin", "ansible-playbook"), "-i", network.inventory(), "-l", host.name]
    command.append(os.path.join(HERE, "container.yml"))

    def play(*words):
        return network.run([*command, *words], cwd=CHECKOUT).stdout

    assert re.search(r"changed=[1-9]", play())
    assert "changed=0" in play()
    limits = "cat /sys/fs/cgroup/system.slice/aoci-box-*.service/container/memory.max"
    assert host.run(limits).stdout.split() == [str(32 << 20)]
    assert "changed=1" in play("-e", "memory=40m")
    assert host.run(limits).stdout.split() == [str(40 << 20)]
    play("-e", "state=absent")
    assert host.run(limits, check=False).returncode != 0
