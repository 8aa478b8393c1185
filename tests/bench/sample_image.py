# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and a bundle to measure with, made without the code that is measured; skopeo pushes them.

The big image has the shape of a real one: 6 layers of unequal size, files from some bytes to some megabytes in nested
directories, content that gzip packs to a quarter. The same call makes the same image on every machine.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import math
import multiprocessing
import os
import platform
import random
import shutil
import subprocess
import tarfile
import zlib

SHARES = (0.34, 0.23, 0.16, 0.12, 0.09, 0.06)  # of the image, by layer
FILES = 50_000
BYTES = 840_000_000
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Sample:
    """A pushed image: its ``layout`` on disk, the paths of its ``layers``' blobs, base first, and its size in words."""

    def __init__(self, layout: str, layers: list[str], text: str) -> None:
        self.layout = layout
        self.layers = layers
        self.text = text


def push_big(directory: str, name: str, scale: float = 1.0) -> Sample:
    """Push an image of *scale* times FILES and BYTES to *name*; its OCI layout stays in *directory*."""
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)
    jobs = [
        (blobs, number, round(FILES * share * scale), round(BYTES * share * scale))
        for number, share in enumerate(SHARES)
    ]
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        layers = pool.starmap(_make_layer, jobs, chunksize=1)
    _push(directory, name, layers)
    packed = sum(size for _digest, size, _diff_id in layers) / 1e6
    text = f"{len(layers)} layers, {packed:.0f} MB, unpacked {BYTES * scale / 1e6:.0f} MB, {FILES * scale:,.0f} files"
    return Sample(directory, [os.path.join(blobs, digest) for digest, _size, _diff_id in layers], text)


def push_rootfs(directory: str, rootfs: str, name: str) -> None:
    """Push *rootfs* as an image of one layer to *name*."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(rootfs, arcname=".")
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)
    packed = gzip.compress(stream.getvalue(), 6)
    diff_id = "sha256:" + hashlib.sha256(stream.getvalue()).hexdigest()
    _push(directory, name, [(_add(blobs, packed), len(packed), diff_id)])
    shutil.rmtree(directory)


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


class _Gzip:
    """A file of a gzipped tar; knows both digests in the end."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "wb")  # noqa: SIM115 - closed by finish
        self.packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        self.packed = hashlib.sha256()
        self.plain = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.plain.update(data)
        self._put(self.packer.compress(data))
        return len(data)

    def _put(self, data: bytes) -> None:
        self.packed.update(data)
        self.size += len(data)
        self.file.write(data)

    def finish(self) -> None:
        self._put(self.packer.flush())
        self.file.close()


def _make_layer(blobs: str, number: int, files: int, total: int) -> tuple[str, int, str]:
    """Layer *number* into *blobs*: (digest in hex, packed size, diff id)."""
    source = random.Random(number)
    content = _content(source)
    weights = [source.lognormvariate(0, 1.8) for _file in range(files)]
    factor = (total - 1024 * files) / sum(weights)  # what headers and padding take
    path = os.path.join(blobs, f"new-{number}")
    stream = _Gzip(path)
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 18) as archive:  # type: ignore[call-overload]
        directory = ""
        for index in range(files):
            if index % 12 == 0:
                directory = f"usr/share/layer{number}/part{index // 600}/some-directory-{index // 12}"
                for depth in range(1 if index == 0 else 4 if index % 600 == 0 else 5, 6):
                    _add_member(archive, "/".join(directory.split("/")[:depth]), tarfile.DIRTYPE, 0o755)
            size = int(weights[index] * factor)
            start = source.randrange(len(content) // 2)
            data = content[start : start + size]
            while len(data) < size:
                data += content[: size - len(data)]
            _add_member(archive, f"{directory}/file-number-{index}.py", tarfile.REGTYPE, 0o644, data)
            if index % 40 == 0:
                _add_member(
                    archive, f"{directory}/link-{index}", tarfile.SYMTYPE, 0o777, link=f"file-number-{index}.py"
                )
    stream.finish()
    digest = stream.packed.hexdigest()
    os.rename(path, os.path.join(blobs, digest))
    return digest, stream.size, f"sha256:{stream.plain.hexdigest()}"


def _add_member(archive: tarfile.TarFile, name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.linkname, member.mtime = kind, mode, len(data), link, 1_700_000_000
    archive.addfile(member, io.BytesIO(data))


def _content(source: random.Random) -> bytes:
    """8 MB that gzip packs about as it packs programs and texts: words and phrases, some much more frequent."""
    words = [source.randbytes(source.randint(2, 12)) for _word in range(3000)]
    phrases = [b"".join(_some(source, words, source.randint(2, 8))) for _phrase in range(3000)]
    pieces = [b"".join(pair) for pair in zip(_some(source, phrases, 200_000), _some(source, words, 200_000))]
    return b"".join(pieces)[:8_000_000]


def _some(source: random.Random, values: list[bytes], count: int) -> list[bytes]:
    """*count* of *values*, the n-th in proportion to 1/n."""
    sums = list(itertools.accumulate(1 / math.pow(rank, 1.0) for rank in range(1, len(values) + 1)))
    return source.choices(values, cum_weights=sums, k=count)


def _add(blobs: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    with open(os.path.join(blobs, digest), "wb") as file:
        file.write(content)
    return digest


def _push(directory: str, name: str, layers: list[tuple[str, int, str]]) -> None:
    """Complete the OCI layout *directory*, whose blobs (digest, size, diff id) are there, and push it."""
    blobs = os.path.join(directory, "blobs", "sha256")

    def add_json(content: object, media_type: str) -> dict[str, object]:
        raw = json.dumps(content).encode()
        return {"mediaType": media_type, "digest": f"sha256:{_add(blobs, raw)}", "size": len(raw)}

    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Cmd": ["sleep", "infinity"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _digest, _size, diff_id in layers]},
    }
    layer_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add_json(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [
            {"mediaType": layer_type, "digest": f"sha256:{digest}", "size": size} for digest, size, _diff_id in layers
        ],
    }
    index = {"schemaVersion": 2, "manifests": [add_json(manifest, "application/vnd.oci.image.manifest.v1+json")]}
    for file_name, content in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(directory, file_name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    subprocess.run(
        ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{directory}", f"docker://{name}"], check=True
    )
