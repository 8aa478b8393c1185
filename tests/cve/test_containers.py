# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known attacks of images on the engine that makes containers of them: oci_container's work, from task to monitor."""

from __future__ import annotations

import json
import os
import stat

import pytest
from unprotected import attack

IMAGE = "localhost/tests/evil:1"
TASK = """
import json
from aoci.container.module import Task
from aoci.kernel.errors import Error
try:
    result = Task(json.loads(sys.argv[1]), sys.argv[2]).run()
    print(json.dumps([result["stdout"], result["stderr"]]))
except Error as error:
    print(json.dumps(["", str(error)]))
"""
NAIVE_OPEN = """
def open_in_root(rootfd, path, flags=os.O_PATH, *, follow=True):
    return os.open(os.readlink(f"/proc/self/fd/{rootfd}") + "/" + path.lstrip("/"), flags | os.O_CLOEXEC)
"""


def ran(build, host, own_rootfs, script, **given):
    """What the container of the image *own_rootfs* writes (stdout, stderr), or ("", why there is none)."""
    host.rootfs = own_rootfs
    host.image(IMAGE)
    task = {"name": "evil", "detach": False, "auto_remove": True, "image": IMAGE, "command": ["sh", "-c", script]}
    parameters = host.parameters(**{**task, **given})
    done = build.python(TASK, json.dumps(parameters), build.entry)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def everything(directory):
    found = {}
    for path, names, files in os.walk(directory):
        for name in [*names, *files, "."]:
            status = os.lstat(os.path.join(path, name))
            found[os.path.join(path, name)] = (status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns)
    return found


def replace(own_rootfs, place, target):
    path = os.path.join(own_rootfs, place)
    if os.path.isdir(path) and not os.path.islink(path):
        os.rename(path, path + ".moved")
    elif os.path.lexists(path):
        os.unlink(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


DIRECTORIES = "dev dev/pts dev/shm proc proc/sys sys sys/fs/cgroup sys/firmware etc srv data root"
FILES = "dev/null dev/console etc/hosts etc/hostname etc/resolv.conf etc/passwd etc/group"


@pytest.mark.parametrize(
    ("place", "kind"),
    [(place, "d") for place in DIRECTORIES.split()]
    + [(place, "f") for place in FILES.split()]
    + [(place, "nothing") for place in ("dev", "dev/null", "etc", "etc/hosts", "data", "srv")],
)
def test_places_that_are_symlinks_to_the_host(build, host, own_rootfs, outside, place, kind):
    """Whatever is mounted, made, masked, read or entered: nothing of the host is changed or seen."""
    (outside / "d").mkdir()
    (outside / "f").write_text("of the host")
    replace(own_rootfs, place, str(outside / kind))
    before = everything(outside)
    given = {"working_dir": "/srv", "tmpfs": ["/data"], "user": "root", "volumes": [f"{own_rootfs}:/srv/v:ro"]}
    stdout, stderr = ran(build, host, own_rootfs, f"cat {outside}/f; ls -d {outside}/*", **given)
    assert "of the host" not in stdout
    assert "monitor" not in stderr  # it must not die of it
    assert everything(outside) == before


@attack({"kernel/safepath.py": NAIVE_OPEN})
def test_cve_2021_30465_files_made_on_the_host(build, host, own_rootfs, outside):
    replace(own_rootfs, "etc", str(outside))
    ran(build, host, own_rootfs, "true")
    assert os.listdir(outside) == [] if build.defended else "hosts" in os.listdir(outside)


@attack(
    {
        "kernel/safepath.py": """
def read_in_root(rootfd, path, limit=0):
    with open(os.readlink(f"/proc/self/fd/{rootfd}") + "/" + path, "rb") as naive_file:
        return naive_file.read()
"""
    }
)
def test_cve_2023_0778_2024_1753_2024_9407_2024_9676_passwd_of_the_host(build, host, own_rootfs, outside):
    (outside / "passwd").write_text("ghost:x:4242:4242::/:/bin/sh\n")
    replace(own_rootfs, "etc/passwd", str(outside / "passwd"))
    stdout, stderr = ran(build, host, own_rootfs, "id -u", user="ghost")
    assert stdout == ("" if build.defended else "4242\n")
    assert ("no user 'ghost'" in stderr) is build.defended


@pytest.mark.parametrize("kind", ["fifo", "device", "directory", "huge"])
def test_cve_2024_9676_a_passwd_that_never_ends(build, host, own_rootfs, kind):
    path = os.path.join(own_rootfs, "etc/passwd")
    os.unlink(path)
    if kind == "directory":
        os.mkdir(path)
    elif kind == "huge":
        with open(path, "wb") as file:
            file.truncate(1 << 36)
        os.unlink(path)  # the image's importer refuses what does not fit; a hole of 4 MiB stands for it
        with open(path, "wb") as file:
            file.truncate(4 << 20)
    else:
        os.mknod(path, stat.S_IFIFO | 0o644 if kind == "fifo" else stat.S_IFCHR | 0o644, os.makedev(1, 5))
    assert ran(build, host, own_rootfs, "echo alive")[0] == "alive\n"


@attack({"container/userdb.py": "def _number(text, what):\n    return int(text) & 0xFFFFFFFF\n"})
def test_cve_2024_40635_a_user_that_overflows_to_root(build, host, own_rootfs):
    stdout, stderr = ran(build, host, own_rootfs, "id -u", user="4294967296")
    assert stdout == ("" if build.defended else "0\n")
    assert ("is not the number of a user" in stderr) is build.defended


@attack(
    {
        "container/bundle.py": """
naive_process = _process

def _process(*arguments, **more):
    process = naive_process(*arguments, **more)
    process["user"]["additionalGids"] = []
    return process
"""
    }
)
@pytest.mark.parametrize("user", ["app", "1234:4321", "0"])
def test_cve_2022_36109_2023_25173_the_primary_group_is_a_supplementary_one(build, host, own_rootfs, user):
    """Else a set-group-id program could shake off the primary group, and with it what is denied to that group."""
    stdout, stderr = ran(build, host, own_rootfs, "id -g; grep Groups /proc/self/status", user=user)
    assert stdout, stderr
    gid, _name, *groups = stdout.split()
    assert (gid in groups) is build.defended


@attack(
    {"statedir.py": "StateDir.ensure = lambda self, *paths: [os.makedirs(p, 0o755, exist_ok=True) for p in paths]\n"}
)
def test_cve_2021_41091_2024_25621_images_that_others_can_reach(build, tmp_path):
    """A set-uid program of an image must not be one of the host's."""
    script = "import os; os.umask(0o022); from aoci.statedir import StateDir; s = StateDir(sys.argv[1]);"
    script += "s.ensure(s.images, s.layers, s.containers, s.volumes, s.lib, s.runtime, s.locks)"
    root = tmp_path / "state"
    root.mkdir(mode=0o755)
    done = build.python(script, str(root))
    assert done.returncode == 0, done.stderr
    open_to_others = [path for path, _names, _files in os.walk(root) if os.stat(path).st_mode & 0o077]
    assert (open_to_others == []) is build.defended
