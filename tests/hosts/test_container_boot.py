# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on a host whose process 1 is systemd: a reboot, a power cut, and what the journal has of them."""

from __future__ import annotations

import json
import shlex

import pytest

TASK = r"""
import json, sys
sys.path.insert(0, "/root/oci/plugins/module_utils")
import entry
entry.register()
from aoci import core
own = core.activate(None, False)
from aoci.container import module, options
from aoci.image import ensure
from aoci.image.store import Store
from aoci.statedir import StateDir
store = Store(StateDir())
request = ensure.ImageRequest("localhost/box:1", source={"rootfs": "/root/rootfs", "config": {"env": {"PATH": "/bin"}}})
ensure.apply(ensure.plan(request, store), store)
known = {name: spec.get("default") for name, spec in options.argument_spec().items()}
for given in json.loads(sys.argv[1]):
    print(json.dumps(module.Task({**known, "image": "localhost/box:1", "network_mode": "none", **given}, own).run()))
"""
SLEEP = ["sh", "-c", "trap 'exit 0' TERM; echo begun; while :; do sleep 0.1; done"]
CONTAINERS = [
    {"name": "always", "command": SLEEP, "restart_policy": "always", "memory": "20m"},
    {"name": "unless", "command": SLEEP, "restart_policy": "unless-stopped", "log_driver": "journald"},
    {"name": "stopped", "command": SLEEP, "restart_policy": "unless-stopped"},
    {"name": "once", "command": SLEEP},
]


@pytest.fixture(scope="module")
def booting(network):
    host = network.host("booting", mem="512M")
    host.start()
    host.copy_checkout("/root/oci")
    host.run("python3 /root/oci/hacking/busybox_rootfs.py /root/rootfs")
    host.run(f"cat > /root/task.py <<'EOF'\n{TASK}\nEOF")
    yield host
    host.crash()


def task(host, *given):
    # What runs on keeps these descriptors, and SSH would wait for their end.
    command = f"python3 -I -S /root/task.py {shlex.quote(json.dumps(given))} </dev/null >/tmp/out 2>/tmp/err"
    host.run(f"{command} || {{ cat /tmp/err >&2; exit 1; }}")
    return [json.loads(line) for line in host.run("cat /tmp/out").stdout.splitlines()]


def running(host):
    host.run("systemctl is-system-running --wait", check=False)
    listed = json.loads(host.run("/root/oci/bin/aoci containers --format json").stdout)
    return {one["Name"] for one in listed if one["State"]["Running"]}


def test_what_is_to_come_back_does(booting):
    host = booting
    task(host, *CONTAINERS, {"name": "stopped", "image": None, "state": "stopped"})
    assert running(host) == {"always", "unless", "once"}
    host.reboot()
    assert running(host) == {"always", "unless"}
    assert host.run("systemctl is-active agentless-oci-containers.service").stdout.strip() == "active"
    assert [done["actions"] for done in task(host, *CONTAINERS[:2])] == [[], []]
    group = host.run("ls -d /sys/fs/cgroup/agentless-oci/always-*").stdout.strip()
    assert host.run(f"cat {group}/memory.max").stdout.strip() == str(20 << 20)

    host.run("sync")
    host.crash()
    host.start()
    assert running(host) == {"always", "unless"}
    journal = host.run("journalctl --quiet --output=cat CONTAINER_NAME=unless").stdout.split()
    assert journal.count("begun") >= 1
    assert sorted(host.run("/root/oci/bin/aoci logs unless 2>&1").stdout.split()) == sorted(journal)
    host.run("/root/oci/bin/aoci boot containers")  # by any init, any number of times
    assert running(host) == {"always", "unless"}
