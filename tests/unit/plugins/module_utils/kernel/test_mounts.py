# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount options as runtime-spec lists them."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import constants as c
from ansible_collections.agentless.oci.plugins.module_utils.kernel.mounts import MountOptions


@pytest.mark.parametrize(
    ("options", "flags", "cleared", "data"),
    [
        ([], 0, 0, ""),
        (["ro", "nosuid"], c.MS_RDONLY | c.MS_NOSUID, 0, ""),
        (["ro", "rw"], 0, c.MS_RDONLY, ""),
        (["rw", "ro"], c.MS_RDONLY, 0, ""),
        (["rbind", "size=64k", "mode=755"], c.MS_BIND | c.MS_REC, 0, "size=64k,mode=755"),
        (["defaults", "strictatime"], c.MS_STRICTATIME, 0, ""),
        (["suid", "dev", "exec"], 0, c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, ""),
    ],
)
def test_flags_and_data(options, flags, cleared, data):
    sorted_out = MountOptions(options)
    assert (sorted_out.flags, sorted_out.cleared, sorted_out.data) == (flags, cleared, data)


def test_propagation_keeps_its_order():
    assert MountOptions(["rshared", "private"]).propagation == [c.MS_SHARED | c.MS_REC, c.MS_PRIVATE]


@pytest.mark.parametrize(
    ("options", "set_", "clear"),
    [
        (["rro"], c.MOUNT_ATTR_RDONLY, 0),
        (["rro", "rrw"], 0, c.MOUNT_ATTR_RDONLY),
        (["rnoatime"], c.MOUNT_ATTR_NOATIME, c.MOUNT_ATTR_ATIME),
        (["rnosuid", "rnodev"], c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV, 0),
    ],
)
def test_recursive_attributes(options, set_, clear):
    sorted_out = MountOptions(options)
    assert (sorted_out.set, sorted_out.clear) == (set_, clear)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["ro", "nodev"], (c.MOUNT_ATTR_RDONLY | c.MOUNT_ATTR_NODEV, 0)),
        (["rw"], (0, c.MOUNT_ATTR_RDONLY)),
        (["noatime"], (c.MOUNT_ATTR_NOATIME, c.MOUNT_ATTR_ATIME)),
        (["sync"], (0, 0)),  # of the file system, not of the mount
    ],
)
def test_attributes_of_the_mount_itself(options, expected):
    assert MountOptions(options).attributes() == expected


def test_tmpcopyup_is_not_data():
    options = MountOptions(["tmpcopyup", "size=1m"])
    assert options.tmpcopyup
    assert options.data == "size=1m"
