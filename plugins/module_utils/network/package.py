# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host's distribution calls the package of the CNI plugins, for whoever misses them."""

from __future__ import annotations

from ..kernel.files import read_text

_FILES = ("/etc/os-release", "/usr/lib/os-release")  # os-release(5), the first that is there
_USUAL, _SHORT = "containernetworking-plugins", "cni-plugins"
# By ID and ID_LIKE; the role agentless.oci.host has the same names.
_PACKAGES = {
    **dict.fromkeys(("debian", "ubuntu", "fedora", "rhel", "centos"), _USUAL),
    **dict.fromkeys(("alpine", "arch", "suse", "opensuse"), _SHORT),
}


def name(os_release: str) -> str:
    """The package's name on the distribution that the text *os_release* tells of; "" where we do not know it."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    words = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', " ").replace("'", " ").split()
    return next((_PACKAGES[word] for word in words if word in _PACKAGES), "")


def advice() -> str:
    """The sentence that says what to install, without its end."""
    found = ""
    for path in _FILES:
        try:
            found = name(read_text(path))
        except FileNotFoundError:
            continue
        break
    found = found or f"of CNI plugins ({_USUAL} or {_SHORT})"
    return f"Install the package {found}, as the role agentless.oci.host does"
