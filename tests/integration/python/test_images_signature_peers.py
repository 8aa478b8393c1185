# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures that others make, and others who judge those of these tests: cosign itself, and openssl."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
import requests
from ansible_collections.agentless.oci.plugins.module_utils.image import bundle, signature
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from cryptography.hazmat.primitives.asymmetric import ec
from image_signatures import MANIFEST, Repository, payload_of, public, raw_signature
from image_sources import small_layer, task
from newer_package import NEWER, newer_program

pytestmark = pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs docker-registry")


@pytest.fixture
def repository(registry, request):
    return Repository(registry.address, f"peers/{request.node.name.replace('_', '-')}")


@pytest.fixture
def name(raw, repository):
    raw.image(repository.url.partition("/v2/")[2], [small_layer("a")], "1")
    return f"{repository.name}:1"


@pytest.fixture
def digest(repository, name):
    answer = requests.head(f"{repository.url}/manifests/1", headers={"Accept": MANIFEST}, timeout=120)
    return answer.headers["Docker-Content-Digest"]


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, **options).stdout


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_openssl_takes_what_these_tests_sign(repository, digest, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    payload = payload_of(digest, repository.name)
    wanted = f'{{"critical":{{"identity":{{"docker-reference":"{repository.name}"}},"image":'
    wanted += f'{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}'
    assert payload.decode() == wanted
    (tmp_path / "pub").write_text(public(key))
    (tmp_path / "signature").write_bytes(raw_signature(key, payload))
    verify = ("dgst", "-sha256", "-verify", tmp_path / "pub", "-signature", tmp_path / "signature")
    assert openssl(*verify, input=payload) == b"Verified OK\n"


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_what_openssl_signs_is_taken(repository, name, digest, state_dir, tmp_path):
    """With a key of its own making, put there as ``cosign attach signature`` does."""
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", tmp_path / "key")
    openssl("pkey", "-in", tmp_path / "key", "-pubout", "-out", tmp_path / "pub")
    payload = payload_of(digest, repository.name)
    signed = openssl("dgst", "-sha256", "-sign", tmp_path / "key", input=payload)
    wants = {"verify": signature.Verify(str(tmp_path / "pub"))}
    repository.put_signatures(digest, [(payload, signed[:-1] + bytes([signed[-1] ^ 1]))])
    with pytest.raises(ImageError, match="none of its cosign signatures"):
        task(state_dir, name, **wants)
    repository.put_signatures(digest, [(payload, signed)])
    assert task(state_dir, name, **wants)[0].changed


class Cosign:
    """cosign, its key pair and its own files below *directory*; nobody else is asked for anything."""

    def __init__(self, directory, program):
        self.directory = directory
        self.program = program
        self.run("generate-key-pair")
        self.public_key = str(directory / "cosign.pub")

    def run(self, *arguments, check=True):
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.directory,
            env={**os.environ, "HOME": str(self.directory), "COSIGN_PASSWORD": "pass phrase"},
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

    def sign(self, image):
        self.run("sign", "--key", "cosign.key", "--tlog-upload=false", "--allow-insecure-registry", "-y", image)

    def verify(self, image, key):
        arguments = ("--key", key, "--insecure-ignore-tlog", "--allow-insecure-registry", image)
        return self.run("verify", *arguments, check=False)


@pytest.fixture
def cosign(tmp_path):
    program = shutil.which("cosign")
    if not program:
        try:
            program = newer_program("cosign", "/usr/bin/cosign")
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"needs cosign, which Debian {NEWER} has: {error}")
    (tmp_path / "cosign").mkdir()
    return Cosign(tmp_path / "cosign", program)


def test_what_cosign_signs_is_taken(cosign, repository, name, digest, state_dir):
    wants = {"verify": signature.Verify(cosign.public_key)}
    with pytest.raises(ImageError, match="no cosign signature"):
        task(state_dir, name, **wants)
    cosign.sign(f"{repository.name}@{digest}")
    with pytest.raises(ImageError, match="none of its cosign signatures"):
        task(state_dir, name, verify=signature.Verify(public(ec.generate_private_key(ec.SECP256R1()))))
    assert task(state_dir, name, **wants)[0].changed


def test_cosign_takes_what_these_tests_sign(cosign, repository, name, digest):
    key = ec.generate_private_key(ec.SECP256R1())
    mine = cosign.directory / "mine.pub"
    mine.write_text(public(key))
    assert "no signatures found" in cosign.verify(name, str(mine)).stderr
    repository.sign(digest, key)
    verified = cosign.verify(name, str(mine))
    assert verified.returncode == 0, verified.stderr
    assert "The signatures were verified against the specified public key" in verified.stderr
    assert cosign.verify(name, cosign.public_key).returncode != 0


def test_what_cosign_attests_in_a_bundle_is_no_signature(cosign, repository, name, digest, state_dir, monkeypatch):
    """Yet it is read as it should be: it would be one, if it said "signed"."""
    (cosign.directory / "predicate").write_text('{"built": "well"}')
    options = ("--key", "cosign.key", "--tlog-upload=false", "--allow-insecure-registry", "-y", "--new-bundle-format")
    image = f"{repository.name}@{digest}"
    cosign.run("attest", *options, "--type", "https://example.com/built", "--predicate", "predicate", image)
    wants = {"verify": signature.Verify(cosign.public_key)}
    with pytest.raises(ImageError, match="no cosign signature"):
        task(state_dir, name, **wants)
    monkeypatch.setattr(bundle, "SIGNED", "https://example.com/built")
    with pytest.raises(ImageError, match="none of its cosign signatures"):
        task(state_dir, name, verify=signature.Verify(public(ec.generate_private_key(ec.SECP256R1()))))
    assert task(state_dir, name, **wants)[0].changed
