# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversions of numbers, both ways."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import units
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512m", 512 << 20),
        ("512M", 512 << 20),
        ("512mb", 512 << 20),
        ("512MiB", 512 << 20),
        ("1.5g", 3 << 29),
        (".5g", 1 << 29),
        ("64k", 65536),
        ("10b", 10),
        ("4096", 4096),
        (4096, 4096),
        ("2 g", 2 << 30),
        ("1t", 1 << 40),
        ("max", -1),
        ("unlimited", -1),
        ("-1", -1),
        (-1, -1),
        ("0", 0),
        ("9007199254740993", 9007199254740993),  # beyond what a float holds
        ("0.1k", 102),
    ],
)
def test_parse_bytes(text, count):
    assert units.parse_bytes(text) == count


@pytest.mark.parametrize(
    "text", ["", "m", "lots", "1.5.5g", "-2", "1e9", "5x", "5gg", "5mib5", "1.", "५m", "0x10", "5 5m"]
)
def test_what_is_no_size_is_told_by_name(text):
    with pytest.raises(CgroupError, match=r"memory: .* is not a size"):
        units.parse_bytes(text, "memory")


@pytest.mark.parametrize(
    ("text", "cpus"), [("1.5", 1.5), (2, 2.0), (0.25, 0.25), ("50%", 0.5), ("150 %", 1.5), ("max", -1.0), ("-1", -1.0)]
)
def test_parse_cpus(text, cpus):
    assert units.parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["0", "-2", "half", "", "1,5", "nan", "inf", "0.0"])
def test_what_is_no_number_of_cpus(text):
    with pytest.raises(CgroupError, match="is not a number of CPUs"):
        units.parse_cpus(text)


@pytest.mark.parametrize(("text", "count"), [("100", 100), (7, 7), ("max", -1), (-1, -1), ("unlimited", -1)])
def test_parse_count(text, count):
    assert units.parse_count(text) == count


@pytest.mark.parametrize("text", ["1.5", "-5", "ten", ""])
def test_what_is_no_count(text):
    with pytest.raises(CgroupError, match="pids_limit"):
        units.parse_count(text, "pids_limit")


@pytest.mark.parametrize(
    ("count", "text", "up"),
    [
        (11744051, "11.2m", "12m"),
        (4 << 20, "4m", "4m"),
        (1 << 30, "1g", "1g"),
        (1500, "1.5k", "2k"),
        (1023, "1023", "1023"),
        (-1, "max", "max"),
    ],
)
def test_format_bytes(count, text, up):
    assert units.format_bytes(count) == text
    assert units.format_bytes(count, up=True) == up


@pytest.mark.parametrize(
    ("text", "normal"),
    [("0-1", "0-1"), ("0,1", "0-1"), ("1,0", "0-1"), ("0-2,4", "0-2,4"), ("3", "3"), ("", ""), ("0-1,1-3\n", "0-3")],
)
def test_cpu_lists(text, normal):
    assert units.format_cpu_list(units.parse_cpu_list(text)) == normal


@pytest.mark.parametrize("text", ["a", "1-", "-1", "3-1", "0-99999999", "1-2-3"])
def test_what_is_no_cpu_list(text):
    with pytest.raises(CgroupError, match="is not a list"):
        units.parse_cpu_list(text)


@pytest.mark.parametrize(
    ("cpus", "period", "quota"), [(1.5, 100000, 150000), (0.25, 50000, 12500), (-1, 100000, -1), (0.01, 100000, 1000)]
)
def test_cpus_and_quota(cpus, period, quota):
    assert units.cpus_to_quota(cpus, period) == quota
    assert units.quota_to_cpus(quota, period) == cpus


def test_quota_below_the_kernels_least_is_refused():
    with pytest.raises(CgroupError, match=r"Declare at least 0\.01"):
        units.cpus_to_quota(0.005)


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(0, 0), (1, 1), (2, 1), (3, 2), (256, 35), (512, 59), (1024, 100), (2048, 174), (262144, 10000), (300000, 10000)],
)
def test_shares_to_weight(shares, weight):
    """The formula that runc 1.4 and crun 1.21 share: 2, 1024 and 262144 meet 1, 100 and 10000."""
    assert units.shares_to_weight(shares) == weight


def test_every_weight_survives_the_way_through_shares():
    for weight in range(1, 10001):
        shares = units.weight_to_shares(weight)
        assert 2 <= shares <= 262144
        assert units.shares_to_weight(shares) == weight


@pytest.mark.parametrize(("blkio", "io"), [(0, 0), (10, 1), (1000, 10000), (100, 910), (500, 4950)])
def test_blkio_weight_and_io_weight(blkio, io):
    assert units.blkio_to_io_weight(blkio) == io
    assert units.io_to_blkio_weight(io) == blkio


def test_every_blkio_weight_survives_the_way_through_io_weight():
    assert all(units.io_to_blkio_weight(units.blkio_to_io_weight(weight)) == weight for weight in range(10, 1001))


@pytest.mark.parametrize(
    ("limit", "swap", "v2"),
    [(100, 250, 150), (100, 100, 0), (-1, 0, -1), (100, -1, -1), (0, -1, -1), (100, 0, None), (0, 0, None)],
)
def test_swap_to_v2(limit, swap, v2):
    assert units.swap_to_v2(limit, swap) == v2


@pytest.mark.parametrize(
    ("limit", "swap", "says"), [(0, 100, "without memory"), (200, 100, "below memory"), (-1, 100, "unlimited memory")]
)
def test_swap_that_contradicts(limit, swap, says):
    with pytest.raises(CgroupError, match=says):
        units.swap_to_v2(limit, swap)
