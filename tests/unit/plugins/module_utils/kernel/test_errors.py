# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How errors are told."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error, told


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Error("there is no volume data", hint="Make it"), "there is no volume data. Make it."),
        (Error("there is no volume data"), "there is no volume data"),
        (OSError(errno.ENOSPC, "No space left on device", "/srv/x"), "No space left on device: /srv/x"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("it is gone"), "it is gone"),
    ],
)
def test_a_task_fails_with_what_where_and_why(error, why):
    assert told("volume data", error) == f"volume data on {os.uname().nodename}: {why}"
