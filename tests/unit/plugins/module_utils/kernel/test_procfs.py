# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mountinfo says of places."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import procfs


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/srv/plain", "/srv/plain"),
        ("/srv/a b", "/srv/a\\040b"),
        ("/srv/a\tb\n", "/srv/a\\011b\\012"),
        ("/srv/a\\b", "/srv/a\\134b"),
        ("/srv/a\\040b", "/srv/a\\134040b"),
    ],
)
def test_a_path_and_its_field(path, field):
    assert procfs.escape(path) == field
    assert procfs.unescape(field) == path


def test_a_mount_point(tmp_path):
    (tmp_path / "link").symlink_to("/proc")
    assert procfs.is_mounted("/proc")
    assert procfs.is_mounted(str(tmp_path / "link"))
    assert not procfs.is_mounted(str(tmp_path))
    assert not procfs.is_mounted("/nosuch")
