# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups looked at, on file trees that stand for v1's, v2's and a hybrid's."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import info, members, snapshot, spread
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.hierarchy import Hierarchy

PSI = "some avg10=1.00 avg60=0.00 avg300=0.00 total=9\n"
NO_LIMIT = f"{(1 << 63) - 4096}\n"


def write(directory, **files):
    os.makedirs(directory, exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(directory, name.replace("__", ".")), "w", encoding="utf-8") as file:
            file.write(text)


@pytest.fixture(autouse=True)
def pools(tmp_path, monkeypatch):
    """A machine with 8 huge pages."""
    monkeypatch.setattr(snapshot, "POOLS", str(tmp_path / "hugepages"))
    write(f"{snapshot.POOLS}/hugepages-1048576kB", nr_hugepages="0\n")
    write(f"{snapshot.POOLS}/hugepages-2048kB", nr_hugepages="8\n")


@pytest.fixture
def v2(tmp_path):
    """/a with /a/b below it, which has fewer controllers, and /a/b/c, which has none."""
    top = str(tmp_path / "unified")
    write(top, cgroup__subtree_control="cpu memory pids\n", cpu__pressure=PSI, cgroup__procs="1\n")
    group = {
        "memory__max": "67108864\n",
        "memory__current": "4096\n",
        "memory__stat": "anon 4096\nfile 0\n",
        "memory__events": "low 0\nhigh 0\nmax 1\noom 1\noom_kill 1\n",
        "cpu__max": "50000 100000\n",
        "cpu__weight": "100\n",
        "cpu__stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 2\nnr_throttled 1\nthrottled_usec 9\n",
        "cpu__pressure": PSI,
        "memory__pressure": PSI,
        "pids__max": "max\n",
        "pids__current": "2\n",
        "cgroup__procs": "0\n12\n11\n",
        "hugetlb__2MB__current": "2097152\n",
    }
    write(f"{top}/a", **group, cgroup__subtree_control="memory\n")
    small = {name: text for name, text in group.items() if not name.startswith(("cpu__max", "cpu__weight", "pids"))}
    write(f"{top}/a/b", **small, cgroup__subtree_control="\n")
    write(f"{top}/a/b/c", cgroup__procs="", cpu__stat="usage_usec 0\n", cgroup__subtree_control="")
    return Hierarchy({}, top, frozenset(("cpu", "memory", "pids", "hugetlb", "io")))


@pytest.fixture
def v1(tmp_path):
    """/a in all hierarchies, /a/b in that of memory alone."""
    mounts = {name: str(tmp_path / name) for name in ("cpu", "cpuacct", "memory", "pids")}
    write(mounts["memory"], memory__usage_in_bytes="9999\n")
    memory = {
        "memory__limit_in_bytes": "67108864\n",
        "memory__soft_limit_in_bytes": NO_LIMIT,
        "memory__usage_in_bytes": "4096\n",
        "memory__failcnt": "1\n",
        "memory__oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "memory__stat": "total_rss 4096\ntotal_cache 0\n",
    }
    for path in ("/a", "/a/b"):
        write(mounts["memory"] + path, **memory)
    write(
        mounts["cpu"] + "/a",
        cpu__cfs_quota_us="50000\n",
        cpu__cfs_period_us="100000\n",
        cpu__shares="1024\n",
        cpu__stat="nr_periods 2\nnr_throttled 1\nthrottled_time 9000\n",
    )
    write(mounts["cpuacct"] + "/a", cpuacct__usage="5000\n", cpuacct__usage_all="cpu user system\n0 3000 2000\n")
    write(mounts["pids"] + "/a", pids__max="max\n", pids__current="2\n")
    return Hierarchy(mounts)


def look(hierarchy, path, parts=("limits", "usage", "pressure", "events"), depth=0):
    return info.read(snapshot.Reader(hierarchy), path, parts, depth)


def test_v1_and_v2_say_the_same(v1, v2):
    old, new = look(v1, "/a")[0], look(v2, "/a")[0]
    for name in ("cpus", "cpu_weight", "memory", "pids_limit"):
        assert old["limits"][name] == new["limits"][name]
    assert (new["limits"]["cpus"], new["limits"]["memory"], new["limits"]["pids_limit"]) == (0.5, 67108864, -1)
    usage = {"cpu_usec": 5, "cpu_user_usec": 3, "cpu_system_usec": 2, "memory": 4096, "pids": 2}
    assert old["usage"] == {**usage, "memory_anon": 4096, "memory_file": 0}
    assert new["usage"] == {**old["usage"], "hugetlb": {"2MB": 2097152}}
    events = {"memory_max": 1, "oom_kill": 1, "cpu_periods": 2, "cpu_throttled": 1, "cpu_throttled_usec": 9}
    assert old["events"] == events
    assert new["events"] == {**events, "oom": 1, "memory_low": 0, "memory_high": 0}


def test_pressure_is_told_where_it_is_counted(v1, v2):
    assert look(v1, "/a")[0]["pressure"] == {}
    some = {"some": {"avg10": 1.0, "avg60": 0.0, "avg300": 0.0, "total_usec": 9}}
    assert look(v2, "/a")[0]["pressure"] == {"cpu": some, "memory": some}
    assert look(v2, "/a/b/c")[0]["pressure"] == {}
    os.unlink(v2.unified + "/cpu.pressure")
    assert look(v2, "/a")[0]["pressure"] == {}


def test_where_there_is_no_huge_page_nobody_uses_one(v2, monkeypatch):
    write(f"{snapshot.POOLS}/hugepages-2048kB", nr_hugepages="0\n")
    opened = []
    real = snapshot.take
    monkeypatch.setattr(snapshot, "take", lambda paths, *rest: opened.extend(paths) or real(paths, *rest))
    assert look(v2, "/a")[0]["usage"]["hugetlb"] == {"2MB": 0}
    assert not [path for path in opened if path.startswith("hugetlb.")]


def test_a_kernel_that_does_not_tell_of_its_huge_pages(v2, monkeypatch):
    monkeypatch.setattr(snapshot, "POOLS", "/nosuch")
    assert look(v2, "/a")[0]["usage"]["hugetlb"] == {"2MB": 2097152}


def test_nothing_stays_open(v1, v2):
    before = os.listdir("/proc/self/fd")
    for hierarchy in (v1, v2):
        look(hierarchy, "/", info.PARTS, None)
    assert os.listdir("/proc/self/fd") == before


def test_a_tree_and_its_depth(v1, v2):
    paths = {depth: [entry["path"] for entry in look(v2, "/a", ("usage",), depth)] for depth in (0, 1, None)}
    assert paths == {0: ["/a"], 1: ["/a", "/a/b"], None: ["/a", "/a/b", "/a/b/c"]}
    whole = look(v1, "/", ("usage", "events"), None)
    assert [entry["path"] for entry in whole] == ["/", "/a", "/a/b"]
    assert [entry["usage"].get("memory") for entry in whole] == [9999, 4096, 4096]
    assert "cpu_usec" not in whole[2]["usage"]  # the group is in one hierarchy only


def test_only_files_that_are_there_are_opened(v2, monkeypatch):
    missed = []
    real = snapshot.take

    def take(paths, directory, opened, texts):
        real(paths, directory, opened, texts)
        missed.extend(path for path in paths if texts[path] is None)

    monkeypatch.setattr(snapshot, "take", take)
    look(v2, "/a", ("limits", "usage", "events"), None)
    assert missed == []


def test_each_file_is_read_once(v2, monkeypatch):
    opened = []
    real = snapshot.take
    monkeypatch.setattr(snapshot, "take", lambda paths, *rest: opened.extend(paths) or real(paths, *rest))
    look(v2, "/a", info.PARTS)
    assert len(opened) == len(set(opened))


@pytest.mark.parametrize("size", [0, 1, 447, 448, 449, 2047, 2048, 4095, 4096, 4544, 70000])
def test_files_of_any_length_are_read_whole(tmp_path, size):
    text = "".join(chr(97 + place % 26) for place in range(size))
    (tmp_path / "file").write_text(text, encoding="ascii")
    assert snapshot.content(str(tmp_path / "file")) == text


@pytest.mark.parametrize("path", ["/proc/self/mountinfo", "/proc/crypto", "/proc/devices"])
def test_files_that_the_kernel_writes_line_by_line_are_read_whole(path):
    with open(path, encoding="utf-8") as file:
        assert snapshot.content(path) == file.read()


@pytest.mark.parametrize("first", ["/a", "/a/b"])
def test_a_file_that_cannot_be_read_is_named(v1, monkeypatch, first):
    """Also where it is read because groups before were asked for it."""
    real = os.read
    reader = snapshot.Reader(v1)
    with reader.snapshot("/a") as group:
        assert group.text("memory", "memory.failcnt") == "1\n"

    def fails(fd, size):
        if os.readlink(f"/proc/self/fd/{fd}").endswith(f"{first}/memory.failcnt"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, size)

    monkeypatch.setattr(os, "read", fails)
    with pytest.raises(OSError, match="Input/output error") as raised, reader.snapshot(first) as group:
        group.text("memory", "memory.usage_in_bytes")
    assert raised.value.filename == f"{v1.v1['memory']}{first}/memory.failcnt"


def test_a_file_that_one_group_hides_is_told_of_the_others(v2):
    for number in range(3):
        write(f"{v2.unified}/a/n{number}", cpu__pressure=PSI, cgroup__subtree_control="")
    os.unlink(f"{v2.unified}/a/n1/cpu.pressure")
    found = {entry["path"]: entry["pressure"] for entry in look(v2, "/a", ("pressure",), None)}
    assert [list(found[f"/a/n{number}"]) for number in range(3)] == [["cpu"], [], ["cpu"]]


def test_limits_of_groups_that_say_the_same_are_told_apart_from_others(v2):
    for number in range(3):  # their parent gives them memory alone
        limit = "33554432\n" if number == 1 else "67108864\n"
        write(f"{v2.unified}/a/n{number}", memory__max=limit, cgroup__subtree_control="")
    found = {entry["path"]: entry["limits"].get("memory") for entry in look(v2, "/a", ("limits",), None)}
    assert [found[f"/a/n{number}"] for number in range(3)] == [67108864, 33554432, 67108864]


def test_processes_of_v2(v2):
    assert look(v2, "/a", ("processes",))[0]["processes"] == [11, 12]


@pytest.mark.parametrize(
    ("memberships", "hybrid", "pids", "apart"),
    [
        ([(9, "4:memory:/a\n3:cpu:/a\n")], False, {"/a": [9]}, set()),
        ([(9, "4:memory:/a\n3:cpu:/b\n"), (7, "4:memory:/a\n")], False, {"/a": [7, 9], "/b": [9]}, set()),
        ([(9, "4:memory:/a/b\n0::/a/b\n")], True, {"/a/b": [9]}, set()),
        ([(9, "4:memory:/a/b\n0::/\n")], True, {"/a/b": [9], "/": [9]}, {"/a/b", "/a"}),
        ([(9, "4:memory:/\n0::/a\n")], True, {"/": [9]}, set()),  # has ended
        ([(9, "4:memory:/\n1:name=systemd:/x\n0::/x\n")], True, {"/": [9], "/x": [9]}, set()),
        ([(9, "4:memory:/odd:name\n")], False, {"/odd:name": [9]}, set()),
    ],
)
def test_members(memberships, hybrid, pids, apart):
    assert members.sort_out(memberships, hybrid=hybrid) == (pids, apart)


@pytest.mark.parametrize(
    ("hierarchy", "counts", "expected"),
    [
        (Hierarchy({}, "/u", frozenset(("cpu", "memory", "io", "pids"))), True, {}),
        (Hierarchy({}, "/u", frozenset(("cpu", "memory", "io", "pids"))), False, {"pressure": "CONFIG_PSI"}),
        (Hierarchy({}, "/u", frozenset(("cpu", "io", "pids"))), True, {"memory": "no memory controller"}),
        (Hierarchy(dict.fromkeys(("cpu", "memory", "blkio", "pids"), "/x")), False, {"pressure": "cgroup v1 does not"}),
        (
            Hierarchy(dict.fromkeys(("cpu", "memory", "blkio", "pids"), "/x"), "/u"),
            True,
            {"pressure": "v2 mount alone"},
        ),
        (Hierarchy(dict.fromkeys(("cpu", "memory", "blkio", "pids"), "/x"), "/u"), False, {"pressure": "CONFIG_PSI"}),
    ],
)
def test_what_a_host_cannot_tell(hierarchy, counts, expected):
    found = info.missing(hierarchy, counts_pressure=counts)
    assert found.keys() == expected.keys()
    for name, words in expected.items():
        assert words in found[name]


def test_work_shared_out_comes_back_in_order():
    items = [str(number) for number in range(10)]
    assert spread.spread(lambda share: [(item, os.getpid()) for item in share][:], items, 1) == [
        (item, os.getpid()) for item in items
    ]
    found = spread.spread(lambda share: [(item, os.getpid()) for item in share], items, 3)
    assert [item for item, _pid in found] == items
    assert len({pid for _item, pid in found}) == 3


def test_what_a_share_raises_is_raised():
    def work(share):
        if "7" in share:
            raise ValueError("seven")
        return share

    with pytest.raises(ValueError, match="seven"):
        spread.spread(work, [str(number) for number in range(10)], 3)
    with pytest.raises(ValueError, match="seven"):
        spread.spread(work, ["7", "1", "2", "3"], 2)
