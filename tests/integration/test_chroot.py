# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that share a mount namespace, the host's or one that is joined: chroot, and no mount of others changes."""

from __future__ import annotations

import os

import pytest
from bundles import bare, cgroups, config, detached, in_user_namespace, joined, out, refused, shell, without


def mounts(pid="self"):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        return file.read()


class TestTheHosts:
    def test_it_is_entered_by_chroot(self, runtime, own_rootfs):
        before = mounts()
        done = runtime.run(bare(shell(own_rootfs, "cat /etc/passwd; ls -d /proc/self /tests 2>&1; pwd; hostname")))
        assert done.returncode == 0, done.stderr
        with open(os.path.join(own_rootfs, "etc", "passwd"), encoding="utf-8") as file:
            assert done.stdout.startswith(file.read())
        assert "/proc/self: No such file" in done.stdout
        assert done.stdout.endswith("/\nbox\n")
        assert done.stderr == ""
        assert mounts() == before

    def test_no_descriptor_leads_out(self, runtime, own_rootfs):
        """openat(2) and fchdir(2) need one. Read by the host, since there is no /proc inside."""
        pid = detached(runtime, bare(shell(own_rootfs, "sleep 30")), "box")
        assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
        for name in ("cwd", "root"):
            assert os.readlink(f"/proc/{pid}/{name}") == os.path.realpath(own_rootfs)

    def test_devices_are_made_where_they_are_missing(self, runtime, own_rootfs):
        os.mknod(os.path.join(own_rootfs, "dev", "ptmx"), 0o020666, os.makedev(5, 2))
        document = bare(shell(own_rootfs, "echo gone > /dev/null; stat -c '%F %t:%T' /dev/null /dev/own /dev/ptmx"))
        document["linux"]["devices"] = [{"path": "/dev/own", "type": "c", "major": 1, "minor": 5}]
        assert out(runtime, document).splitlines() == [
            "character special file 1:3", "character special file 1:5", "character special file 5:2",
        ]  # fmt: skip

    def test_the_hosts_own_root_gets_none(self, runtime):
        document = bare(config("/", "/bin/true"))
        before = sorted(os.listdir("/dev"))
        out(runtime, document)
        assert sorted(os.listdir("/dev")) == before
        document["linux"]["devices"] = [{"path": "/dev/aoci-test", "type": "c", "major": 1, "minor": 5}]
        assert "linux.devices: the root is the host's own" in refused(runtime, document)
        assert not os.path.exists("/dev/aoci-test")

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("mounts", [{"destination": "/proc", "type": "proc", "source": "proc"}]),
            ("root.readonly", True),
            ("linux.maskedPaths", ["/proc/kcore"]),
            ("linux.readonlyPaths", ["/proc/sys"]),
            ("linux.rootfsPropagation", "private"),
            ("process.terminal", True),
        ],
    )
    @pytest.mark.parametrize("kind", ["host", "joined"])
    def test_what_needs_a_mount_is_refused(self, runtime, rootfs, path, value, kind):
        document = bare(config(rootfs, "true")) if kind == "host" else joined(config(rootfs, "true"), os.getpid())
        *above, last = path.split(".")
        where = document
        for name in above:
            where = where[name]
        where[last] = value
        before = mounts()
        assert f"aoci: {path}: the container has no mount namespace of its own" in refused(runtime, document)
        assert mounts() == before

    def test_in_a_user_namespace(self, runtime, own_rootfs):
        os.chmod(runtime.directory, 0o755)
        document = in_user_namespace(bare(shell(own_rootfs, "id -u; ls /dev")))
        assert out(runtime, document).split()[0] == "0"
        assert os.listdir(os.path.join(own_rootfs, "dev")) == []
        document["linux"]["devices"] = [{"path": "/dev/own", "type": "c", "major": 1, "minor": 5}]
        assert "linux.devices: a user namespace may make none" in refused(runtime, document)

    def test_the_way_out_is_told(self, runtime, own_rootfs):
        """chroot(2), NOTES: who has CAP_SYS_CHROOT makes another root below, and its working directory is outside."""
        document = bare(config(own_rootfs, "true"))
        document["process"]["capabilities"] = {"bounding": ["CAP_SYS_CHROOT"], "permitted": ["CAP_SYS_CHROOT"]}
        done = runtime.run(document)
        assert done.returncode == 0
        assert done.stderr == (
            "aoci: warning: process.capabilities: with CAP_SYS_CHROOT and without a mount namespace of its own it can"
            " leave its root\n"
        )

    def test_exec_enters_the_same_root(self, runtime, own_rootfs):
        detached(runtime, bare(shell(own_rootfs, "echo here > /mark; sleep 30")), "box")
        done = runtime("exec", "box", "sh", "-c", "while [ ! -e /mark ]; do sleep 0.1; done; cat /mark; ls -d /proc/1")
        assert "here\n" in done.stdout
        assert "No such file" in done.stderr


class TestJoined:
    def test_a_directory_of_it(self, runtime, rootfs):
        """root.path is looked up there, not here, where there is none of that name."""
        script = "mkdir -p /dev/shm/root/bin; cp /bin/busybox /dev/shm/root/bin/sh; touch /dev/shm/root/ready; sleep 30"
        first = shell(rootfs, script)
        for entry in first["mounts"]:
            if entry["destination"] == "/dev/shm":
                entry["options"] = ["nosuid", "nodev"]
        pid = detached(runtime, first, "first")
        runtime("exec", "first", "sh", "-c", "while [ ! -e /dev/shm/root/ready ]; do sleep 0.1; done")
        seen = out(runtime, joined(config("/dev/shm/root", "/bin/sh", "-c", "echo /*"), pid))
        assert seen == "/bin /ready\n"

    @pytest.mark.parametrize("target", ["/proc/1/root", "/proc/self/root"])
    def test_no_link_of_its_proc_leads_out(self, runtime, rootfs, target):
        """It has the host's pid namespace: /proc/1/root is the host's root, and opening it is our privilege."""
        first = without(shell(rootfs, f"ln -s {target} /dev/way; sleep 30"), "pid")
        pid = detached(runtime, first, "first")
        runtime("exec", "first", "sh", "-c", "while [ ! -L /dev/way ]; do sleep 0.1; done")
        done = runtime.run(joined(config("/dev/way", "true"), pid))
        assert done.returncode == 1
        assert "root.path: cannot open /dev/way in the mount namespace that is joined" in done.stderr

    def test_a_root_that_is_not_there(self, runtime, rootfs):
        pid = detached(runtime, shell(rootfs, "sleep 30"), "first")
        done = runtime.run(joined(config("/no/such", "true"), pid))
        assert done.returncode == 1
        assert "root.path: cannot open /no/such" in done.stderr
        assert len({os.path.basename(path) for path in cgroups(runtime.prefix)}) == 1  # the first's

    def test_hooks_are_the_hosts(self, runtime, rootfs, tmp_path):
        hook = tmp_path / "hook"
        hook.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\n")
        hook.chmod(0o755)
        pid = detached(runtime, shell(rootfs, "sleep 30"), "first")
        document = joined(config("/", "true"), pid)
        document["hooks"] = {"createContainer": [{"path": str(hook)}]}
        out(runtime, document)
        assert '"status": "creating"' in (tmp_path / "told").read_text()

    def test_with_its_user_namespace(self, runtime, rootfs):
        pid = detached(runtime, in_user_namespace(shell(rootfs, "sleep 30")), "first")
        seen = out(
            runtime, joined(shell("/", "readlink /proc/self/ns/user; readlink /proc/self/ns/mnt"), pid, "pid", "user")
        )
        assert seen.split() == [os.readlink(f"/proc/{pid}/ns/user"), os.readlink(f"/proc/{pid}/ns/mnt")]

    def test_never_with_a_new_user_namespace(self, runtime, rootfs):
        document = in_user_namespace(joined(config("/", "true"), os.getpid()))
        assert "a new user namespace has no privilege to join the mount namespace" in refused(runtime, document)

    def test_declared_devices_are_refused(self, runtime):
        document = joined(config("/", "true"), os.getpid())
        document["linux"]["devices"] = [{"path": "/dev/own", "type": "c", "major": 1, "minor": 5}]
        assert "linux.devices: the devices of a joined mount namespace" in refused(runtime, document)

    def test_something_else_than_a_mount_namespace(self, runtime):
        document = joined(config("/", "true"), os.getpid())
        document["linux"]["namespaces"][-1]["path"] = "/proc/self/ns/net"
        assert "cannot join the mount namespace: Invalid argument" in refused(runtime, document)
