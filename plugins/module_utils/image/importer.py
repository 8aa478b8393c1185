# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image made here, of a directory or a tarball: one layer, one config, the same bytes for the same input.

Whether a large directory is still what the image was made of is told by a fingerprint of everything that lstat(2)
shows, inode numbers and change times included: nothing can write to a file without moving its change time. If it
differs, the layer is made anew, into a hash only, and compared; so neither a ``touch`` nor a copy of the directory
counts as a change.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time

from . import imports, inflate, media, tarwrite
from .blobfile import BlobFile
from .digest import canonical, digest_of
from .errors import ImageError
from .manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .request import ImageRequest
    from .store import Image, Store


class Prepared:
    """An import that has been looked at.

    image_id  what the image's id will be; "" when it was not needed to know (nothing is there to compare with)
    digest    its manifest's digest, where the same image is here already, else ""
    """

    __slots__ = ("_config", "_diff_id", "_fingerprint", "_path", "_platform", "_recorded", "digest", "image_id")

    def __init__(self, request: ImageRequest, store: Store, image: Image | None) -> None:
        from .request import wanted_platform

        source = request.source or {}
        self._path = os.fsencode(str(source.get("rootfs") or source["path"]))
        self._platform = wanted_platform(request)
        self._config = config_section(source.get("config") or {})
        self.image_id = self.digest = self._diff_id = ""
        self._fingerprint = fingerprint(self._path)
        record = imports.read_record(store, os.path.abspath(self._path), "diff_id")
        self._recorded = record.get("fingerprint") == self._fingerprint[0]
        if request.force or image is None:
            return
        if self._recorded:
            self._diff_id = str(record["diff_id"])
        else:
            self._diff_id = diff_id_of(self._path)
        self.image_id = digest_of(self._config_document(self._diff_id))
        if self.image_id == image.id:
            self.digest = image.digest

    def _config_document(self, diff_id: str) -> bytes:
        document: dict[str, Any] = {"architecture": self._platform.architecture, "os": self._platform.os}
        if self._platform.variant:
            document["variant"] = self._platform.variant
        newest = self._fingerprint[2]
        if newest is not None:
            document["created"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest))
        document["config"] = self._config
        document["rootfs"] = {"type": "layers", "diff_ids": [diff_id]}
        return canonical(document)

    def store(self, store: Store, name: str) -> Image:
        """Make the image, unpack it, and name it *name* (full form). The caller holds the store's lock, shared."""
        from .pull import bring_layers, layer_tasks

        digest, size, diff_id, media_type = _write_layer(store, self._path)
        self._diff_id = diff_id
        raw_config = self._config_document(diff_id)
        manifest = Manifest.of_image(raw_config, [{"mediaType": media_type, "digest": digest, "size": size}])
        bring_layers(store, None, layer_tasks(store, manifest.document, json.loads(raw_config), name), name, None)
        return store.add(manifest, raw_config, [name])

    def remember(self, store: Store) -> None:
        """Record the fingerprint, so that the next run need not read the files."""
        if self._recorded or not self._diff_id or not imports.is_settled(self._fingerprint[1]):
            return
        record = {"fingerprint": self._fingerprint[0], "diff_id": self._diff_id}
        imports.write_record(store, os.path.abspath(self._path), record)

    def close(self) -> None:
        """Nothing is held open between the plan and its execution."""


def prepare(request: ImageRequest, store: Store, image: Image | None) -> Prepared:
    """Look at the source of *request*; *image* is what its name means now. Changes nothing. Raises ImageError."""
    return Prepared(request, store, image)


def config_section(options: dict[str, Any]) -> dict[str, Any]:
    """image-spec's ``config`` of the module's options. Raises ImageError for values that are no strings."""
    section: dict[str, Any] = {}
    if options.get("command"):
        section["Cmd"] = list(options["command"])
    if options.get("entrypoint"):
        section["Entrypoint"] = list(options["entrypoint"])
    if options.get("env"):
        section["Env"] = [f"{key}={value}" for key, value in sorted(_strings(options["env"], "env").items())]
    if options.get("exposed_ports"):
        section["ExposedPorts"] = {_port(str(port)): {} for port in options["exposed_ports"]}
    if options.get("labels"):
        section["Labels"] = _strings(options["labels"], "labels")
    if options.get("user"):
        section["User"] = options["user"]
    if options.get("volumes"):
        section["Volumes"] = {_absolute(str(path), "volumes"): {} for path in options["volumes"]}
    directory = options.get("working_dir")
    if directory:
        section["WorkingDir"] = _absolute(directory, "working_dir")
    return section


def _absolute(path: str, option: str) -> str:
    if not path.startswith("/"):
        raise ImageError(f"{option} '{path}' is no absolute path", step="options", hint="Start it with a slash")
    return path


def _strings(values: dict[str, Any], option: str) -> dict[str, str]:
    for key, value in values.items():
        if not isinstance(value, str) or not str(key):
            raise ImageError(
                f"the value of {key} in {option} is no string but {value!r}",
                step="options",
                hint="Put it in quotes, so that YAML does not change how it is written",
            )
        if option == "env" and "=" in str(key):
            raise ImageError(f"the name {key} in env has an equals sign", step="options", hint="Remove it")
    return {str(key): value for key, value in values.items()}


def _port(text: str) -> str:
    number, _slash, protocol = text.partition("/")
    protocol = protocol or "tcp"
    if not number.isdigit() or not 0 < int(number) < 65536 or protocol not in ("tcp", "udp", "sctp"):
        raise ImageError(f"'{text}' in exposed_ports is no port", step="options", hint="Write 6379, 6379/tcp or 53/udp")
    return f"{int(number)}/{protocol}"


def fingerprint(path: bytes) -> tuple[str, float, int | None]:
    """(hash of all that lstat shows, newest change time, newest modification time or None for a tarball)."""
    status = os.stat(path)
    if not stat.S_ISDIR(status.st_mode):
        return imports.file_fingerprint(status), status.st_ctime, None
    hasher = hashlib.sha256()
    newest_change = newest = 0.0
    for node in tarwrite.walk(path):
        status = node.status
        line = (
            f"{status.st_mode} {status.st_uid} {status.st_gid} {status.st_size} {status.st_mtime_ns}"
            f" {status.st_ctime_ns}"
            f" {status.st_dev} {status.st_ino} {status.st_rdev}\0"
        )
        hasher.update(node.path + b"\0" + node.target + b"\0" + node.link + b"\0" + line.encode())
        newest_change = max(newest_change, status.st_ctime)
        newest = max(newest, status.st_mtime)
    return hasher.hexdigest(), newest_change, int(newest)


def diff_id_of(path: bytes) -> str:
    """The diff id of the layer that *path* makes; nothing is written."""
    hasher = hashlib.sha256()
    for chunk in _uncompressed(path):
        hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def _uncompressed(path: bytes) -> Iterator[bytes]:
    if os.path.isdir(path):
        yield from tarwrite.stream(path)
        return
    blob = BlobFile(os.fsdecode(path), os.stat(path).st_size)
    try:
        yield from inflate.inflated(blob, _compression(path))
    except inflate.Damaged as error:
        raise ImageError(
            f"cannot import {os.fsdecode(path)}: {error}", step="import", obj=os.fsdecode(path), hint="Make it again"
        ) from error
    finally:
        blob.close()


def _compression(path: bytes) -> str:
    """Of the tarball *path*. Raises ImageError for what is none."""
    from .source import compression_of

    with open(path, "rb") as file:
        return compression_of(os.fsdecode(path), file.read(512))


def _write_layer(store: Store, path: bytes) -> tuple[str, int, str, str]:
    """Store the layer of *path* as a blob: (digest, size, diff id, media type)."""
    from . import deflate
    from .blobs import store_pieces

    content = hashlib.sha256()

    def hashed(chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            content.update(chunk)
            yield chunk

    packed = "gzip"
    if os.path.isdir(path):
        pieces = deflate.gzipped(hashed(tarwrite.stream(path)))
    else:
        compression = _compression(path)
        if compression == "tar":
            pieces = deflate.gzipped(hashed(_uncompressed(path)))
        else:  # a compressed archive is a layer's blob as it stands
            for _chunk in hashed(_uncompressed(path)):
                pass
            pieces = _file(path)
            packed = compression
    digest, size = store_pieces(store, pieces)
    return digest, size, f"sha256:{content.hexdigest()}", media.layer_type(packed)


def _file(path: bytes) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while True:
            chunk = file.read(1 << 20)
            if not chunk:
                return
            yield chunk
