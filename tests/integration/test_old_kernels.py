# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime on kernels without the newer system calls: a filter in front of it answers ENOSYS for them."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile

import busybox_rootfs
import pytest
from bundles import config, out
from old_kernels import NEWER, kernel


@pytest.fixture(params=sorted(NEWER))
def old(request, runtime, tmp_path):
    """The runtime as it is on such a kernel; run from a read-only interpreter, which is how they protect theirs."""
    interpreter = str(tmp_path / "python3")
    with open(interpreter, "wb"):
        pass
    subprocess.run(["mount", "--bind", os.path.realpath(runtime.python[0]), interpreter], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", interpreter], check=True)
    command = [interpreter, *runtime.python[1:]]
    runtime.python = kernel(request.param, *command)
    yield runtime
    runtime.clean()
    subprocess.run(["umount", interpreter], check=True)


def test_the_filter_works(old, rootfs):
    for number in (424, 434, 437, 442):
        code = (
            f"import ctypes; l = ctypes.CDLL(None, use_errno=True); l.syscall({number}, -1); print(ctypes.get_errno())"
        )
        seen = subprocess.run([*old.python, "-c", code], capture_output=True, text=True, check=True).stdout
        assert (int(seen) == errno.ENOSYS) == (number >= int(old.python[3])), number


def test_a_container(old, rootfs, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("outside\n")
    script = (
        "cat /data/file; echo x > /data/file || echo refused; echo 1 > /proc/sys/vm/overcommit_memory || echo refused;"
        "wc -c < /proc/timer_list; ls /proc/self/fd | wc -l; cat /etc/once; hostname; ls /sys/fs/cgroup | wc -l;"
        "grep ' /data ' /proc/self/mountinfo"
    )
    document = config(rootfs, "sh", "-c", script)
    (tmp_path / "once").write_text("once\n")
    document["mounts"] += [
        {"destination": "/data", "source": str(tmp_path / "data"), "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/etc/once", "source": str(tmp_path / "once"), "options": ["bind"]},
        {"destination": "/t", "type": "tmpfs", "options": ["size=64k"]},
        {"destination": "/t", "options": ["bind", "remount", "ro"]},
    ]
    document["root"]["readonly"] = True
    lines = out(old, document).splitlines()
    assert lines[:7] == ["outside", "refused", "refused", "0", "4", "once", "box"]
    assert int(lines[7]) > 3
    assert "ro,nosuid" in lines[8]
    assert "shared" not in lines[8]


@pytest.fixture
def reachable():
    """A root file system that everybody may walk to."""
    path = tempfile.mkdtemp(prefix="aoci-test-", dir="/tmp")  # TMPDIR may be private
    os.chmod(path, 0o711)
    busybox_rootfs.build(path + "/rootfs")
    yield path + "/rootfs"
    shutil.rmtree(path)


@pytest.mark.parametrize("walkable", [True, False])
def test_a_user_namespace(old, reachable, walkable):
    document = config(reachable, "sh", "-c", "id -u; echo x > /dev/null && echo null; ls /dev | wc -l")
    document["linux"]["namespaces"].append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    document["linux"].update(uidMappings=maps, gidMappings=maps)
    if walkable:
        assert out(old, document).split()[:2] == ["0", "null"]
        return
    os.chmod(os.path.dirname(reachable), 0o700)
    message = old.run(document).stderr
    assert f"root.path: root of the user namespace may not walk to {reachable}. Let others search" in message


def test_the_lifecycle(old, rootfs):
    document = config(rootfs, "sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done")
    assert old("run", "-d", "-b", old.bundle(document), "box", capture_output=False).returncode == 0
    assert old("exec", "box", "sh", "-c", "exit 4").returncode == 4
    assert old("kill", "box", "TERM").returncode == 0
    assert old("delete", "--force", "box").returncode == 0
    assert os.listdir(old.run_dir) == []


def test_what_needs_a_newer_kernel_says_so(old, rootfs, tmp_path):
    maps = [{"containerID": 0, "hostID": 5, "size": 1}]
    for options, more in ((["rbind", "rro"], {}), (["bind", "idmap"], {"uidMappings": maps, "gidMappings": maps})):
        document = config(rootfs, "true")
        document["mounts"].append({"destination": "/m", "source": str(tmp_path), "options": options, **more})
        done = old.run(document)
        assert done.returncode == 1
        assert "5.12" in done.stderr
