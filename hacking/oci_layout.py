# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI image layouts made by Python's own tarfile, for tests: what the code that is tested must understand."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pathlib
import tarfile
from typing import Any

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: Any) -> Member:
    """One member of a layer; *fields* are TarInfo's."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.mtime = 1_600_000_000
    for key, value in fields.items():
        setattr(info, key, value)
    info.size = len(content)
    return info, content


def directory(name: str, **fields: Any) -> Member:
    return member(name, tarfile.DIRTYPE, **fields)


def members_of(rootfs: str) -> list[Member]:
    """A directory's content as a layer's members."""
    found: list[Member] = []
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as archive:
        for path in sorted(pathlib.Path(rootfs).rglob("*")):
            info = archive.gettarinfo(str(path), str(path.relative_to(rootfs)))
            found.append((info, path.read_bytes() if info.isreg() else b""))
    return found


def write_layout(
    path: pathlib.Path,
    layers: list[list[Member]],
    architecture: str = "amd64",
    settings: dict[str, Any] | None = None,
    tar_format: int = tarfile.PAX_FORMAT,
) -> None:
    """An OCI layout of *layers* with the tag ``test``; *settings* are the config's own (Cmd, Volumes …)."""
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(media_type: str, data: bytes) -> dict[str, Any]:
        digits = hashlib.sha256(data).hexdigest()
        (blobs / digits).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digits}", "size": len(data)}

    descriptors: list[dict[str, Any]] = []
    diff_ids: list[str] = []
    for members in layers:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tar_format, errors="surrogateescape") as file:
            for info, content in members:
                file.addfile(info, io.BytesIO(content))
        diff_ids.append(f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()}")
        descriptors.append(blob("layer.v1.tar+gzip", gzip.compress(buffer.getvalue(), mtime=0)))
    config: dict[str, Any] = {
        "architecture": architecture,
        "os": "linux",
        "config": settings or {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "a test"} for _layer in layers],
    }
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", json.dumps(config).encode()),
        "layers": descriptors,
    }
    descriptor = blob("manifest.v1+json", json.dumps(manifest).encode())
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": "test"}
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
