# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of changes in a tree that was written."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import Plan
from ansible_collections.agentless.oci.plugins.module_utils.image.module import add_archive
from ansible_collections.agentless.oci.plugins.module_utils.image.request import ImageRequest
from ansible_collections.agentless.oci.plugins.module_utils.image.rootfs_dir import told
from ansible_collections.agentless.oci.plugins.module_utils.image.treeplace import innermost


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ([], []),
        ([b"etc", b"etc/motd"], [b"etc/motd"]),
        ([b"etc"], [b"etc"]),
        ([b"", b"new"], [b"new"]),
        ([b"", b"a/b"], [b".", b"a/b"]),
        ([b"a", b"a/b", b"a/b/c", b"ab"], [b"a/b/c", b"ab"]),
    ],
)
def test_directories_only_where_nothing_else_of_them_is_named(changed, named):
    assert innermost(changed) == named


@pytest.mark.parametrize(
    ("changes", "stays", "said"),
    [
        ([], True, ""),
        ([b"a"], False, "a in /srv/t changed since the image was written there; that goes with the old files."),
        (
            [b"a", b"b", b"c"],
            True,
            "a, b, c in /srv/t changed since the image was written there, and stay so; with force it is written anew.",
        ),
        (
            [b"a\n", b"\xff", b"c", b"d", b"e"],
            False,
            "a\\n, \\xff, c and 2 more in /srv/t changed since the image was written there; "
            "that goes with the old files.",
        ),
    ],
)
def test_the_warning(changes, stays, said):
    assert told("/srv/t", changes, stays) == said


@pytest.mark.parametrize(
    ("archived", "after", "sides"),
    [
        ("", {"id": "sha256:2"}, (None, "sha256:2")),
        ("sha256:1", {"id": "sha256:2"}, ("sha256:1", "sha256:2")),
        ("sha256:1", {}, ("sha256:1", "docker.io/library/x:1")),  # what the registry has is not asked for in check mode
    ],
)
def test_the_diff_tells_what_an_archive_holds(archived, after, sides):
    made = Plan(ImageRequest("x:1", archive={"path": "/srv/t", "format": "rootfs-dir"}), None)
    made.archived = archived
    before = {}
    add_archive(made, before, after)
    assert (before["archive"], after["archive"]) == tuple({"path": "/srv/t", "image": image} for image in sides)
