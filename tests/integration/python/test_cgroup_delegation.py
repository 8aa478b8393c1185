# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose the container's cgroup is: its user's under v2 where the container may write to it, else root's alone."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import hierarchy
from bundles import Runtime, detached, in_user_namespace, shell

UNIFIED = hierarchy.detect().mode == hierarchy.UNIFIED
GIVEN = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
SCRIPT = "mkdir /sys/fs/cgroup/mine && echo $$ > /sys/fs/cgroup/mine/cgroup.procs; cat /proc/self/cgroup; sleep 30"


@pytest.fixture
def runtime(tmp_path):
    os.chmod(tmp_path, 0o755)
    made = Runtime(str(tmp_path))
    yield made
    made.clean()


def described(rootfs, *, writable=True, users=True, own=True, uid=7):
    document = shell(rootfs, SCRIPT)
    document["process"]["user"] = {"uid": uid, "gid": uid}
    if writable:
        for entry in document["mounts"]:
            if entry["type"] == "cgroup":
                entry["options"].remove("ro")
    if not own:
        spaces = document["linux"]["namespaces"]
        document["linux"]["namespaces"] = [entry for entry in spaces if entry["type"] != "cgroup"]
    return in_user_namespace(document) if users else document


def owners(document):
    """uid → the files of the container's group that it owns, the group itself as "."; v1's of the pids hierarchy."""
    mount = "/sys/fs/cgroup" if UNIFIED else "/sys/fs/cgroup/pids"
    directory = mount + document["linux"]["cgroupsPath"]
    found = {}
    for name in (".", *os.listdir(directory)):
        if not os.path.isdir(f"{directory}/{name}") or name == ".":
            found.setdefault(os.stat(f"{directory}/{name}").st_uid, set()).add(name)
    return found


@pytest.mark.parametrize(
    ("uid", "users", "owner"),
    [(7, True, 100007), (0, True, 100000), (7, False, 7)],
    ids=["user", "root of a user namespace", "no user namespace"],
)
def test_it_is_the_users_where_it_is_writable(runtime, rootfs, uid, users, owner):
    document = described(rootfs, uid=uid, users=users)
    detached(runtime, document, "box")
    found = owners(document)
    if not UNIFIED:
        assert set(found) == {0}
        return
    with open("/sys/kernel/cgroup/delegate", encoding="ascii") as file:
        allowed = set(file.read().split())
    assert {".", *GIVEN} <= found[owner] <= {".", *allowed}
    assert "memory.max" not in found[owner]
    moved = "until grep -q /mine /proc/1/cgroup; do sleep 0.1; done; cat /proc/1/cgroup"
    assert runtime("exec", "-u", str(uid), "box", "timeout", "10", "sh", "-c", moved).stdout == "0::/mine\n"
    assert runtime("delete", "--force", "box").returncode == 0
    assert not os.path.exists("/sys/fs/cgroup" + document["linux"]["cgroupsPath"])


@pytest.mark.skipif(not UNIFIED, reason="only cgroup v2 keeps processes out of a group that is divided")
def test_a_command_in_a_group_that_is_divided(runtime, rootfs):
    """No process may be in it any more (No Internal Process): exec goes where the first process is."""
    document = shell(
        rootfs,
        "mkdir /sys/fs/cgroup/mine && echo $$ > /sys/fs/cgroup/mine/cgroup.procs &&"
        " echo +pids > /sys/fs/cgroup/cgroup.subtree_control && touch /dev/shm/divided; sleep 30",
    )
    for entry in document["mounts"]:
        if entry["type"] == "cgroup":
            entry["options"].remove("ro")
    document["linux"]["resources"] = {"pids": {"limit": 20}}
    detached(runtime, document, "box")
    waiting = "until [ -e /dev/shm/divided ]; do sleep 0.1; done; cat /proc/self/cgroup"
    assert runtime("exec", "box", "timeout", "20", "sh", "-c", waiting).stdout == "0::/mine\n"
    seen = runtime("exec", "box", "cat", "/proc/self/cgroup", "/sys/fs/cgroup/cgroup.subtree_control")
    assert seen.stdout == "0::/mine\npids\n", seen.stderr
    assert runtime("delete", "--force", "box").returncode == 0


@pytest.mark.parametrize("change", [{"writable": False}, {"own": False}], ids=["read-only", "the host's namespace"])
def test_it_is_roots_where_it_is_not(runtime, rootfs, change):
    document = described(rootfs, **change)
    detached(runtime, document, "box")
    assert set(owners(document)) == {0}


def test_a_group_that_was_there_keeps_its_owner(runtime, rootfs):
    document = described(rootfs)
    document["linux"]["cgroupsPath"] = f"/{runtime.prefix}/before"
    mount = "/sys/fs/cgroup" if UNIFIED else "/sys/fs/cgroup/pids"
    directory = mount + document["linux"]["cgroupsPath"]
    os.makedirs(directory)
    try:
        detached(runtime, document, "box")
        assert set(owners(document)) == {0}
        assert runtime("delete", "--force", "box").returncode == 0
    finally:
        os.rmdir(directory)
