# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as `docker save` writes them, made by Python's own tarfile: what the code that is tested must understand."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pathlib
import tarfile
from collections.abc import Callable
from typing import Any

from oci_layout import Member, directory, member

NAME = "registry.example.com/tests/odd:1"

LAYERS = [[directory("etc"), member("etc/a", content=b"a" * 3000)], [member("etc/b", content=b"b")]]


def tar_of(path: str | pathlib.Path, *members: Member) -> str:
    """Write a tar archive of *members* to *path*."""
    with tarfile.open(path, "w") as file:
        for info, content in members:
            file.addfile(info, io.BytesIO(content))
    return str(path)


def write_archive(
    path: str | pathlib.Path,
    change: Callable[[dict[str, Any], dict[str, Any]], object] = lambda manifest, config: None,
) -> str:
    """An archive of docker save, of the old form, with LAYERS; *change* may spoil its manifest.json and its config."""
    blobs = []
    for members in LAYERS:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as file:
            for info, content in members:
                file.addfile(info, io.BytesIO(content))
        blobs.append(buffer.getvalue())
    diff_ids = [f"sha256:{hashlib.sha256(blob).hexdigest()}" for blob in blobs]
    config: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest: dict[str, Any] = {
        "Config": "",
        "RepoTags": ["x:1"],
        "Layers": [f"{number:064x}/layer.tar" for number in range(len(blobs))],
    }
    change(manifest, config)
    raw = json.dumps(config).encode()
    manifest["Config"] = manifest["Config"] or f"{hashlib.sha256(raw).hexdigest()}.json"
    files = [member(f"{number:064x}/layer.tar", content=blob) for number, blob in enumerate(blobs)]
    files.append(member(manifest["Config"], content=raw))
    files.append(member("manifest.json", content=json.dumps([manifest]).encode()))
    return tar_of(path, *files)


def write_packed(
    source: str | pathlib.Path, path: pathlib.Path, change: Callable[[bytes], bytes] = lambda content: content
) -> pathlib.Path:
    """The archive of docker save *source* with its layers compressed, each content changed before."""
    with tarfile.open(source) as given, tarfile.open(path, "w") as made:
        for info in given.getmembers():
            content = _content(given, info.name)
            if info.name.endswith("/layer.tar"):
                content = gzip.compress(change(content))
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


def old_docker(source: str, target: str) -> None:
    """The form of Docker before version 25 (image/spec/v1.2.md), with the link that stands for a repeated layer."""
    with tarfile.open(source) as given, tarfile.open(target, "w") as made:
        [entry] = json.loads(_content(given, "manifest.json"))
        config = _content(given, entry["Config"])
        document = json.loads(config)
        document["rootfs"]["diff_ids"].append(document["rootfs"]["diff_ids"][-1])
        layers: list[str] = []
        for number, name in enumerate([*entry["Layers"], "link"]):
            digits = hashlib.sha256(b"%d" % number).hexdigest()
            layers.append(f"{digits}/layer.tar")
            _add(made, f"{digits}/", kind=tarfile.DIRTYPE)
            _add(made, f"{digits}/VERSION", b"1.0")
            _add(made, f"{digits}/json", json.dumps({"id": digits}).encode())
            if name == "link":
                _add(made, layers[-1], kind=tarfile.SYMTYPE, linkname=f"../{layers[-2]}")
            else:
                _add(made, layers[-1], _content(given, name))
        config = json.dumps(document).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        _add(made, name, config)
        manifest = [{"Config": name, "RepoTags": [NAME], "Layers": layers}]
        _add(made, "manifest.json", json.dumps(manifest).encode())
        _add(made, "repositories", json.dumps({NAME.rpartition(":")[0]: {"1": layers[-1].partition("/")[0]}}).encode())


def new_docker(layout: str, plain: str, target: str) -> None:
    """The form since version 25: an OCI layout whose index names the image as containerd does, and manifest.json."""
    with tarfile.open(plain) as given, tarfile.open(target, "w") as made:
        [entry] = json.loads(_content(given, "manifest.json"))
        index = json.loads(pathlib.Path(layout, "index.json").read_text())
        raw = pathlib.Path(layout, "blobs", *index["manifests"][0]["digest"].split(":")).read_bytes()
        manifest = json.loads(raw)

        def blob(data: bytes) -> dict[str, Any]:
            digest = hashlib.sha256(data).hexdigest()
            _add(made, f"blobs/sha256/{digest}", data)
            return {"digest": f"sha256:{digest}", "size": len(data)}

        manifest["layers"] = [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", **blob(_content(given, name))}
            for name in entry["Layers"]
        ]
        manifest["config"].update(blob(_content(given, entry["Config"])))
        names = {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": "1"}
        descriptor = {**index["manifests"][0], **blob(json.dumps(manifest).encode()), "annotations": names}
        _add(made, "index.json", json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode())
        paths = [f"blobs/{layer['digest'].replace(':', '/')}" for layer in manifest["layers"]]
        config = f"blobs/{manifest['config']['digest'].replace(':', '/')}"
        _add(made, "manifest.json", json.dumps([{"Config": config, "RepoTags": [NAME], "Layers": paths}]).encode())
        _add(made, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


def _add(archive: tarfile.TarFile, name: str, data: bytes = b"", **fields: Any) -> None:
    info, _content = member(name, fields.pop("kind", tarfile.REGTYPE), data, **fields)
    archive.addfile(info, io.BytesIO(data))


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file.read()
