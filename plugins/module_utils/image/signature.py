# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures by a key, as cosign stores them beside an image in its registry.

Up to cosign 2 the signatures of the manifest ``sha256:HEX`` lie under the tag ``sha256-HEX.sig`` of its repository: a
manifest with a layer for each, whose blob is the signed payload and whose annotation is the signature, in base64
(cosign specs/SIGNATURE_SPEC.md). The payload says which digest it is for, and of which repository ("simple signing").
Since cosign 3 they lie in bundles, see :mod:`.bundle`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json

from . import bundle
from .errors import ImageError, NotInRegistry
from .reference import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .registry import Registry

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
KIND = "cosign container image signature"

MAX_SIGNATURES = 64  # more than anybody makes; a registry must not keep us busy for ever
MAX_KEY = 1 << 16
MIN_RSA_BITS = 2048


class Verify:
    """What an image must be signed with.

    pem       the public key, PEM
    identity  repository that the signature must be for; "" for the image's own
    """

    __slots__ = ("identity", "mark", "pem")

    def __init__(self, cosign_public_key: str, identity: str = "") -> None:
        """*cosign_public_key* is PEM, or the path of a file of it. Raises ImageError."""
        self.pem = _read_key(cosign_public_key)
        self.identity = parse(identity).repository if identity else ""
        # By this the store remembers that an image was verified, so that a later run need not ask the registry.
        self.mark = hashlib.sha256(_der(self.pem) + b"\0" + self.identity.encode()).hexdigest()


def _read_key(given: str) -> bytes:
    if "-----BEGIN" in given:
        return given.encode()
    try:
        with open(given, "rb") as file:
            return file.read(MAX_KEY)
    except OSError as error:
        raise ImageError.of(
            error,
            f"cannot read the public key {given}",
            step="signature",
            obj=given,
            hint="Give cosign_public_key the path of a PEM file on the managed host, or its content",
        ) from error


def _der(pem: bytes) -> bytes:
    """The bytes between the lines of a PEM public key. Raises ImageError for anything else."""
    _before, begin, rest = pem.partition(b"-----BEGIN PUBLIC KEY-----")
    body, end, _after = rest.partition(b"-----END PUBLIC KEY-----")
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        der = b""
    if not begin or not end or not der:
        private = b"PRIVATE KEY" in pem
        raise ImageError(
            f"cosign_public_key is {'a private key' if private else 'no PEM public key'}",
            step="signature",
            hint="It starts with '-----BEGIN PUBLIC KEY-----', as cosign writes it into cosign.pub",
        )
    return der


class Key:
    """A public key that signatures are checked by. Raises ImageError when there is nothing to do that with."""

    def __init__(self, verify: Verify) -> None:
        try:
            from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
            from cryptography.hazmat.primitives import hashes, serialization
            from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
        except ImportError as error:
            raise ImageError(
                "a signature cannot be verified: this host's Python has no 'cryptography'",
                step="signature",
                hint="Install python3-cryptography on the managed host; nothing was pulled",
            ) from error
        self._invalid = InvalidSignature
        try:
            key: Any = serialization.load_pem_public_key(verify.pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ImageError(
                f"cosign_public_key is no usable public key: {error}",
                step="signature",
                hint="Give the cosign.pub that belongs to the key the image was signed with",
            ) from error
        self._ways: list[tuple[Any, ...]]
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1"):
            # cosign hashes by SHA-256 whatever the curve is; later versions by what fits the curve.
            self._ways = [(ec.ECDSA(hashes.SHA256()),)]
            if key.curve.name == "secp384r1":
                self._ways.append((ec.ECDSA(hashes.SHA384()),))
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
            self._ways = [(padding.PKCS1v15(), hashes.SHA256())]
        elif isinstance(key, ed25519.Ed25519PublicKey):
            self._ways = [()]
        else:
            raise ImageError(
                "cosign_public_key is of a kind that is not supported",
                step="signature",
                hint=f"Use an ECDSA key on P-256 or P-384, an Ed25519 key, or RSA of at least {MIN_RSA_BITS} bits",
            )
        self._key = key

    def made(self, signature: bytes, payload: bytes) -> bool:
        """Whether *signature* of *payload* was made by the private half of this key."""
        for way in self._ways:
            try:
                self._key.verify(signature, payload, *way)
            except self._invalid:
                continue
            return True
        return False


def check(registry: Registry, digests: Sequence[str], verify: Verify) -> None:
    """Return when one of *digests*, names of the same image, has a good signature in the registry.

    digests  of the manifest under the reference itself, then of the image's own where that was an index
    Raises ImageError that says what is wrong, RegistryUnavailable.
    """
    key = Key(verify)  # before the registry is asked for anything
    name = str(registry.reference)
    failures: list[str] = []
    for digest in dict.fromkeys(digests):
        for fault in _faults(key, registry, digest, verify):
            if not fault:
                return
            failures.append(fault)
    if not failures:
        raise ImageError(
            f"refused {name}: it has no cosign signature",
            step="signature",
            obj=name,
            hint=f"Sign it ('cosign sign --key … {registry.reference.repository}@{next(iter(digests))}') and push the"
            " signature to the same repository; nothing was pulled",
        )
    # One by our key that says something else tells more than those of other people.
    told = next((fault for fault in failures if fault != FOREIGN), FOREIGN)
    raise ImageError(
        f"refused {name}: {told}",
        step="signature",
        obj=name,
        hint="Do not use this image unless you know why, and who made it; nothing was pulled",
    )


FOREIGN = "none of its cosign signatures was made by the key of cosign_public_key"


def _faults(key: Key, registry: Registry, digest: str, verify: Verify) -> Iterator[str]:
    """What is wrong with each signature for *digest*, "" for a good one; the registry is asked as they are taken."""
    if not digest.startswith("sha256:"):  # cosign knows no other; the tags would be longer than a tag may be
        return
    identity = verify.identity or registry.reference.repository
    for payload, signature in _signatures(registry, digest):
        yield fault_of(key, payload, signature, digest, identity)
    for signed, signature, statement in bundle.envelopes(registry, digest):
        yield bundle.fault_of(statement, digest, verify.identity) if key.made(signature, signed) else FOREIGN


def fault_of(key: Key, payload: bytes, signature: bytes, digest: str, identity: str) -> str:
    """What is wrong with one signature for *digest* of the repository *identity*; "" when nothing is."""
    if not key.made(signature, payload):
        return FOREIGN
    try:
        critical = json.loads(payload)["critical"]
        kind, signed = critical["type"], critical["image"]["docker-manifest-digest"]
        named = str(critical["identity"]["docker-reference"])
    except (ValueError, KeyError, TypeError):
        return "what its cosign signature signs is not what cosign writes"
    if kind != KIND:
        return f"its cosign signature is of the unknown kind '{kind}'"
    if signed != digest:
        return f"its cosign signature is for another image, {signed}"
    try:
        repository = parse(named).repository
    except ImageError:
        repository = ""
    if repository != identity:
        return f"its cosign signature is for '{named}', not for {identity}"
    return ""


def _signatures(registry: Registry, digest: str) -> list[tuple[bytes, bytes]]:
    """(payload, signature) of all that the registry has for the manifest *digest*."""
    try:
        manifest = registry.manifest(digest.replace(":", "-") + ".sig")
    except NotInRegistry:
        return []
    found = []
    for descriptor in manifest.document.get("layers", [])[:MAX_SIGNATURES]:
        annotations = descriptor.get("annotations")
        encoded = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
        if descriptor.get("mediaType") != PAYLOAD_TYPE or not isinstance(encoded, str):
            continue
        try:
            signature = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        found.append((registry.small_blob(descriptor), signature))
    return found
