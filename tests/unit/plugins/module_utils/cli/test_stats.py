# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container uses, out of samples, and how it is shown."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cli import stats
from ansible_collections.agentless.oci.plugins.module_utils.container import sample

HOST = 8 << 30
USAGE = {
    "cpu_usec": 5_000_000,
    "memory": 40 << 20,
    "memory_inactive_file": 8 << 20,
    "pids": 3,
    "io_read_bytes": 1_500_000,
    "io_write_bytes": 0,
}
BEFORE = sample.Sample(100.0, "web", "0123456789abcdef", "running", 7, {"memory": 64 << 20}, USAGE, {}, {}, (10, 20))
NOW = BEFORE._replace(
    at=102.0, usage={**USAGE, "cpu_usec": 5_500_000}, events={"oom_kill": 1, "cpu_throttled_usec": 300_000}
)
STOPPED = sample.Sample(102.0, "web", "0123456789abcdef", "stopped", 0, {}, {}, {}, {}, None)
WAITING = {"cpu": {"some": {"avg10": 3.4}}, "io": {"some": {"avg10": 12.5}, "full": {"avg10": 9.0}}, "memory": {}}


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (NOW, BEFORE, {"cpu_percent": 25.0, "memory_working_set": 32 << 20, "memory_percent": 50.0, "oom_kill": 1}),
        (NOW, None, {"cpu_percent": None, "throttled_percent": None}),
        (NOW, BEFORE, {"throttled_percent": 15.0, "limits": NOW.limits, "events": NOW.events, "pressure": {}}),
        (NOW._replace(events={}), BEFORE, {"throttled_percent": None, "oom_kill": None}),
        (NOW._replace(pid=8), BEFORE, {"cpu_percent": None}),  # started anew: its counters began again
        (NOW._replace(id="other"), BEFORE, {"cpu_percent": None}),
        (NOW._replace(limits={"memory": -1}), BEFORE, {"memory_limit": HOST, "memory_percent": 0.39}),
        (NOW._replace(limits={"memory": HOST * 2}), BEFORE, {"memory_limit": HOST}),
        (NOW._replace(limits={}), BEFORE, {"memory_limit": HOST}),
        (NOW._replace(usage={}), BEFORE, {"memory": None, "memory_percent": None, "pids": None, "cpu_percent": 0.0}),
        (NOW._replace(network=None), BEFORE, {"net_rx_bytes": None, "net_tx_bytes": None}),
        (STOPPED, BEFORE, {"status": "stopped", "cpu_percent": None, "memory_limit": None}),
    ],
)
def test_a_report(now, before, expected):
    found = sample.report(now, before, HOST)
    assert {name: found[name] for name in expected} == expected


def test_bytes_of_a_network_are_all_but_the_loopbacks():
    text = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs …
    lo:    5000      50    0    0    0     0          0         0     5000      50    0
  eth0:    1000      10    0    0    0     0          0         0      300       3    0
  eth1:20      1    0    0    0     0          0         0      7       1    0
"""
    assert sample.count_network(text) == (1020, 307)
    assert sample.count_network("") == (0, 0)


def test_a_row():
    shown = dict(zip(stats.HEAD, stats.row(sample.report(NOW, BEFORE, HOST))))
    assert shown == {
        "NAME": "web",
        "ID": "0123456789ab",
        "CPU %": "25.00%",
        "MEM USAGE / LIMIT": "32m / 64m",
        "MEM %": "50.00%",
        "PIDS": "3",
        "BLOCK I/O": "1.5 MB / 0 B",
        "NET I/O": "10 B / 20 B",
        "THROTTLED": "15.00%",
        "OOM": "1",
        "PRESSURE": "-",
    }
    first = stats.row(sample.report(NOW._replace(network=None), None, HOST))
    assert (first[2], first[7], first[8]) == ("-", "-", "-")
    assert stats.row(sample.report(STOPPED, None, HOST)) == ("web", "0123456789ab", *["-"] * 9)


@pytest.mark.parametrize(
    ("pressure", "shown"),
    [({}, "-"), (WAITING, "io 12%, cpu 3%"), ({"cpu": {"some": {"avg10": 0.2}}}, "0%")],
)
def test_what_it_waits_for(pressure, shown):
    assert stats.row(sample.report(NOW._replace(pressure=pressure), BEFORE, HOST))[-1] == shown


@pytest.mark.parametrize(
    ("lines", "columns", "height", "expected"),
    [
        (["head", "one", "two"], 80, 24, ["head", "one", "two"]),
        (["head", "one", "two"], 80, 4, ["head", "one", "two"]),
        (["head", "one", "two", "three"], 80, 4, ["head", "one", "and 2 more"]),
        (["head", "one", "two"], 80, 1, ["head", "and 2 more"]),
        (["a long head", "a long row"], 6, 24, ["a lon", "a lon"]),
    ],
)
def test_a_frame_fits_the_terminal(lines, columns, height, expected):
    assert stats.frame(lines, columns, height) == expected
