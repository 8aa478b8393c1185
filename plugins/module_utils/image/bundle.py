# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures by a key in Sigstore bundles: what ``cosign sign`` makes since version 3.

A bundle is the one layer of an artifact that refers to the image's manifest (cosign specs/BUNDLE_SPEC.md). In it lies
a DSSE envelope around an in-toto statement: the digests it is about, and what it says of them. A signature says no
more than "signed"; attestations (of origin, contents, …) come in the same form and are no signatures.
"""

from __future__ import annotations

import base64
import binascii
import json

from .errors import NotInRegistry
from .reference import check_digest
from .referrers import referrers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .registry import Registry

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
SIGNED = "https://sigstore.dev/cosign/sign/v1"
PREDICATE_ANNOTATION = "dev.sigstore.bundle.predicateType"

MAX_BUNDLES = 64  # more than anybody makes; a registry must not keep us busy for ever


def envelopes(registry: Registry, digest: str) -> Iterator[tuple[bytes, bytes, dict[str, Any]]]:
    """(signed bytes, signature, statement) of all signatures in bundles for the manifest *digest*. Raises ImageError.

    Nothing of it is verified. What is no bundle, or holds an attestation, is left out.
    """
    listed = referrers(registry, digest, BUNDLE_TYPE)
    # Where it is told what a bundle is about, that of attestations need not be fetched; not every registry keeps it.
    likely = [item for item in listed if _predicate(item) in ("", SIGNED)]
    for item in likely[:MAX_BUNDLES]:
        try:
            manifest = registry.manifest(check_digest(str(item.get("digest")), str(registry.reference)))
            layers = manifest.document.get("layers", [])
            if len(layers) != 1 or layers[0].get("mediaType") != BUNDLE_TYPE:
                continue
            raw = registry.small_blob(layers[0])
        except NotInRegistry:  # the index of a tag may list what was removed
            continue
        yield from read(raw)


def _predicate(item: dict[str, Any]) -> str:
    annotations = item.get("annotations")
    return str(annotations.get(PREDICATE_ANNOTATION) or "") if isinstance(annotations, dict) else ""


def read(raw: bytes) -> Iterator[tuple[bytes, bytes, dict[str, Any]]]:
    """The same of one bundle."""
    try:
        envelope = json.loads(raw)["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        statement = json.loads(payload)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
        about_images = envelope["payloadType"] == PAYLOAD_TYPE and statement["_type"] in STATEMENTS
        signed = about_images and statement["predicateType"] == SIGNED
    except (ValueError, KeyError, TypeError, binascii.Error):
        return
    if signed:
        yield from ((authenticated(payload), signature, statement) for signature in signatures[:MAX_BUNDLES])


def authenticated(payload: bytes) -> bytes:
    """What a signature in an envelope is of (DSSE, "pre-authentication encoding")."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def fault_of(statement: dict[str, Any], digest: str, identity: str) -> str:
    """What is wrong with the *statement* of a good signature for *digest*; "" when nothing is.

    *identity* is the repository that the task itself names. A statement names none: it is of the digest alone.
    """
    algorithm, _colon, digits = digest.partition(":")
    subjects = statement.get("subject")
    named = [
        str(item["digest"].get(algorithm))
        for item in (subjects if isinstance(subjects, list) else ())
        if isinstance(item, dict) and isinstance(item.get("digest"), dict)
    ]
    if digits not in named:
        return f"its cosign signature is for another image, {algorithm}:{named[0] if named else '…'}"
    if identity:
        return f"its cosign signature is in a bundle, which names no repository, and verify.identity wants {identity}"
    return ""
