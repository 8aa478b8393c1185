# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every module that pulls: those of the documentation fragment ``registry``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REGISTRY: dict[str, dict[str, Any]] = {
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "authfile": {"type": "path", "aliases": ["auth_file"]},
    "validate_certs": {"type": "bool", "default": True, "aliases": ["tls_verify"]},
    "ca_path": {"type": "path", "aliases": ["ca_cert_dir", "cert_dir"]},
    "mirrors": {"type": "dict"},
    "verify": {
        "type": "dict",
        "options": {
            "cosign_public_key": {"type": "str", "required": True, "no_log": False},
            "identity": {"type": "str"},
        },
    },
    "require_digest": {"type": "bool", "default": False},
}
