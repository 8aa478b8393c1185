# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of pulls and pushes share: images in a registry, put there byte by byte, and a task's work."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
import urllib.error
import urllib.request

from ansible_collections.agentless.oci.plugins.module_utils.image import media
from ansible_collections.agentless.oci.plugins.module_utils.image.auth import Access
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from oci_layout import member

ARCHITECTURE = media.host_platform(platform.machine()).architecture
HERE = {"os": "linux", "architecture": ARCHITECTURE}
OTHER = {"os": "linux", "architecture": "s390x"}


def digest_of(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Raw:
    """A plain registry, spoken to without any of the code that is tested."""

    def __init__(self, address, headers=None):
        self.url = f"http://{address}"
        self.headers = headers or {}

    def _ask(self, method, url, data=None, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data=data, method=method, headers={**self.headers, **sent})
        return urllib.request.urlopen(request, timeout=120)

    def blob(self, repository, data, media_type, algorithm="sha256", **more):
        """Upload *data*; its descriptor."""
        digest = digest_of(data, algorithm)
        location = self._ask("POST", f"{self.url}/v2/{repository}/blobs/uploads/", b"").headers["Location"]
        separator = "&" if "?" in location else "?"
        self._ask("PUT", f"{location}{separator}digest={digest}", data, Content_Type="application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def manifest(self, repository, document, tag=""):
        """Upload a manifest or index; its descriptor."""
        raw = json.dumps(document).encode()
        digest = digest_of(raw)
        url = f"{self.url}/v2/{repository}/manifests/{tag or digest}"
        self._ask("PUT", url, raw, Content_Type=document["mediaType"])
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(raw)}

    def has(self, repository, what):
        try:
            return self._ask("HEAD", f"{self.url}/v2/{repository}/{what}", Accept=media.ACCEPT).status == 200
        except urllib.error.HTTPError:
            return False

    def image(self, repository, layers, tag="", *, where=None, algorithm="sha256", config=None, level=6):
        """An image of *layers*, each a list of oci_layout members; the descriptor of its manifest."""
        where = where or HERE
        descriptors, diff_ids = [], []
        for members in layers:
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as file:
                for info, content in members:
                    file.addfile(info, io.BytesIO(content))
            diff_ids.append(digest_of(buffer.getvalue(), algorithm))
            data = gzip.compress(buffer.getvalue(), level, mtime=0)
            descriptors.append(self.blob(repository, data, media.layer_type("gzip"), algorithm))
        document = {
            "created": "2026-01-01T00:00:00Z",
            **where,
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "config": self.blob(repository, json.dumps(document).encode(), media.OCI_CONFIG, algorithm),
            "layers": descriptors,
        }
        return {**self.manifest(repository, manifest, tag), "platform": where}

    def index(self, repository, descriptors, tag=""):
        document = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": descriptors}
        return self.manifest(repository, document, tag)

    def document(self, repository, digest):
        """What is under a manifest's digest."""
        return json.load(self._ask("GET", f"{self.url}/v2/{repository}/manifests/{digest}", Accept=media.ACCEPT))


def small_layer(name, content=b"content"):
    return [member(name, content=content)]


def task(state_dir, name, *, check=False, access=None, **options):
    """The Plan and the image after what a task with these options does; *access* are Access's arguments."""
    store = Store(StateDir(str(state_dir)))
    made = plan(ImageRequest(name, access=Access(**(access or {})), **options), store)
    try:
        image = made.image if check else apply(made, store)
    finally:
        made.close()
    return made, image


def pull(state_dir, name, **options):
    return task(state_dir, name, **options)[1]
