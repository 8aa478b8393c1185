# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures as cosign makes them, made here by ``cryptography``, kept in a real registry: good ones, and every lie."""

from __future__ import annotations

import hashlib
import json
import os
import sys

import pytest
import requests
from ansible_collections.agentless.oci.plugins.module_utils.image import signature
from ansible_collections.agentless.oci.plugins.module_utils.image.auth import Access
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.reference import parse
from ansible_collections.agentless.oci.plugins.module_utils.image.registry import Registry
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from image_signatures import MANIFEST, Repository, digest_of, payload_of, public, raw_signature


@pytest.fixture
def repository(registry, request):
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return Repository(registry.address, f"signed/{name}")


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


DIGEST = digest_of(b"a manifest")
OTHER = digest_of(b"another manifest")


def check(repository, *keys_and_options, digests=(DIGEST,)):
    client = Registry(parse(f"{repository.name}:1"), Access())
    try:
        signature.check(client, digests, signature.Verify(*keys_and_options))
    finally:
        client.close()


def refusal(repository, *keys_and_options, **options):
    with pytest.raises(ImageError) as caught:
        check(repository, *keys_and_options, **options)
    assert caught.value.step == "signature"
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["p256", "p384", "rsa", "ed25519"],
)
def test_every_kind_of_key(repository, make):
    own, others = make(), make()
    repository.sign(DIGEST, own)
    check(repository, public(own))
    assert "none of its cosign signatures was made by the key" in refusal(repository, public(others))


def test_p384_with_the_hash_of_its_own_size(repository):
    own = ec.generate_private_key(ec.SECP384R1())
    payload = payload_of(DIGEST, repository.name)
    repository.put_signatures(DIGEST, [(payload, own.sign(payload, ec.ECDSA(hashes.SHA384())))])
    check(repository, public(own))


def test_a_key_in_a_file_and_its_faults(repository, key, tmp_path):
    path = tmp_path / "cosign.pub"
    path.write_text(public(key))
    repository.sign(DIGEST, key)
    check(repository, str(path))
    assert "cannot read the public key" in refusal(repository, str(tmp_path / "none.pub"))
    path.write_text("no key")
    assert "no PEM public key" in refusal(repository, str(path))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert "a private key" in refusal(repository, private.decode())
    broken = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"
    assert "no usable public key" in refusal(repository, broken)


@pytest.mark.parametrize(
    "weak",
    [
        lambda: ec.generate_private_key(ec.SECP521R1()),
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
    ],
    ids=["p521", "rsa1024"],
)
def test_keys_that_are_not_taken(repository, weak):
    assert "of a kind that is not supported" in refusal(repository, public(weak()))


def test_no_signature(repository, key):
    told = refusal(repository, public(key))
    assert f"refused {repository.name}:1: it has no cosign signature" in told
    assert "cosign sign" in told


def test_one_good_signature_among_others_is_enough(repository, key):
    mine, theirs = payload_of(DIGEST, repository.name), payload_of(DIGEST, repository.name)
    other = ec.generate_private_key(ec.SECP256R1())
    entries = [(theirs, raw_signature(other, theirs)), (theirs, b"no signature"), (mine, raw_signature(key, mine))]
    repository.put_signatures(DIGEST, entries)
    check(repository, public(key))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"digest": OTHER}, f"is for another image, {OTHER}"),
        ({"repository": "registry.example.com/other/app"}, "is for 'registry.example.com/other/app', not for"),
        ({"repository": ""}, "is for '', not for"),
        ({"kind": "atomic container signature"}, "of the unknown kind"),
    ],
)
def test_a_payload_by_the_right_key_for_something_else(repository, key, changed, told):
    repository.sign(DIGEST, key, **changed)
    assert told in refusal(repository, public(key))


def test_a_payload_that_is_no_payload(repository, key):
    for payload in (b"[]", b"not json", b'{"critical": null}'):
        repository.put_signatures(DIGEST, [(payload, raw_signature(key, payload))])
        assert "is not what cosign writes" in refusal(repository, public(key))


def test_a_changed_payload(repository, key):
    """The signature is good, but of other bytes."""
    good = payload_of(DIGEST, repository.name)
    signed = raw_signature(key, good.replace(b"null", b"{}"))
    repository.put_signatures(DIGEST, [(good, signed)])
    assert "none of its cosign signatures" in refusal(repository, public(key))


def test_what_is_no_signature_does_not_count(repository, key):
    payload = payload_of(DIGEST, repository.name)
    repository.put_signatures(DIGEST, [(payload, raw_signature(key, payload))], layer_type="application/octet-stream")
    assert "it has no cosign signature" in refusal(repository, public(key))


def test_an_identity_of_its_own(repository, key):
    """An image copied from one registry to another, with the signatures of its origin."""
    repository.sign(DIGEST, key, repository="index.docker.io/library/redis")
    assert "not for" in refusal(repository, public(key))
    check(repository, public(key), "redis")
    assert "not for docker.io/library/other" in refusal(repository, public(key), "other")


def test_either_the_index_or_the_image_in_it(repository, key):
    repository.sign(OTHER, key)
    check(repository, public(key), digests=(DIGEST, OTHER))
    repository.sign(DIGEST, key, digest=OTHER)
    assert "it has no cosign signature" in refusal(repository, public(key), digests=("sha512:" + "a" * 128,))


def test_without_cryptography_nothing_is_asked_of_the_registry(repository, key, registry, monkeypatch):
    log = os.path.join(registry.directory, "registry.log")
    since = os.path.getsize(log)
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)
    told = refusal(repository, public(key))
    assert "has no 'cryptography'" in told
    assert "python3-cryptography" in told
    assert repository.gets(log, since) == []


def test_the_mark_tells_keys_and_identities_apart(key):
    text = public(key)
    marks = {
        signature.Verify(text).mark,
        signature.Verify(text, "a").mark,
        signature.Verify(text, "b").mark,
        signature.Verify(public(ec.generate_private_key(ec.SECP256R1()))).mark,
    }
    assert len(marks) == 4
    assert signature.Verify(text.replace("\n", "\r\n")).mark == signature.Verify(text).mark


# Whole tasks.


class Signed:
    """An image in the registry, and tasks that want it signed."""

    def __init__(self, repository, registry, state_dir, directory):
        self.repository = repository
        self.name = f"{repository.name}:1"
        self.log = os.path.join(registry.directory, "registry.log")
        self.store = Store(StateDir(state_dir))
        self.state_dir = state_dir
        self.directory = directory

    def push(self, content="one"):
        """Put another image under the name; its digest. Nothing of it stays here."""
        self.directory.mkdir(exist_ok=True)
        (self.directory / "file").write_text(content)
        elsewhere = Store(StateDir(str(self.directory) + "-state"))
        request = ImageRequest(self.name, source={"rootfs": str(self.directory)}, push=True)
        return apply(plan(request, elsewhere), elsewhere).digest

    def plan(self, key=None, name="", **options):
        verify = signature.Verify(public(key)) if key else None
        return plan(ImageRequest(name or self.name, verify=verify, **options), self.store)

    def run(self, key=None, name="", **options):
        made = self.plan(key, name, **options)
        try:
            image = apply(made, self.store)
        finally:
            made.close()
        return [action.verb for action in made.actions], image

    def refused(self, *arguments, **options):
        """Why; and a check mode says the same."""
        with pytest.raises(ImageError) as foreseen:
            self.plan(*arguments, **options)
        with pytest.raises(ImageError) as caught:
            self.run(*arguments, **options)
        assert str(caught.value) == str(foreseen.value)
        return str(caught.value)

    def asked(self):
        """What was asked of the repository since the last call."""
        since, self.since = getattr(self, "since", 0), os.path.getsize(self.log)
        return self.repository.gets(self.log, since)


@pytest.fixture
def signed(repository, registry, state_dir, tmp_path):
    return Signed(repository, registry, state_dir, tmp_path / "rootfs")


def test_a_signed_image_is_pulled_and_its_signature_asked_for_once(signed, repository, key):
    repository.sign(signed.push(), key)
    assert signed.run(key)[0] == ["pulled image"]
    signed.asked()
    assert signed.run(key)[0] == []
    assert signed.run(key, name=signed.run()[1].id)[0] == []
    assert signed.asked() == []
    assert signed.run(key, pull="always")[0] == []
    assert len(signed.asked()) == 1  # the HEAD, as without verify


def test_nothing_of_a_refused_image_comes_here(signed, key):
    signed.push()
    signed.asked()
    assert "it has no cosign signature" in signed.refused(key)
    assert not [line for line in signed.asked() if "/blobs/" in line]
    assert os.listdir(signed.state_dir) == []


def test_another_key_is_not_this_key(signed, repository, key):
    repository.sign(signed.push(), key)
    signed.run(key)
    assert "none of its cosign signatures" in signed.refused(ec.generate_private_key(ec.SECP256R1()))
    assert signed.run(key)[0] == []


def test_an_image_that_was_here_before_is_verified_before_it_is_used(signed, repository, key):
    digest = signed.push()
    _verbs, image = signed.run()
    assert "it has no cosign signature" in signed.refused(key)
    assert "pull is never" in signed.refused(key, pull="never")
    assert "an image id says not where" in signed.refused(key, name=image.id)
    repository.sign(digest, key)
    assert signed.run(key)[0] == []  # nothing had to be done, but to ask
    signed.asked()
    assert signed.run(key, pull="never")[0] == []
    assert signed.run(key, name=image.id)[0] == []
    assert signed.run(key, name=f"{repository.name}@{digest}")[0] == []
    assert signed.asked() == []


def test_a_newer_image_without_a_signature_does_not_take_the_name(signed, repository, key):
    repository.sign(signed.push(), key)
    _verbs, good = signed.run(key)
    newer = signed.push("two")
    assert "it has no cosign signature" in signed.refused(key, pull="always")
    assert signed.store.find(signed.name).id == good.id
    assert signed.run(key)[0] == []
    repository.sign(newer, key)
    verbs, image = signed.run(key, pull="always")
    assert (verbs, image.digest) == (["pulled image"], newer)


def test_with_a_registry_that_does_not_answer(signed, repository, key, monkeypatch):
    repository.sign(signed.push(), key)
    signed.run()
    away = signed.name.replace(repository.name.partition("/")[0], "127.0.0.1:1")
    signed.store.tag(signed.store.find(signed.name), [away])
    assert signed.run(name=away, pull="newer")[0] == []
    assert "127.0.0.1:1" in signed.refused(key, name=away, pull="newer")


@pytest.mark.parametrize("which", ["index", "image"])
def test_an_index_is_signed_or_the_image_in_it(signed, repository, key, which):
    digest = signed.push()
    raw = requests.get(f"{repository.url}/manifests/{digest}", headers={"Accept": MANIFEST}, timeout=120).content
    machine = {"os": "linux", "architecture": json.loads(config_of(repository, raw))["architecture"]}
    entry = {"mediaType": MANIFEST, "digest": digest, "size": len(raw), "platform": machine}
    index = repository.put_manifest({"manifests": [entry]}, "1", "application/vnd.oci.image.index.v1+json")
    assert "it has no cosign signature" in signed.refused(key)
    repository.sign(index if which == "index" else digest, key)
    verbs, image = signed.run(key)
    assert (verbs, image.digest, image.origin) == (["pulled image"], digest, index)
    signed.asked()
    assert signed.run(key)[0] == []
    assert signed.asked() == []


def config_of(repository, manifest):
    digest = json.loads(manifest)["config"]["digest"]
    return requests.get(f"{repository.url}/blobs/{digest}", timeout=120).content


def test_a_container_is_made_of_a_signed_image_only(host, repository, key, registry):
    request = ImageRequest(f"{repository.name}:1", source={"rootfs": host.rootfs}, push=True)
    store = Store(host.state)
    digest = apply(plan(request, store), store).digest
    wanted = {"image": f"{repository.name}:1", "command": ["sleep", "100"]}
    verify = {"cosign_public_key": public(key)}
    with pytest.raises(ImageError, match="no cosign signature"):
        host.task(**wanted, verify=verify)
    assert host.clean() == []
    with pytest.raises(ImageError, match="names no digest"):
        host.task(**wanted, require_digest=True)
    host.task(**wanted)
    repository.sign(digest, key)
    log = os.path.join(registry.directory, "registry.log")
    assert host.task(**wanted, verify=verify)["changed"] is False
    since = os.path.getsize(log)
    assert host.task(**wanted, verify=verify)["changed"] is False
    assert repository.gets(log, since) == []
