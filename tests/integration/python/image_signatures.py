# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of signatures share: cosign's formats, made by ``cryptography``, put into a registry by plain HTTP."""

from __future__ import annotations

import base64
import hashlib
import json

import requests
from ansible_collections.agentless.oci.plugins.module_utils.image import signature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def digest_of(raw):
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def public(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def raw_signature(key, payload):
    """As cosign signs with a key of this kind."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(payload, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(payload)


def payload_of(digest, repository, kind="cosign container image signature"):
    critical = {
        "identity": {"docker-reference": repository},
        "image": {"docker-manifest-digest": digest},
        "type": kind,
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


class Repository:
    """One repository of the registry: images and signatures are put into it by plain HTTP."""

    def __init__(self, address, path):
        self.name = f"{address}/{path}"
        self.url = f"http://{address}/v2/{path}"

    def put_blob(self, raw):
        started = requests.post(f"{self.url}/blobs/uploads/", timeout=120)
        where = started.headers["Location"]
        where += ("&" if "?" in where else "?") + f"digest={digest_of(raw)}"
        requests.put(where, data=raw, timeout=120).raise_for_status()
        return {"digest": digest_of(raw), "size": len(raw)}

    def put_manifest(self, document, tag, media_type=MANIFEST):
        raw = json.dumps({"schemaVersion": 2, "mediaType": media_type, **document}).encode()
        headers = {"Content-Type": media_type}
        requests.put(f"{self.url}/manifests/{tag}", data=raw, headers=headers, timeout=120).raise_for_status()
        return digest_of(raw)

    def put_signatures(self, digest, entries, layer_type=signature.PAYLOAD_TYPE):
        """*entries*: (payload, signature) …, as one signature manifest of *digest*."""
        layers = [
            {
                "mediaType": layer_type,
                **self.put_blob(payload),
                "annotations": {signature.ANNOTATION: base64.b64encode(signed).decode()},
            }
            for payload, signed in entries
        ]
        config = {"mediaType": CONFIG, **self.put_blob(b"{}")}
        self.put_manifest({"config": config, "layers": layers}, digest.replace(":", "-") + ".sig")

    def sign(self, digest, key, /, **changed):
        payload = payload_of(changed.pop("digest", digest), changed.pop("repository", self.name), **changed)
        self.put_signatures(digest, [(payload, raw_signature(key, payload))])

    def gets(self, log, since):
        """What was asked of this repository since that place in the registry's log."""
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(since)
            return [line for line in file if self.url.partition("/v2/")[2] in line]
