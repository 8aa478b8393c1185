# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError
from ansible_collections.agentless.oci.plugins.module_utils.container import start
from ansible_collections.agentless.oci.plugins.module_utils.runtime.errors import RuntimeFault


@pytest.mark.parametrize(
    ("error", "anothers"),
    [
        (RuntimeFault("the cgroup /a is in use by other processes", step="cgroup"), True),
        (RuntimeFault("container a exists already", step="create", errno=errno.EEXIST), True),
        (CgroupError("cannot create cgroup /a", step="path", errno=errno.ENOENT), True),  # taken away while it is made
        (CgroupError("cannot move process 0 into cgroup /a", step="path", errno=errno.ENODEV), True),
        (RuntimeFault("cannot move process 0 into cgroup /a", step="path", errno=errno.ENODEV), True),
        (CgroupError("cannot create cgroup /a", step="path", errno=errno.EACCES), False),
        (RuntimeFault("the image has no program a", step="program", errno=errno.ENOENT), False),
        (RuntimeFault("the container's first process died before its program ran", step="create"), False),
    ],
)
def test_a_start_goes_on_against_another_alone(error, anothers):
    assert start.is_anothers(error) is anothers
