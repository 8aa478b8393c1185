# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machines of the tests lack: classes of service in a directory that plays resctrl, labels in one that plays
/proc, and the SELinux context of mounts."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import constants as c
from ansible_collections.agentless.oci.plugins.module_utils.kernel import procfs, syscalls
from ansible_collections.agentless.oci.plugins.module_utils.runtime import intel_rdt, labels
from ansible_collections.agentless.oci.plugins.module_utils.runtime.errors import RuntimeFault
from ansible_collections.agentless.oci.plugins.module_utils.runtime.mounting import labelled


@pytest.fixture
def resctrl(tmp_path, monkeypatch):
    """A directory that passes for a resctrl file system: new classes get their files, as the kernel gives them."""
    monkeypatch.setattr(syscalls, "fs_type", lambda _target: c.RDTGROUP_SUPER_MAGIC)
    make = os.mkdir

    def mkdir(path, mode=0o777):
        make(path, mode)
        for name in ("schemata", "tasks"):
            with open(os.path.join(path, name), "w", encoding="ascii"):
                pass
        if os.path.basename(os.path.dirname(path)) != "mon_groups":
            make(os.path.join(path, "mon_groups"))

    monkeypatch.setattr(os, "mkdir", mkdir)
    root = tmp_path / "resctrl"
    mkdir(str(root))
    return root


def service(root, **properties):
    return intel_rdt.ClassOfService({"linux": {"intelRdt": properties}}, str(root))


def test_a_class_named_after_the_container(resctrl):
    made = service(resctrl, l3CacheSchema="L3:0=ff;1=f\nMB:0=10", memBwSchema="MB:0=20;1=70", schemata=["L2:0=3"])
    assert made.directories("box") == [f"{resctrl}/box"]
    made.join("box", 123)
    assert (resctrl / "box" / "schemata").read_text() == "L3:0=ff;1=f\nMB:0=20;1=70\nL2:0=3\n"
    assert (resctrl / "box" / "tasks").read_text() == "123"


def test_a_class_that_is_there_is_joined_and_kept(resctrl):
    os.mkdir(str(resctrl / "gold"))
    (resctrl / "gold" / "schemata").write_text("    L3:0=000ff;1=fffff\n    MB:0=100;1= 50\n")
    plain = service(resctrl, closID="gold")
    assert plain.directories("box") == []  # nothing for delete to remove
    plain.join("box", 5)
    assert (resctrl / "gold" / "tasks").read_text() == "5"
    service(resctrl, closID="gold", l3CacheSchema="L3:0=ff", memBwSchema="MB:1=50").join("box", 6)
    assert (resctrl / "gold" / "schemata").read_text().startswith("    L3")  # compared, not written
    with pytest.raises(RuntimeFault, match=r"linux\.intelRdt: the class gold exists with another schema for L3:0"):
        service(resctrl, closID="gold", l3CacheSchema="L3:0=fe").join("box", 7)


def test_a_class_without_schema_must_be_there(resctrl):
    with pytest.raises(RuntimeFault, match=r"linux\.intelRdt: there is no class gold"):
        service(resctrl, closID="gold").join("box", 1)


def test_the_default_class(resctrl):
    default = service(resctrl, closID="/")
    assert default.directories("box") == []
    default.join("box", 9)
    assert (resctrl / "tasks").read_text() == "9"


def test_monitoring(resctrl):
    watched = service(resctrl, enableMonitoring=True)
    assert watched.directories("box") == [f"{resctrl}/box/mon_groups/box", f"{resctrl}/box"]
    watched.join("box", 4)
    assert (resctrl / "box" / "mon_groups" / "box" / "tasks").read_text() == "4"


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A directory that plays /proc, with us as process 7; (descriptor, its attr/)."""
    monkeypatch.setattr(procfs, "open_below", lambda fd, path, flags: os.open(path, flags, dir_fd=fd))
    (tmp_path / "7" / "attr" / "apparmor").mkdir(parents=True)
    (tmp_path / "self").symlink_to("7")
    fd = os.open(str(tmp_path), os.O_RDONLY)
    yield fd, tmp_path / "7" / "attr"
    os.close(fd)


@pytest.mark.parametrize(
    ("kind", "file", "content"),
    [
        ("apparmorProfile", "apparmor/exec", "exec box"),
        ("apparmorProfile", "exec", "exec box"),  # before Linux 5.8
        ("selinuxLabel", "exec", "box"),
    ],
)
def test_a_label_is_written_for_the_next_execve(proc, monkeypatch, kind, file, content):
    monkeypatch.setattr(labels, "_need_apparmor", lambda _path: None)
    monkeypatch.setattr(labels, "_need_selinux", lambda _path: None)
    fd, attr = proc
    (attr / file).write_text("")
    label = labels.process_label({"process": {kind: "box"}})
    label.open(fd)
    assert (attr / file).read_text() == ""
    label.write()
    assert (attr / file).read_text() == content


def test_a_kernel_without_the_file_is_told(proc, monkeypatch):
    monkeypatch.setattr(labels, "_need_apparmor", lambda _path: None)
    label = labels.process_label({"process": {"apparmorProfile": "box"}})
    with pytest.raises(RuntimeFault, match=r"process\.apparmorProfile: this kernel has no attr/apparmor/exec"):
        label.open(proc[0])


@pytest.mark.parametrize(
    ("data", "label", "fstype", "expected"),
    [
        ("size=1m", "", "tmpfs", "size=1m"),
        ("", "u:r:t:s0:c1,c2", "tmpfs", 'context="u:r:t:s0:c1,c2"'),
        ("size=1m", "u:r:t:s0", "tmpfs", 'size=1m,context="u:r:t:s0"'),
        ("newinstance", "u:r:t:s0", "devpts", 'newinstance,context="u:r:t:s0"'),
        ("", "u:r:t:s0", "proc", ""),
        ("", "u:r:t:s0", "mqueue", ""),
    ],
)
def test_the_context_of_mounts(data, label, fstype, expected):
    assert labelled(data, label, fstype) == expected
