# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What control files say of usage, events and pressure, v1's and v2's, in one vocabulary."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import pressure, usage

CPU_V1 = "cpu user system\n0 6000000 2000000\n1 1000999 1000000\n"
CPU_V2 = """\
usage_usec 10000
user_usec 7000
system_usec 3000
nr_periods 40
nr_throttled 12
throttled_usec 812345
nr_bursts 0
burst_usec 0
"""
THROTTLED_V1 = "nr_periods 40\nnr_throttled 12\nthrottled_time 812345678\n"
MEMORY_V1 = """\
cache 4096
rss 8192
swap 0
inactive_file 0
hierarchical_memory_limit 67108864
total_cache 8192
total_rss 16384
total_shmem 4096
total_swap 12288
total_inactive_file 2048
"""
MEMORY_V2 = "anon 16384\nfile 8192\nkernel 65536\nshmem 4096\ninactive_file 2048\nslab 1\n"
EVENTS_V2 = "low 0\nhigh 7\nmax 21\noom 3\noom_kill 2\noom_group_kill 0\n"


def collected(sources, files):
    return usage.collect(sources, lambda _controller, file: files.get(file))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        ({"cpuacct.usage_all": CPU_V1}, {"cpu_user_usec": 7000, "cpu_system_usec": 3000}),
        ({"cpuacct.usage": "10000999\n"}, {"cpu_usec": 10000}),
        ({"cpu.stat": CPU_V2}, {"cpu_usec": 10000, "cpu_user_usec": 7000, "cpu_system_usec": 3000}),
        ({"cpu.stat": THROTTLED_V1}, {}),
        (
            {"memory.usage_in_bytes": "4096\n", "memory.max_usage_in_bytes": "8192\n"},
            {"memory": 4096, "memory_peak": 8192},
        ),
        ({"memory.current": "4096\n", "memory.peak": "8192\n"}, {"memory": 4096, "memory_peak": 8192}),
        ({"memory.current": "4096\n", "memory.swap.current": "0\n"}, {"memory": 4096, "swap": 0}),
        ({"pids.current": "3\n", "pids.peak": "9\n"}, {"pids": 3, "pids_peak": 9}),
    ],
)
def test_usage(files, expected):
    assert collected(usage.USAGE, files) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        (
            {"cpu.stat": CPU_V2, "pids.events": "max 4\n"},
            {"cpu_periods": 40, "cpu_throttled": 12, "cpu_throttled_usec": 812345, "pids_max": 4},
        ),
        (
            {"cpu.stat": THROTTLED_V1, "pids.events": "max 4\n"},
            {"cpu_periods": 40, "cpu_throttled": 12, "cpu_throttled_usec": 812345, "pids_max": 4},
        ),
        ({"cpu.stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\n"}, {}),
        (
            {"memory.events": EVENTS_V2},
            {"memory_low": 0, "memory_high": 7, "memory_max": 21, "oom": 3, "oom_kill": 2, "oom_group_kill": 0},
        ),
        (
            {"memory.events": "low 0\nhigh 0\nmax 0\noom 0\n"},
            {"memory_low": 0, "memory_high": 0, "memory_max": 0, "oom": 0},
        ),
        (
            {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", "memory.failcnt": "21\n"},
            {"oom_kill": 2, "memory_max": 21},
        ),
        ({"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}, {}),
        ({"memory.swap.events": "high 0\nmax 1\nfail 2\n"}, {"swap_max": 1, "swap_fail": 2}),
    ],
)
def test_events(files, expected):
    assert collected(usage.EVENTS, files) == expected


def test_the_parts_of_memory_are_the_same_on_both():
    parts = {"memory_anon": 16384, "memory_file": 8192, "memory_shmem": 4096, "memory_inactive_file": 2048}
    assert usage.MEMORY_V1(MEMORY_V1) == {**parts, "swap": 12288}
    assert usage.MEMORY_V2(MEMORY_V2) == {**parts, "memory_kernel": 65536}


DISK = {"device": "8:0", "read_bytes": 8192, "write_bytes": 4096, "read_ops": 2, "write_ops": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("8:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n", [DISK]),
        ("8:0 rbytes=8192 wbytes=4096 rios=2 wios=1\n7:0 rbytes=0 wbytes=0 rios=0 wios=0\n", [DISK]),
        ("7:0 8:0 rbytes=8192 wbytes=4096 rios=2 wios=1\n", [DISK]),
        ("8:0 \n", []),
    ],
)
def test_io_stat(text, expected):
    assert usage.parse_io_stat(text) == expected


@pytest.mark.parametrize(
    ("moved", "serviced", "expected"),
    [
        ("Total 0\n", "Total 0\n", []),
        (
            "8:0 Read 8192\n8:0 Write 4096\n8:0 Sync 0\n8:0 Async 12288\n8:0 Total 12288\nTotal 12288\n",
            "8:0 Read 2\n8:0 Write 1\n8:0 Total 3\nTotal 3\n",
            [DISK],
        ),
        ("8:0 Read 0\n8:0 Write 0\nTotal 0\n", "", []),
    ],
)
def test_blkio(moved, serviced, expected):
    assert usage.parse_blkio(moved, serviced) == expected


def test_the_sum_over_devices():
    assert usage.total_io([DISK, {**DISK, "device": "8:16"}])["io_read_bytes"] == 16384
    assert usage.total_io([]) == dict.fromkeys(("io_read_bytes", "io_write_bytes", "io_read_ops", "io_write_ops"), 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (
            "some avg10=1.50 avg60=0.20 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
            {
                "some": {"avg10": 1.5, "avg60": 0.2, "avg300": 0.0, "total_usec": 1234},
                "full": {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total_usec": 7},
            },
        ),
        (
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
            {"some": {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total_usec": 5}},
        ),
    ],
)
def test_pressure(text, expected):
    assert pressure.parse(text) == expected


@pytest.mark.parametrize(
    ("total", "counted", "told"),
    [
        (0, (0, 0), (0, 0)),
        (900, (0, 0), (900, 0)),  # less than a tick
        (900, (4000, 0), (900, 0)),
        (900, (0, 4000), (0, 900)),
        (1001, (4000, 4000), (501, 500)),
        (9_000_000, (4000, 8000), (3_000_000, 6_000_000)),
    ],
)
def test_user_and_system_of_what_was_really_used(total, counted, told):
    assert usage.shared_out(total, *counted) == told
