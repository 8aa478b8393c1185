# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts in a directory, and of it, by the text of mountinfo."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import inuse

ROOT = "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw"
SRV = "22 21 8:2 /vol /srv rw,relatime shared:1 - xfs /dev/sda2 rw"


def line(number, device, root, place, kind="tmpfs", options="rw"):
    return f"{number} 21 {device} {root} {place} rw - {kind} source {options}"


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ("", ""),
        (line(30, "0:9", "/", "/srv/tree/proc"), "/srv/tree/proc is mounted in it"),
        (line(30, "0:9", "/", "/srv/tree/a\\040b"), "/srv/tree/a b is mounted in it"),
        (line(30, "8:2", "/vol/tree", "/srv/tree"), "/srv/tree is mounted"),
        (line(30, "0:9", "/", "/srv/tree2"), ""),
        (line(30, "0:9", "/tree", "/srv/tre"), ""),
        (line(30, "8:2", "/vol/tree", "/export/root"), "it is mounted on /export/root"),
        (line(30, "8:2", "/vol/tree/usr", "/export/u\\134x"), "it is mounted on /export/u\\x"),
        (line(30, "8:2", "/vol/tree2", "/export/root"), ""),
        (line(30, "8:2", "/vol", "/export/all"), ""),
        (line(30, "8:2", "/tree", "/export/other"), ""),
        (line(30, "8:1", "/srv/tree", "/export/below"), ""),
        (line(30, "0:9", "/", "/m", "overlay", "ro,lowerdir=/x:/srv/tree,a=b"), "the overlay on /m shows it"),
        (line(30, "0:9", "/", "/m", "overlay", "rw,lowerdir+=/srv/tree/usr"), "the overlay on /m shows it"),
        (line(30, "0:9", "/", "/m", "overlay", "rw,lowerdir=/srv/tree2:/x,upperdir=/y"), ""),
        (line(30, "0:9", "/", "/m", "tmpfs", "rw,lowerdir=/srv/tree"), ""),
    ],
)
def test_mounts(mount, said):
    text = "\n".join([ROOT, SRV, mount]) if mount else f"{ROOT}\n{SRV}\n"
    assert inuse.by_mounts(text, "/srv/tree", "22") == said


def test_a_directory_on_the_root_file_system():
    text = "\n".join([ROOT, line(30, "8:1", "/tree", "/export")])
    assert inuse.by_mounts(text, "/tree", "21") == "it is mounted on /export"
    assert inuse.by_mounts(text, "/tree\\ x", "21") == ""


def test_what_nobody_uses(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert inuse.reason(fd) == ""
    finally:
        os.close(fd)


def test_the_root_directory_is_somebodys():
    fd = os.open("/", os.O_RDONLY)
    try:
        assert inuse.reason(fd).endswith((" is mounted", " is mounted in it"))
        assert inuse.by_processes("/nowhere", os.fstat(fd)).startswith("it is the root directory of process ")
    finally:
        os.close(fd)
