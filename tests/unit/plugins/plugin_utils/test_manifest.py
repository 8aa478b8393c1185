# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container.copysource import Sent
from ansible_collections.agentless.oci.plugins.plugin_utils.manifest import Manifest


@pytest.fixture
def tree(tmp_path):
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (top / "a" / "small").write_text("small")
    (top / "big").write_bytes(b"b" * 100_000)
    (top / "other").write_bytes(b"o" * 100_001)
    (top / "link").symlink_to("big")
    (tmp_path / "to").symlink_to("top")
    return tmp_path


def described(path, follow=True, **options):
    return Manifest(str(path), **{"follow": follow, "real": str, "shows": False, **options})


def content(source, item):
    return b"".join(source.content(item))


def test_small_files_go_along_and_big_ones_when_they_are_needed(tree):
    made = described(tree / "to")
    assert [entry["path"] for entry in made.entries] == ["", "a", "a/small", "big", "link", "other"]
    first = Sent(made.entries, "", archive=False)
    needed = first.missing(first.items)
    assert len(needed) == 2
    path, archive = made.packed(needed)
    try:
        second = Sent(made.entries, path, archive=archive)
        assert second.missing(second.items) == []
        items = {item.path: item for item in second.items}
        assert content(second, items["a/small"]) == b"small"
        assert content(second, items["big"]) == b"b" * 100_000
        assert content(second, items["other"]) == b"o" * 100_001
    finally:
        os.unlink(path)
    single, archive = made.packed(needed[:1])
    assert (archive, os.path.dirname(single)) == (False, str(tree / "top"))


def test_links_at_the_top(tree):
    assert [entry["kind"] for entry in described(tree / "to", follow=False).entries] == ["link"]
    assert len(described(f"{tree}/to/", follow=True).entries) == 6


def test_what_is_copied_is_what_it_stands_for(tree):
    (tree / "plain").write_text("plain")
    made = described(tree / "top" / "big", real=lambda _path: str(tree / "plain"))
    assert made.entries[0]["size"] == 5


def test_what_cannot_be_copied(tree):
    os.mkfifo(tree / "top" / "a" / "fifo")
    with pytest.raises(ValueError, match="a/fifo is a FIFO"):
        described(tree / "top")
