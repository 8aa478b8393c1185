# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volume layer's error."""

from __future__ import annotations

from ..kernel.errors import Error


class VolumeError(Error):
    """A volume cannot be made, changed, mounted or removed as declared."""
