# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and a bundle to measure with, made without the code that is measured; skopeo pushes them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import random
import shutil
import subprocess
import tarfile

LAYERS = 6
FILES = 2500  # in each layer
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def push_big(directory: str, name: str) -> str:
    """Push an image of some size to *name*; returns its size in words."""
    layers = [_layer(seed) for seed in range(LAYERS)]
    _push(directory, name, layers)
    packed = sum(len(layer) for layer in layers) / 1e6
    return f"{LAYERS} layers, {packed:.0f} MB, {LAYERS * FILES} files"


def push_rootfs(directory: str, rootfs: str, name: str) -> None:
    """Push *rootfs* as an image of one layer to *name*."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(rootfs, arcname=".")
    _push(directory, name, [gzip.compress(stream.getvalue(), 6)])


def bundle(directory: str, rootfs: str) -> str:
    """A bundle that runs ``true`` of *rootfs*, by runc's own template."""
    os.makedirs(directory)
    subprocess.run(["runc", "spec"], cwd=directory, check=True)
    path = os.path.join(directory, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["process"]["args"], config["process"]["terminal"] = ["true"], False
    config["root"]["path"] = rootfs
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    return directory


def _layer(seed: int) -> bytes:
    """A gzipped tar of many small files and a few large ones, that packs as programs do: to about a third."""
    source = random.Random(seed)
    words = [source.randbytes(6) for _word in range(4096)]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number in range(FILES):
            length = 2_000_000 if number % 250 == 0 else source.randrange(200, 16_000)
            content = b"".join(source.choices(words, k=length // 6))
            member = tarfile.TarInfo(f"opt/layer{seed}/{number % 50}/file{number}")
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), 6, mtime=0)


def _push(directory: str, name: str, layers: list[bytes]) -> None:
    """Lay out an OCI image of the gzipped *layers* in *directory*, push it, remove it."""
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)

    def add(content: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as file:
            file.write(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def add_json(content: object, media_type: str) -> dict[str, object]:
        return add(json.dumps(content).encode(), media_type)

    diff_ids = ["sha256:" + hashlib.sha256(gzip.decompress(layer)).hexdigest() for layer in layers]
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Cmd": ["sleep", "infinity"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add_json(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [add(layer, "application/vnd.oci.image.layer.v1.tar+gzip") for layer in layers],
    }
    index = {"schemaVersion": 2, "manifests": [add_json(manifest, "application/vnd.oci.image.manifest.v1+json")]}
    for file_name, content in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(directory, file_name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    subprocess.run(
        ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{directory}", f"docker://{name}"], check=True
    )
    shutil.rmtree(directory)
