# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image may be read from: the mirrors of its registry in order, then the registry itself.

A mirror is written ``[http://|https://]HOST[:PORT][/PREFIX]``. It has the registry's repositories under the same
names, below the prefix if there is one. With ``http://`` it may be asked without TLS.
"""

from __future__ import annotations

from .errors import ImageError
from .reference import Reference, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ANY = "*"


class Place:
    """One place to ask.

    reference  the image's name there, which credentials and certificates are looked up by
    scheme     "http" or "https" when it is written so, else ""
    mirror     whether it is a mirror
    """

    __slots__ = ("mirror", "reference", "scheme")

    def __init__(self, reference: Reference, scheme: str = "", *, mirror: bool = False) -> None:
        self.reference = reference
        self.scheme = scheme
        self.mirror = mirror


def checked(mirrors: Mapping[str, Any]) -> dict[str, list[str]]:
    """*mirrors* with a list for each registry, its shape and each mirror's checked. Raises ImageError."""
    found = {}
    for registry, listed in mirrors.items():
        entries = [listed] if isinstance(listed, str) else listed
        if not isinstance(entries, (list, tuple)) or not all(isinstance(entry, str) for entry in entries):
            raise _wrong(str(registry), "its value is neither a mirror nor a list of mirrors")
        for entry in entries:
            _place(entry, Reference("checked", "checked"))
        found["docker.io" if registry == "index.docker.io" else str(registry)] = list(entries)
    return found


def places(reference: Reference, mirrors: Mapping[str, list[str]]) -> list[Place]:
    """Where to ask for *reference*, in order; the registry itself is the last."""
    listed = mirrors.get(reference.host, mirrors.get(ANY, ()))
    return [*(_place(entry, reference) for entry in listed), Place(reference)]


def _place(entry: str, reference: Reference) -> Place:
    scheme, separator, rest = entry.rpartition("://")
    host, _slash, prefix = rest.rstrip("/").partition("/")
    if (separator and scheme not in ("http", "https")) or "@" in entry:
        raise _wrong(entry, "it is not HOST, HOST:PORT or an address of http or https")
    try:
        # As a reference has it, and nothing else: the port in range, no white space, no upper-case path.
        parse(f"{host}/{prefix}/x" if prefix else f"{host}/x")
    except ImageError as error:
        why = error.message.rpartition(": ")[2]
        raise _wrong(entry, why) from None
    if not host or not ("." in host or ":" in host or host == "localhost" or scheme):
        raise _wrong(entry, f"'{host}' has neither a dot nor a port")
    path = f"{prefix}/{reference.path}" if prefix else reference.path
    return Place(Reference(host, path, reference.tag, reference.digest), scheme, mirror=True)


def _wrong(entry: str, why: str) -> ImageError:
    return ImageError(
        f"'{entry}' in mirrors is not valid: {why}",
        step="options",
        obj=entry,
        hint="Write REGISTRY: [MIRROR, …], each mirror as HOST[:PORT][/PREFIX], http:// in front if it has no TLS",
    )
