# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known attacks of running containers on those who copy files into them, and out of them."""

from __future__ import annotations

import json
import os
import threading

import pytest
from races import Swapping, seconds
from unprotected import attack

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']
SECRET = "of the host"
KNOWN = {
    "name": "web",
    "mode": None,
    "directory_mode": None,
    "owner": None,
    "group": None,
    "src": None,
    "content": None,
    "content_is_b64": False,
    "remote_src": False,
    "from_container": False,
    "follow": False,
    "local_follow": True,
    "force": True,
    "_sent": None,
}
# Copies in and out until the host has been reached or the time is over, more than ten times at least; says how often.
RACE = """
import json, os, time
from aoci.container import copymodule
from aoci.kernel.errors import Error
known, outside, own, limit = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
done, end = 0, time.monotonic() + limit
while done <= 10 or (time.monotonic() < end and not os.path.exists(outside + "/written")):
    for given in (
        {"content": str(done), "dest": "/race/written"},
        {"src": "/race/secret", "from_container": True, "dest": own + "/got"},
    ):
        try:
            copymodule.perform({**known, **given})
            done += 1
        except (Error, OSError):
            continue
    try:
        with open(own + "/got") as file:
            if "host" in file.read():
                os.rename(own + "/got", own + "/stolen")
    except FileNotFoundError:
        pass
print(done)
"""
# As it was: the path is resolved in the container first, and then used on the host.
RESOLVED_THEN_USED = """
def open_in_root(rootfd, path, flags=os.O_PATH, *, follow=True):
    done = f"/proc/self/fd/{rootfd}"
    for part in path.split("/"):
        done += "/" + part
        if part and os.path.islink(done):
            raise OSError(errno.ELOOP, "a symlink", path)
    return os.open(done, flags | os.O_CLOEXEC)
"""


@attack({"kernel/safepath.py": RESOLVED_THEN_USED})
def test_cve_2018_15664_a_directory_swapped_for_a_symlink_meanwhile(build, host, outside, tmp_path):
    """The container swaps a directory all the time for a symlink to one of the host's: nothing is written there, and
    nothing of it is read."""
    (outside / "secret").write_text(SECRET)
    own = tmp_path / "own"
    own.mkdir()
    pid = host.run(command=WAIT)["container"]["State"]["Pid"]
    root = f"/proc/{pid}/root"
    os.mkdir(f"{root}/race")
    with open(f"{root}/race/secret", "w", encoding="ascii") as file:
        file.write("of the container")
    os.symlink(outside, f"{root}/link")
    with Swapping(f"{root}/race", f"{root}/link"):
        parameters = json.dumps({**KNOWN, "root": host.root})
        done = build.python(RACE, parameters, str(outside), str(own), str(seconds(build)))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10  # copies that were not refused
    assert (outside / "written").exists() is not build.defended
    if build.defended:
        assert not (own / "stolen").exists()
    assert sorted(os.listdir(outside)) == (["secret"] if build.defended else ["secret", "written"])


THROUGH_LINKS = """
naive_look = look

def look(root, wanted, *, follow=True):
    return naive_look(root, wanted)
"""


@attack({"container/copy.py": THROUGH_LINKS})
@pytest.mark.parametrize("src", ["/d", "/d/"])
def test_cve_2019_1002101_a_link_that_was_copied_before(build, host, outside, tmp_path, src):
    """A symlink comes with one copy, and files that are to go through it with the next."""
    pid = host.run(command=WAIT)["container"]["State"]["Pid"]
    root = f"/proc/{pid}/root"
    os.mkdir(f"{root}/d")
    os.symlink(outside, f"{root}/d/x")
    given = {**KNOWN, "root": host.root, "src": src, "from_container": True, "dest": str(tmp_path / "out")}
    assert build.python(COPY, json.dumps(given)).returncode == 0
    os.unlink(f"{root}/d/x")
    os.mkdir(f"{root}/d/x")
    with open(f"{root}/d/x/written", "w", encoding="ascii") as file:
        file.write("of the container")
    said = build.python(COPY, json.dumps(given)).stdout
    assert os.listdir(outside) == ([] if build.defended else ["written"])
    assert ("x is a link on the host, and a directory was to be copied there" in said) is build.defended


COPY = """
import json
from aoci.container import copymodule
from aoci.kernel.errors import Error
try:
    print(copymodule.perform(json.loads(sys.argv[1]))["uid"])
except Error as error:
    print(error)
"""
INTO_THE_ROOT = """
import os

naive_wishes = _wishes

def _wishes(params, root):
    os.fchdir(root.fd)
    os.chroot(".")
    import sched
    return naive_wishes(params, root)
"""


@attack({"container/copymodule.py": INTO_THE_ROOT})
def test_cve_2019_14271_code_of_the_container(build, host, own_rootfs):
    """Whoever copies does not enter the container with a program that still has to load something."""
    library = os.path.join(own_rootfs, os.path.dirname(os.__file__).lstrip("/"))
    system = os.path.join(own_rootfs, "usr/lib", "python3.11")
    for directory in dict.fromkeys((library, system)):
        os.makedirs(directory, exist_ok=True)
        for name in ("sched", "pwd", "grp", "tarfile", "encodings/idna"):
            os.makedirs(os.path.dirname(f"{directory}/{name}"), exist_ok=True)
            with open(f"{directory}/{name}.py", "w", encoding="ascii") as file:
                file.write("open('/loaded', 'w').close()\n")
    with open(os.path.join(own_rootfs, "etc/nsswitch.conf"), "w", encoding="ascii") as file:
        file.write("passwd: evil\ngroup: evil\n")
    host.rootfs = own_rootfs
    host.image("localhost/tests/evil:1")
    pid = host.task(image="localhost/tests/evil:1", command=WAIT)["container"]["State"]["Pid"]
    given = {**KNOWN, "root": host.root, "content": "x", "dest": "/copied", "owner": "app"}
    done = build.python(COPY, json.dumps(given))
    if build.defended:
        assert done.stdout.strip() == "1000", done.stderr
    assert os.path.exists(f"/proc/{pid}/root/loaded") is not build.defended


@pytest.mark.parametrize("kind", ["fifo", "device", "endless"])
def test_files_that_are_none(build, host, outside, kind):
    """What stands in the place of a file neither stops the copy nor makes a device of the host's."""
    pid = host.run(command=WAIT)["container"]["State"]["Pid"]
    root = f"/proc/{pid}/root"
    if kind == "fifo":
        os.mkfifo(f"{root}/f")
    elif kind == "device":
        os.mknod(f"{root}/f", 0o20666, os.makedev(1, 5))
    else:
        os.makedirs(f"{root}/f")
        deep = os.open(f"{root}/f", os.O_RDONLY)
        for _depth in range(3000):
            os.mkdir("d", dir_fd=deep)
            below = os.open("d", os.O_RDONLY, dir_fd=deep)
            os.close(deep)
            deep = below
        os.close(deep)
    given = {**KNOWN, "root": host.root, "src": "/f", "from_container": True, "dest": f"{outside}/f"}
    worker = threading.Thread(target=lambda: results.append(build.python(COPY, json.dumps(given))))
    results = []
    worker.start()
    worker.join(120)
    assert not worker.is_alive()
    assert os.listdir(outside) == []
    assert results[0].returncode == (1 if kind == "endless" else 0)
    assert ("File name too long" if kind == "endless" else "only files, directories and") in str(results[0])
