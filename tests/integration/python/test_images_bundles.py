# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures in Sigstore bundles, as ``cosign sign --key`` keeps them in a registry since version 3."""

from __future__ import annotations

import base64
import json
import shutil

import pytest
import requests
from ansible_collections.agentless.oci.plugins.module_utils.image import bundle, signature
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from faulty_proxy import Fault, FaultyProxy
from image_signatures import MANIFEST, Repository, digest_of, public, raw_signature
from image_sources import small_layer, task

pytestmark = pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs docker-registry")

INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
ATTESTED = "https://slsa.dev/provenance/v1"


def statement(digest, predicate=bundle.SIGNED, **changed):
    subject = [{"digest": {"sha256": digest.partition(":")[2]}}]
    whole = {"_type": bundle.STATEMENTS[0], "subject": subject, "predicateType": predicate, "predicate": {}}
    return json.dumps({**whole, **changed}).encode()


def signed_bundle(key, payload, sign=raw_signature, payload_type="application/vnd.in-toto+json"):
    """The bundle of *payload*; how its bytes are encoded for signing is written out here once more (DSSE)."""
    encoded = f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": base64.b64encode(sign(key, encoded)).decode(), "keyid": ""}],
    }
    document = {"mediaType": bundle.BUNDLE_TYPE, "verificationMaterial": {"publicKey": {"hint": "a2V5"}}}
    return json.dumps({**document, "dsseEnvelope": envelope}).encode()


class Bundles(Repository):
    """The repository of a registry; what refers to an image is listed in the index of a tag, as nothing lists it."""

    def __init__(self, address, path):
        super().__init__(address, path)
        self.listed = {}

    def attach(self, digest, raw, predicate=bundle.SIGNED, kind=bundle.BUNDLE_TYPE):
        """Have the blob *raw* refer to the manifest *digest*."""
        document = {
            "artifactType": kind,
            "config": {"mediaType": EMPTY, **self.put_blob(b"{}")},
            "layers": [{"mediaType": kind, **self.put_blob(raw)}],
            "subject": {"mediaType": MANIFEST, "digest": digest, "size": 1000},
        }
        if predicate:
            document["annotations"] = {bundle.PREDICATE_ANNOTATION: predicate}
        where = digest_of(json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **document}).encode())
        self.put_manifest(document, where)
        entry = {"mediaType": MANIFEST, "digest": where, "size": 1000, "artifactType": kind}
        if predicate:
            entry["annotations"] = document["annotations"]
        self.listed.setdefault(digest, []).append(entry)
        self.put_manifest({"manifests": self.listed[digest]}, digest.replace(":", "-"), INDEX)


@pytest.fixture
def repository(proxy, request):
    return Bundles(proxy.address, f"bundles/{digest_of(request.node.name.encode())[7:19]}")


@pytest.fixture
def digest(repository, raw):
    return raw.image(repository.name.partition("/")[2], [small_layer("a")], "1")["digest"]


@pytest.fixture
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def taken(repository, state_dir):
    """A function that pulls the image, if it is signed with this key."""

    def pull(key, **options):
        identity = options.pop("identity", "")
        return task(state_dir, f"{repository.name}:1", verify=signature.Verify(public(key), identity), **options)

    return pull


@pytest.fixture
def refusal(taken):
    def refused(key, **options):
        with pytest.raises(ImageError) as caught:
            taken(key, **options)
        assert caught.value.step == "signature"
        return str(caught.value)

    return refused


def test_a_signed_image_is_pulled_and_its_signature_asked_for_once(repository, digest, key, taken, proxy):
    repository.attach(digest, signed_bundle(key, statement(digest)))
    made, image = taken(key)
    assert (made.changed, image.digest) == (True, digest)
    proxy.seen.clear()
    assert not taken(key)[0].changed
    assert proxy.seen == []


def test_nothing_of_a_refused_image_comes_here(repository, digest, key, refusal, proxy, state_dir):
    assert "it has no cosign signature" in refusal(key)
    repository.attach(digest, signed_bundle(key, statement(digest)))
    proxy.seen.clear()
    assert "none of its cosign signatures" in refusal(ec.generate_private_key(ec.SECP256R1()))
    assert len(proxy.asked("GET", "/blobs/")) == 1  # the bundle


@pytest.mark.parametrize(
    ("make", "sign"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), lambda key, data: key.sign(data, ec.ECDSA(hashes.SHA384()))),
        (ed25519.Ed25519PrivateKey.generate, raw_signature),
    ],
    ids=["p384", "ed25519"],
)
def test_other_kinds_of_keys(repository, digest, taken, make, sign):
    own = make()
    repository.attach(digest, signed_bundle(own, statement(digest), sign))
    assert taken(own)[0].changed


def test_a_good_one_among_others(repository, digest, key, taken):
    other = ec.generate_private_key(ec.SECP256R1())
    for raw in (signed_bundle(other, statement(digest)), b"no bundle", b"[]", b'{"messageSignature": {}}'):
        repository.attach(digest, raw)
    repository.attach(digest, signed_bundle(key, statement(digest, ATTESTED)), ATTESTED)
    repository.attach(digest, b"something", "", "application/vnd.example.sbom")
    repository.attach(digest, signed_bundle(key, statement(digest)), "")
    assert taken(key)[0].changed


def test_one_that_was_removed_and_is_listed_still(repository, digest, key, taken):
    repository.attach(digest, signed_bundle(ec.generate_private_key(ec.SECP256R1()), statement(digest)))
    repository.attach(digest, signed_bundle(key, statement(digest)))
    requests.delete(
        f"{repository.url}/manifests/{repository.listed[digest][0]['digest']}", timeout=120
    ).raise_for_status()
    assert taken(key)[0].changed


@pytest.mark.parametrize("kind", [EMPTY, None])
def test_an_index_that_does_not_say_what_it_lists(repository, digest, key, taken, kind):
    """cosign 2.5 writes the type of the config there, which is empty."""
    repository.attach(digest, signed_bundle(key, statement(digest)))
    [entry] = repository.listed[digest]
    told = {**entry, "artifactType": kind} if kind else {name: entry[name] for name in ("mediaType", "digest", "size")}
    repository.put_manifest({"manifests": [told]}, digest.replace(":", "-"), INDEX)
    assert taken(key)[0].changed


@pytest.mark.parametrize("told", [ATTESTED, "", bundle.SIGNED], ids=["told", "untold", "lied"])
def test_an_attestation_is_no_signature(repository, digest, key, refusal, told):
    """Somebody who says by our key what is wrong with an image does not say that it may run."""
    repository.attach(digest, signed_bundle(key, statement(digest, ATTESTED)), told)
    assert "it has no cosign signature" in refusal(key)


def test_a_statement_about_something_else(repository, digest, key, refusal):
    other = digest_of(b"another")
    repository.attach(digest, signed_bundle(key, statement(other)))
    assert f"is for another image, {other}" in refusal(key)


@pytest.mark.parametrize("changed", [{"subject": []}, {"subject": "all"}, {"subject": [{"digest": {}}, 5]}])
def test_a_statement_about_nothing(repository, digest, key, refusal, changed):
    repository.attach(digest, signed_bundle(key, statement(digest, **changed)))
    assert "is for another image" in refusal(key)


def test_what_is_signed_otherwise_than_in_an_envelope(repository, digest, key, refusal):
    """The key's signature of the same bytes, made for another purpose."""
    repository.attach(digest, signed_bundle(key, statement(digest), lambda key, data: raw_signature(key, data[40:])))
    assert "none of its cosign signatures" in refusal(key)
    repository.attach(digest, signed_bundle(key, statement(digest), payload_type="text/plain"))
    assert "none of its cosign signatures" in refusal(key)


def test_an_identity_is_more_than_a_bundle_says(repository, digest, key, refusal, taken):
    repository.attach(digest, signed_bundle(key, statement(digest)))
    assert "names no repository" in refusal(key, identity="docker.io/library/redis")
    assert taken(key)[0].changed


def listing(*entries):
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    return Fault(status=200, body=body, headers={"Content-Type": INDEX})


def test_a_registry_that_lists_referrers(repository, digest, key, taken, proxy):
    """On several pages, the first without what is looked for; the tag is not asked for."""
    repository.attach(digest, signed_bundle(key, statement(digest)))
    [entry] = repository.listed[digest]
    path = f"/v2/{repository.name.partition('/')[2]}/referrers/{digest}"
    pages = {
        "": ([{**entry, "artifactType": "application/vnd.example.sbom"}], {"Link": f'<{path}?last=1>; rel="next"'}),
        "last=1": ([entry], {}),
    }

    def rule(seen):
        if "/referrers/" not in seen.path:
            return None
        query = seen.path.partition("?")[2]
        listed, headers = pages["" if "artifactType=" in query else query]
        fault = listing(*listed)
        fault.headers.update(headers)
        return fault

    proxy.rule = rule
    proxy.seen.clear()
    assert taken(key)[0].changed
    assert [one.path.partition("?")[2] for one in proxy.asked("GET", "/referrers/")] == [
        "artifactType=application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson",
        "last=1",
    ]
    assert [one for one in proxy.asked("GET", digest.replace(":", "-")) if not one.path.endswith(".sig")] == []


def test_a_mirror_that_has_the_image_without_its_signatures(repository, digest, key, taken, proxy, registry):
    repository.attach(digest, signed_bundle(key, statement(digest)))
    [entry] = repository.listed[digest]
    repository.put_manifest({"manifests": []}, digest.replace(":", "-"), INDEX)
    proxy.rule = lambda seen: listing(entry) if "/referrers/" in seen.path else None
    with FaultyProxy(registry.address) as mirror:
        mirror.rule = lambda seen: listing() if "/referrers/" in seen.path else None
        assert taken(key, access={"mirrors": {proxy.address: [mirror.address]}})[0].changed
    assert mirror.asked("GET", "/referrers/")
    assert mirror.asked("GET", "/blobs/")


def test_a_registry_that_does_not_know_what_is_asked(repository, digest, key, taken, proxy, refusal):
    repository.attach(digest, signed_bundle(key, statement(digest)))
    for fault in (Fault(status=405), Fault(status=200, body=b"<html>Welcome</html>")):
        proxy.rule = lambda seen, fault=fault: fault if "/referrers/" in seen.path else None
        assert taken(key, force=True)[0].changed
    proxy.rule = lambda seen: Fault(status=403) if "/referrers/" in seen.path else None
    with pytest.raises(ImageError, match="answers 403"):
        taken(ec.generate_private_key(ec.SECP256R1()))
