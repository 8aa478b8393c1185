# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of the cgroup layer."""

from __future__ import annotations

from ..kernel.errors import Error


class CgroupError(Error):
    """A limit or a group could not be had. ``step`` is the controller (or ``"path"``), ``obj`` the file or group."""
