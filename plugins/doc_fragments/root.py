# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says where state lies."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  root:
    description:
      - State directory on the managed host, where images, layers and containers lie.
      - By default E(AGENTLESS_OCI_ROOT), else C(/var/lib/agentless-oci).
    type: path
"""
