# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oci_volume by the short way."""

from __future__ import annotations

from ansible_collections.agentless.oci.plugins.plugin_utils.direct import Direct


class ActionModule(Direct):
    """See there."""
