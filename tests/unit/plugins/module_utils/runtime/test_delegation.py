# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the container's cgroup is given to, by config-linux.md, "Cgroup ownership"."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.runtime.config import Config
from ansible_collections.agentless.oci.plugins.module_utils.runtime.delegation import owner

GROUPS = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}
READ_ONLY = {**GROUPS, "options": ["nosuid", "ro"]}
MAP = [{"containerID": 0, "hostID": 100000, "size": 1000}]


@pytest.mark.parametrize(
    ("spaces", "mounts", "uid", "given"),
    [
        (("mount", "cgroup"), [GROUPS], 7, 7),
        (("mount", "cgroup"), [{**GROUPS, "destination": "/sys/fs//cgroup/"}], 0, 0),
        (("mount", "cgroup", "user"), [GROUPS], 7, 100007),
        (("mount", "cgroup", "user"), [{**GROUPS, "type": "cgroup2"}], 0, 100000),
        (("mount", "cgroup", "user"), [GROUPS], 5000, None),  # an id that nobody has outside
        (("mount", "cgroup"), [READ_ONLY], 7, None),
        (("mount", "cgroup"), [], 7, None),
        (("mount", "cgroup"), [{**GROUPS, "destination": "/groups"}], 7, None),
        (("mount",), [GROUPS], 7, None),
    ],
)
def test_the_owner(spaces, mounts, uid, given):
    document = {
        "ociVersion": "1.3.0",
        "process": {"args": ["true"], "cwd": "/", "user": {"uid": uid, "gid": 0}},
        "root": {"path": "rootfs"},
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in spaces]},
    }
    if "user" in spaces:
        document["linux"].update(uidMappings=MAP, gidMappings=MAP)
    assert owner(Config(document, "/bundle")) == given


def test_a_joined_cgroup_namespace_is_somebodys():
    document = {
        "ociVersion": "1.3.0",
        "process": {"args": ["true"], "cwd": "/"},
        "root": {"path": "rootfs"},
        "mounts": [GROUPS],
        "linux": {"namespaces": [{"type": "mount"}, {"type": "cgroup", "path": "/proc/1/ns/cgroup"}]},
    }
    assert owner(Config(document, "/bundle")) is None
