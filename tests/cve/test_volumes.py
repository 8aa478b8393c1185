# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known attacks by what a volume is filled with, and by what is in it."""

from __future__ import annotations

import json
import os
import pathlib

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
# What stands for the defence: the host's own idea of the path.
NAIVE_COPY = """
def _copy(record, target, root):
    from ..runtime.copyup import copy_directory
    source = os.open(record.path + "/bundle/rootfs" + target, os.O_RDONLY | os.O_DIRECTORY)
    copy_directory(source, root)
"""
NAIVE_FIND = """
def _find(source, entry):
    return os.open(source + "/" + entry["subpath"], os.O_PATH)
"""
NAIVE_ENTRIES = """
def _copy_entries(source, target, levels):
    import shutil
    shutil.copytree(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}", dirs_exist_ok=True)
"""


def ran(build, host, own_rootfs, script, declared=(), **given):
    """What the container writes of an image of *own_rootfs* that has the volumes *declared*; or why there is none."""
    host.rootfs = own_rootfs
    host.image(IMAGE, volumes=list(declared))
    task = {"name": "evil", "detach": False, "auto_remove": True, "image": IMAGE, "command": ["sh", "-c", script]}
    done = build.python(TASK, json.dumps(host.parameters(**{**task, **given})), build.entry)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@attack({"container/volumes.py": NAIVE_COPY})
def test_cve_2022_23648_a_volume_of_the_image_whose_way_leads_to_the_host(build, host, own_rootfs, outside):
    """/way is a symlink to a directory of the host's, and the image declares a volume below it."""
    (outside / "deep").mkdir()
    (outside / "deep/file").write_text("of the host")
    os.symlink(outside, os.path.join(own_rootfs, "way"))
    stdout, stderr = ran(build, host, own_rootfs, "cat /way/deep/file 2>/dev/null; true", ["/way/deep"])
    assert stderr == ""
    assert ("of the host" in stdout) is not build.defended
    assert sorted(path.name for path in outside.rglob("*")) == ["deep", "file"]


@attack({"container/volumes.py": NAIVE_COPY})
def test_cve_2022_23648_by_the_name_of_a_volume(build, host, own_rootfs, outside):
    """The same with a volume that the task names, which stays: what is filled into it is the image's alone."""
    (outside / "file").write_text("of the host")
    os.symlink(outside, os.path.join(own_rootfs, "way"))
    ran(build, host, own_rootfs, "true", volumes=["named:/way"])
    found = os.listdir(os.path.join(host.root, "volumes/named/data"))
    assert (found == ["file"]) is not build.defended


def test_cve_2022_23648_dots(build, host, own_rootfs, outside):
    (outside / "file").write_text("of the host")
    stdout, _stderr = ran(
        build, host, own_rootfs, f"find / -xdev -name file; ls {outside} 2>&1; true", [f"/../../..{outside}"]
    )
    assert "of the host" not in stdout
    assert f"{outside}/file" not in stdout


@attack({"runtime/copyup.py": NAIVE_ENTRIES})
def test_what_is_copied_follows_no_symlink(build, host, own_rootfs, outside):
    """The directory is the image's own, and in it there is a symlink to a file of the host."""
    (outside / "file").write_text("of the host")
    data = pathlib.Path(own_rootfs, "data")
    data.mkdir()
    (data / "link").symlink_to(outside / "file")
    stdout, stderr = ran(build, host, own_rootfs, "cat /data/link 2>/dev/null; true", ["/data"])
    assert stderr == ""
    assert ("of the host" in stdout) is not build.defended


@attack({"container/places.py": NAIVE_FIND})
def test_a_part_of_a_volume_that_is_a_symlink_to_the_host(build, host, own_rootfs, outside):
    """As CVE-2021-25741, of another program, had it: a container makes the part that the next one mounts a symlink."""
    (outside / "file").write_text("of the host")
    ran(build, host, own_rootfs, f"mkdir -p /v; ln -s {outside} /v/part", volumes=["v:/v"])
    mount = {"source": "v", "target": "/part", "subpath": "part"}
    stdout, stderr = ran(build, host, own_rootfs, "cat /part/file", mounts=[mount])
    assert ("of the host" in stdout) is not build.defended
    if build.defended:
        assert "volume v has no part" in stderr
