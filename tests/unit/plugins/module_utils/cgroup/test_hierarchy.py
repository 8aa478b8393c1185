# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounts make which hierarchy."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import hierarchy

_V2 = "30 23 0:26 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
_CPU = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
_SYSTEMD = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd"
_BESIDE = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
_OTHER = "23 1 8:1 / /mnt/my - cgroup rw - ext4 /dev/sda1 rw"


@pytest.mark.parametrize(
    ("lines", "mode", "v1", "unified"),
    [
        ([_V2, _OTHER], "unified", {}, "/sys/fs/cgroup"),
        (
            [_CPU, _SYSTEMD],
            "legacy",
            {
                "cpu": "/sys/fs/cgroup/cpu,cpuacct",
                "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
                "name=systemd": "/sys/fs/cgroup/systemd",
            },
            "",
        ),
        (
            [_CPU, _BESIDE],
            "hybrid",
            {"cpu": "/sys/fs/cgroup/cpu,cpuacct", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct"},
            "/sys/fs/cgroup/unified",
        ),
    ],
)
def test_modes(lines, mode, v1, unified):
    found = hierarchy.Hierarchy(*hierarchy.parse_mountinfo("\n".join(lines) + "\n"))
    assert (found.mode, found.v1, found.unified) == (mode, v1, unified)


def test_comounted_controllers_share_one_mount():
    found = hierarchy.Hierarchy(*hierarchy.parse_mountinfo("\n".join([_CPU, _SYSTEMD])))
    assert found.mounts == ("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/systemd")


def test_bind_of_a_part_does_not_hide_the_whole():
    part = "50 31 0:29 /docker/x /var/jail/cpu rw - cgroup cgroup rw,cpu"
    assert hierarchy.parse_mountinfo("\n".join([_CPU, part]))[0]["cpu"] == "/sys/fs/cgroup/cpu,cpuacct"
    assert hierarchy.parse_mountinfo("\n".join([part, _CPU]))[0]["cpu"] == "/sys/fs/cgroup/cpu,cpuacct"
    assert hierarchy.parse_mountinfo(part)[0]["cpu"] == "/var/jail/cpu"


def test_escaped_mount_point():
    line = r"32 31 0:29 / /mnt/with\040space rw - cgroup cgroup rw,pids"
    assert hierarchy.parse_mountinfo(line)[0] == {"pids": "/mnt/with space"}
