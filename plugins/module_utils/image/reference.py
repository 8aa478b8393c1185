# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references as users write them, and what they mean in full.

The grammar is that of the distribution project's ``reference`` package, which every engine follows:
``[HOST[:PORT]/]PATH[:TAG][@DIGEST]``. A first component that has a dot, a colon or an upper-case letter, or is
``localhost``, is a host; else the host is ``docker.io``, whose one-component paths lie below ``library/``.
"""

from __future__ import annotations

import re

from .errors import ImageError

DEFAULT_HOST = "docker.io"
DEFAULT_TAG = "latest"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:.]+\])(?::([0-9]{{1,5}}))?\Z")
_PATH_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")
_IMAGE_ID = re.compile(r"(?:(?:sha256:)?[0-9a-f]{64}|(?:sha512:)?[0-9a-f]{128})\Z")
_SHORT_ID = re.compile(r"[0-9a-f]{12,127}\Z")

MAX_PATH = 255


class Reference:
    """One normalised reference.

    host    registry as named by the user (``docker.io``, ``localhost:5000``), not yet where to connect to
    path    repository below it (``library/redis``)
    tag     tag, or "" when only a digest was given
    digest  ``sha256:…`` or ""
    """

    __slots__ = ("digest", "host", "path", "tag")

    def __init__(self, host: str, path: str, tag: str = "", digest: str = "") -> None:
        self.host = host
        self.path = path
        self.tag = tag
        self.digest = digest

    @property
    def repository(self) -> str:
        """Host and path, the part in front of tag and digest."""
        return f"{self.host}/{self.path}"

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest if there is one, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        """The full name, equal for equal images; a digest makes the tag meaningless, so it is left out."""
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"

    def __repr__(self) -> str:
        return f"Reference({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def is_image_id(text: str) -> bool:
    """Whether *text* is a whole image id: all hexadecimal digits of a digest, ``sha256:`` in front or not."""
    return bool(_IMAGE_ID.match(text))


def is_short_id(text: str) -> bool:
    """Whether *text* may be the first 12 or more digits of an image id."""
    return bool(_SHORT_ID.match(text))


def check_digest(text: str, obj: str = "") -> str:
    """*text* if it is a digest we can verify, else ImageError."""
    if not _DIGEST.match(text):
        raise _malformed(obj or text, f"'{text}' is no digest", "Write sha256: and 64 hexadecimal digits in lower case")
    return text


def parse(text: str) -> Reference:
    """The Reference that *text* means. Raises ImageError that names the wrong part."""
    if not isinstance(text, str) or not text:
        raise _malformed(
            str(text or ""), "it is empty", "Write a name such as redis:7 or registry.example.com/shop/redis:7"
        )
    if text != text.strip() or any(character.isspace() for character in text):
        raise _malformed(text, "it contains white space", "Remove it")
    if "://" in text:
        raise _malformed(text, "it starts with a protocol", f"Write it without: {text.partition('://')[2]}")
    if is_image_id(text):
        raise _malformed(
            text, "it is an image id, not a name", "Write the name of a repository in front: NAME@sha256:…"
        )
    rest, at, digest = text.partition("@")
    if at:
        check_digest(digest, text)
    host, path = _split_host(rest)
    tag = ""
    head, colon, tail = path.rpartition(":")
    if colon:
        path, tag = head, tail
        if not _TAG.match(tag):
            raise _malformed(
                text,
                f"the tag '{tag}' is not allowed",
                "A tag has 1 to 128 letters, digits, '_', '.' or '-', and starts with none of the last two",
            )
    _check_path(text, path)
    if host == "index.docker.io":
        host = DEFAULT_HOST
    if host == DEFAULT_HOST and "/" not in path:
        path = f"library/{path}"
    if not tag and not digest:
        tag = DEFAULT_TAG
    return Reference(host, path, tag, digest)


def normalise(text: str) -> str:
    """The full name for *text*: ``redis`` → ``docker.io/library/redis:latest``."""
    return str(parse(text))


def _split_host(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    names_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not names_host:
        return DEFAULT_HOST, text
    match = _HOST.match(first)
    if not match:
        raise _malformed(text, f"'{first}' is no host name", "Write HOST or HOST:PORT before the first '/'")
    if match.group(1) and not 0 < int(match.group(1)) < 65536:
        raise _malformed(text, f"there is no port {match.group(1)}", "A port is a number from 1 to 65535")
    return first, rest


def _check_path(text: str, path: str) -> None:
    if not path:
        raise _malformed(text, "the repository's name is missing", "Write HOST/REPOSITORY:TAG")
    if len(path) > MAX_PATH:
        raise _malformed(text, f"the repository's name is longer than {MAX_PATH} characters", "Shorten it")
    for component in path.split("/"):
        if _PATH_COMPONENT.match(component):
            continue
        if component != component.lower():
            raise _malformed(
                text, f"'{component}' has upper-case letters", f"Write it in lower case: {component.lower()}"
            )
        reason = f"'{component}' is not allowed in a repository's name" if component else "a part of the name is empty"
        raise _malformed(text, reason, "Use lower-case letters and digits, separated by '.', '_', '__' or '-'")


def _malformed(text: str, reason: str, hint: str) -> ImageError:
    return ImageError(f"'{text}' is not a valid image reference: {reason}", step="reference", obj=text, hint=hint)
