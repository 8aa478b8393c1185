# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where archives are put: an OCI image layout directory that may hold other images too, and files that are replaced.

Into a layout images are added as other tools do it: a name that is there moves, other names and all blobs stay.
"""

from __future__ import annotations

import contextlib
import json
import os

from . import media
from .errors import ImageError
from .source import OCI
from .stored import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .save import Part


def check_place(path: str, kind: str) -> None:
    """Raise ImageError unless an archive of *kind* may be put at *path*: never in the place of something else."""
    directory = path if kind == OCI and os.path.isdir(path) else os.path.dirname(path)
    why = ""
    if not os.path.isdir(directory):
        why, hint = f"there is no directory {directory}", "Make it first"
    elif kind != OCI and os.path.exists(path) and not os.path.isfile(path):
        why, hint = "it is no regular file", "Give another path, or the format oci for a directory"
    elif kind == OCI and os.path.exists(path) and not os.path.isdir(path):
        why, hint = "it is no directory", "Give another path, or another format"
    elif kind == OCI and os.path.isdir(path) and os.listdir(path) and not os.path.exists(f"{path}/oci-layout"):
        why, hint = "the directory is neither empty nor an OCI image layout", "Give another path"
    if why:
        raise ImageError(f"cannot write the archive {path}: {why}", step="archive", obj=path, hint=hint)


@contextlib.contextmanager
def replacing(path: str) -> Iterator[int]:
    """A descriptor of what becomes the file *path* in one step when the block ends well; mode and owner stay."""
    from ..kernel.files import fsync_directory

    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        yield fd
        with contextlib.suppress(FileNotFoundError):
            before = os.stat(path)
            os.fchown(fd, before.st_uid, before.st_gid)
            os.fchmod(fd, before.st_mode & 0o7777)
        os.fsync(fd)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    fsync_directory(directory)


def is_written(path: str, parts: Sequence[Part]) -> bool:
    """Whether the layout *path* has all *parts*, and index.json's entries. Raises ImageError, OSError."""
    from .digest import algorithm_of, digest_of_file

    for part in parts:
        full = os.path.join(path, part.name)
        if part.name == "index.json":
            descriptors = _index(path)["manifests"]
            if any(entry not in descriptors for entry in json.loads(part.data)["manifests"]):
                return False
            if _merged(descriptors, json.loads(part.data)["manifests"]) != descriptors:
                return False
        elif part.blob:
            if not os.path.isfile(full) or os.stat(full).st_size != part.size:
                return False
            if digest_of_file(full, algorithm_of(part.digest)) != part.digest:
                return False
        elif not os.path.exists(full):
            return False
    return True


def write(path: str, parts: Sequence[Part]) -> None:
    """Add *parts* to the layout *path*, made when missing; index.json last. Raises ImageError, OSError."""
    from ..kernel.files import write_all
    from .digest import algorithm_of, canonical, digest_of_file
    from .save import content_of

    os.makedirs(path, exist_ok=True)
    for part in sorted(parts, key=lambda part: (part.name == "index.json", bool(part.blob))):
        full = os.path.join(path, part.name)
        if part.name.endswith("/"):
            os.makedirs(full, exist_ok=True)
        elif part.name == "index.json":
            index = _index(path)
            index["manifests"] = _merged(index["manifests"], json.loads(part.data)["manifests"])
            with replacing(full) as fd:
                write_all(fd, canonical(index))
        elif part.blob or not os.path.exists(full):
            if os.path.isfile(full) and digest_of_file(full, algorithm_of(part.digest)) == part.digest:
                continue
            with replacing(full) as fd:
                for chunk in content_of(part):
                    write_all(fd, chunk)


def _index(path: str) -> dict[str, Any]:
    """index.json of the layout, an empty one when missing. Raises ImageError for a damaged one."""
    from ..kernel.files import read_bytes

    full = os.path.join(path, "index.json")
    try:
        index = json.loads(read_bytes(full))
        if all(isinstance(entry["digest"], str) for entry in index["manifests"]):
            return dict(index)
    except FileNotFoundError:
        return {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": []}
    except (ValueError, KeyError, TypeError):
        pass
    raise ImageError(
        f"{full} is not a valid OCI image index", step="archive", obj=full, hint="Remove the directory, or give another"
    )


def _merged(descriptors: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*descriptors* with *wanted* in them: an entry of the same name is replaced where it stands."""
    merged = list(descriptors)
    for entry in wanted:
        name = name_of(entry)
        places = [i for i, other in enumerate(merged) if (name_of(other) == name if name else other == entry)]
        if places:
            merged[places[0]] = entry
            for place in reversed(places[1:]):
                del merged[place]
        else:
            merged.append(entry)
    return merged
