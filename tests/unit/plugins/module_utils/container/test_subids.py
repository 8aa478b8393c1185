# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.container.subids import choose, parse, pool

SIZE = 65536
FIRST = 16 * SIZE


def first(subuid="", subgid="", used=()):
    return choose(used, pool(subuid, subgid))


@pytest.mark.parametrize(
    ("subuid", "subgid", "used", "expected"),
    [
        ("", "", [], FIRST),
        ("", "", [FIRST], FIRST + SIZE),
        ("", "", [FIRST + SIZE], FIRST),
        ("", "", [FIRST, FIRST + 2 * SIZE], FIRST + SIZE),
        # what is given to others is theirs, whole or in part, of users or of groups
        ("alice:100000:65536", "alice:100000:65536", [], FIRST),
        (f"alice:{FIRST}:65536", "", [], FIRST + SIZE),
        ("", f"alice:{FIRST}:1", [], FIRST + SIZE),
        (f"alice:{FIRST + SIZE - 1}:2", "", [], FIRST + 2 * SIZE),
        (f"alice:{FIRST}:65536\nbob:{FIRST + SIZE}:65536", "", [FIRST + 2 * SIZE], FIRST + 3 * SIZE),
        (f"alice:{FIRST}:0", "", [], FIRST),
        # and what is given to containers, or to root, is ours alone
        ("containers:200000:200000", "containers:200000:200000", [], 200000),
        ("containers:200000:200000", "containers:200000:200000", [200000], 265536),
        ("containers:200000:200000", "containers:200000:200000", [265536], 200000),
        ("containers:200000:200000", "containers:200000:200000", [200000 - 1], 265536 - 1 + 1),
        ("containers:200000:200000", "containers:300000:200000", [], 300000),
        ("root:500000:65536", "root:500000:65536", [], 500000),
        ("0:500000:65536", "root:500000:65536", [], 500000),
        (
            "root:500000:65536\ncontainers:700000:65536",
            "root:500000:65536\ncontainers:700000:65536",
            [],
            700000,
        ),
        (
            "containers:200000:65536\ncontainers:900000:131072",
            "containers:200000:65536\ncontainers:900000:131072",
            [200000],
            900000,
        ),
        ("# none\n\nnonsense\nalice:x:1\n", "", [], FIRST),
    ],
)
def test_the_lowest_range_that_is_free(subuid, subgid, used, expected):
    assert first(subuid, subgid, used) == expected


def test_no_two_overlap():
    used = []
    given = pool("containers:100001:1000000", "containers:100001:1000000")
    with pytest.raises(ContainerError, match="no range of 65536 ids is free of those that /etc/subuid and /etc/subgid"):
        while True:
            used.append(choose(used, given))
    assert len(used) == 15
    assert all(abs(one - other) >= SIZE for one in used for other in used if one is not other)
    assert min(used) == 100001
    assert max(used) + SIZE <= 1100001


def test_nothing_reaches_the_end_of_the_numbers():
    with pytest.raises(ContainerError, match="no range of 65536 ids is free of those that there are on this host"):
        choose([], pool(f"alice:{FIRST}:{1 << 32}", ""))
    with pytest.raises(ContainerError, match="in a row in common"):
        pool(f"containers:{(1 << 32) - SIZE}:{SIZE}", f"containers:{(1 << 32) - SIZE}:{SIZE}")


@pytest.mark.parametrize(
    ("subuid", "subgid"),
    [
        ("containers:200000:65536", ""),
        ("", "containers:200000:65536"),
        ("containers:200000:65535", "containers:200000:65535"),
        ("containers:200000:65536", "containers:200001:65536"),
        ("root:200000:100", "root:200000:65536"),
    ],
)
def test_the_two_files_have_to_agree(subuid, subgid):
    with pytest.raises(ContainerError, match="in a row in common"):
        pool(subuid, subgid)


def test_lines():
    assert [tuple(entry) for entry in parse("a:1:2\n b:3:4 \nc:5\n:6:7\n")] == [("a", 1, 3), ("b", 3, 7)]
