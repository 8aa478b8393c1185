# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real registries: tokens, passwords, certificates, and what images may be."""

from __future__ import annotations

import json
import os
import shutil
import ssl

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import media, trust
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from faulty_proxy import Fault, FaultyProxy
from image_sources import HERE, OTHER, Raw, pull, small_layer, task
from registry import Authority
from registry_logins import LOGIN, PASSWORD, USER, fails

pytestmark = [
    pytest.mark.skipif(
        not shutil.which("docker-registry") or not shutil.which("openssl"), reason="needs docker-registry and openssl"
    ),
    pytest.mark.usefixtures("nobody_is_logged_in"),
]


# Tokens.


def test_a_token_for_what_is_pulled(guarded, tokens, state_dir):
    assert pull(state_dir, f"{guarded.address}/team/app:1", access=LOGIN)
    assert tokens.seen == [("GET", USER, ["repository:team/app:pull"])]
    assert {one.status for one in guarded.seen} == {200, 401}
    assert [one.status for one in guarded.seen].count(401) == 1


def test_a_token_for_nobody_and_for_the_wrong_one(guarded, tokens, state_dir):
    name = f"{guarded.address}/team/app:1"
    assert "wants a login and none is given" in fails(state_dir, name)
    wrong = {"username": USER, "password": "Wr0ng-pass"}
    said = fails(state_dir, name, access=wrong)
    assert "refuses the credentials of 'tester' from the task's options" in said
    assert "Wr0ng" not in said
    tokens.rights["", "team/app"] = "pull"
    assert pull(state_dir, name)


def test_an_identity_token_of_an_authfile(guarded, tokens, state_dir, tmp_path):
    tokens.refresh["1dentity"] = USER
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {guarded.address: {"identitytoken": "1dentity"}}}))
    assert pull(state_dir, f"{guarded.address}/team/app:1", access={"authfile": str(path)})
    assert tokens.seen == [("POST", USER, ["repository:team/app:pull"])]
    path.write_text(json.dumps({"auths": {guarded.address: {"identitytoken": "0utdated"}}}))
    said = fails(state_dir, f"{guarded.address}/team/app:1", access={"authfile": str(path)}, pull="always")
    assert f"refuses the credentials from the authfile {path}" in said
    assert "0utdated" not in said


def test_a_token_that_expires_in_the_middle_of_a_pull(guarded, tokens, state_dir):
    tokens.lifetime = 2.0  # whatever the answer states
    left = [Fault(rate=1_000_000, cut=2_500_000)]
    raw = Raw(guarded.target, {"Authorization": "Bearer " + tokens.token(USER, ["repository:team/app:pull"])})
    [layer] = raw.document("team/app", "1")["layers"]
    guarded.rule = lambda seen: left.pop() if left and layer["digest"] in seen.path else None
    assert pull(state_dir, f"{guarded.address}/team/app:1", access=LOGIN)
    assert len(tokens.seen) >= 2
    asked = [one.status for one in guarded.asked("GET", layer["digest"])]
    assert asked[asked.index(200) :] == [200, 401, 206]
    assert guarded.bytes_of(layer["digest"]) - layer["size"] < 1000, "it did not go on where it was"


# Passwords and certificates.


def test_a_credential_helper_and_tls(make_registry, state_dir, tmp_path, monkeypatch):
    registry = make_registry(auth=f"{USER}:{PASSWORD}", tls=True)
    helper = tmp_path / "bin/docker-credential-tests"
    helper.parent.mkdir()
    helper.write_text(
        "#!/bin/sh\nread server\n"
        f'[ "$1 $server" = "get {registry.address}" ] ||'
        '{ echo "credentials not found in native keychain"; exit 1; }\n'
        f'echo \'{{"ServerURL": "", "Username": "{USER}", "Secret": "{PASSWORD}"}}\'\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:{os.environ['PATH']}")
    config = tmp_path / "config.json"
    access = {"authfile": str(config), "ca_path": registry.ca}
    name = f"{registry.address}/a/b:1"
    for content in ({"credHelpers": {registry.address: "tests"}}, {"credsStore": "tests"}):
        config.write_text(json.dumps(content))
        assert "answers 404" in fails(state_dir, name, access=access)
    config.write_text(json.dumps({"credHelpers": {"elsewhere.example": "tests"}}))
    assert "wants a login and none is given" in fails(state_dir, name, access=access)
    config.write_text(json.dumps({"credsStore": "missing"}))
    assert "docker-credential-missing" in fails(state_dir, name, access=access)


def test_a_registry_and_its_token_server_with_tls(tokens, make_registry, state_dir, tmp_path, monkeypatch):
    """Each is trusted for itself, unless the task names an authority for all."""
    (tmp_path / "ca").mkdir()
    authority = Authority(str(tmp_path / "ca"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("server", server=True))
    with FaultyProxy(f"127.0.0.1:{tokens.server_port}", context=context, name="localhost") as gate:
        options = {**tokens.registry_options(), "realm": f"https://{gate.address}/token"}
        registry = make_registry(token=options)
        token = tokens.token(USER, ["repository:team/app:pull,push"])
        Raw(registry.address, {"Authorization": f"Bearer {token}"}).image("team/app", [small_layer("a")], "1")
        with FaultyProxy(registry.address, context=context, name="localhost") as front:
            name = f"{front.address}/team/app:1"
            roots = tmp_path / "certs.d"
            monkeypatch.setattr(trust, "CERTS_D", (str(roots),))
            assert f"{front.address} cannot be reached: its certificate" in fails(state_dir, name, access=LOGIN)
            for host in (front.address, gate.address):
                if host == gate.address:
                    assert f"{host} cannot be reached: its certificate" in fails(state_dir, name, access=LOGIN)
                (roots / host).mkdir(parents=True)
                shutil.copy(authority.ca, roots / host / "ca.crt")
            assert pull(state_dir, name, access=LOGIN)
            shutil.rmtree(roots)
            access = {**LOGIN, "ca_path": authority.ca}
            assert not task(state_dir, name, access=access, pull="always")[0].changed
        assert {one.method for one in gate.seen} == {"GET"}
    assert tokens.seen == [("GET", USER, ["repository:team/app:pull"])] * 2


@pytest.fixture
def certified(registry, tmp_path):
    """The registry behind TLS that wants client certificates; and its authority."""
    (tmp_path / "ca").mkdir()
    authority = Authority(str(tmp_path / "ca"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("server", server=True))
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    with FaultyProxy(registry.address, context=context, name="localhost") as running:
        yield running, authority


def test_client_certificates(certified, raw, state_dir, tmp_path, monkeypatch):
    proxy, authority = certified
    raw.image("tls/image", [small_layer("a")], "1")
    name = f"{proxy.address}/tls/image:1"
    said = fails(state_dir, name, access={"ca_path": authority.ca})
    # OpenSSL's servers close so soon that what they say may be lost.
    assert "perhaps for want of a client certificate" in said or "the connection broke" in said
    assert proxy.seen == []
    certificate, key = authority.sign("client", server=False)
    roots = tmp_path / "certs.d"
    directory = roots / proxy.address
    directory.mkdir(parents=True)
    shutil.copy(authority.ca, directory / "ca.crt")
    shutil.copy(certificate, directory / "client.cert")
    assert "its certificate cannot be verified" in fails(state_dir, name)
    shutil.copy(key, directory / "client.key")
    assert pull(state_dir, name, access={"ca_path": str(directory)})
    monkeypatch.setattr(trust, "CERTS_D", (str(tmp_path / "none"), str(roots)))
    assert pull(state_dir, name, pull="always")
    (directory / "client.cert").unlink()
    assert "has client.key without client.cert" in fails(state_dir, name, pull="always")


def test_a_client_certificate_is_for_its_own_registry_only(certified, raw, registry, state_dir, tmp_path):
    proxy, authority = certified
    raw.image("tls/image", [small_layer("a")], "1")
    directory = tmp_path / "mine"
    directory.mkdir()
    certificate, key = authority.sign("client", server=False)
    for path, name in ((authority.ca, "ca.crt"), (certificate, "me.cert"), (key, "me.key")):
        shutil.copy(path, directory / name)
    with FaultyProxy(registry.address) as first:
        # The one who sends us on must not make us show a certificate that was not meant for the other.
        first.rule = lambda seen: Fault(status=307, headers={"Location": f"https://{proxy.address}{seen.path}"})
        said = fails(state_dir, f"{first.address}/tls/image:1", access={"ca_path": str(directory)})
    assert f"the registry {proxy.address} cannot be reached" in said
    assert proxy.seen == []


# What images may be.


def test_nested_indexes_and_what_is_no_image(raw, registry, state_dir):
    repository = "nested/image"
    mine = raw.image(repository, [small_layer("mine")])
    other = raw.image(repository, [small_layer("other")], where=OTHER)
    empty = raw.blob(repository, b"{}", "application/vnd.oci.empty.v1+json")
    attestation = raw.manifest(
        repository,
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "artifactType": "application/vnd.example.signature",
            "config": empty,
            "layers": [empty],
            "subject": {key: mine[key] for key in ("mediaType", "digest", "size")},
        },
        "referrer",
    )
    inner = raw.index(repository, [other, mine])
    left_out = [
        {**attestation, "platform": {"os": "unknown", "architecture": "unknown"}},
        {**attestation, "artifactType": "application/vnd.example.signature", "platform": HERE},
    ]
    raw.index(repository, [*left_out, inner], "deep")
    assert pull(state_dir, f"{registry.address}/{repository}:deep").digest == mine["digest"]
    raw.index(repository, left_out, "none")
    assert "has no image for the platform" in fails(state_dir, f"{registry.address}/{repository}:none")
    assert "it is no container image but 'application/vnd" in fails(
        state_dir, f"{registry.address}/{repository}:referrer"
    )
    deeper = inner
    for _level in range(4):
        deeper = raw.index(repository, [deeper], "deeper")
    assert "nested too deep" in fails(state_dir, f"{registry.address}/{repository}:deeper")


def test_foreign_layers_come_from_where_the_manifest_says(raw, registry, proxy, state_dir, tmp_path):
    """From the registry where it has them; else from their addresses, without credentials; and a push leaves them."""
    repository = "foreign/image"
    whole = raw.image(repository, [small_layer("ours"), small_layer("foreign")], "whole")
    document = raw.document(repository, whole["digest"])
    raw.image("elsewhere/image", [small_layer("foreign")], "1")
    layer = document["layers"][1]
    layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    layer["urls"] = ["http://127.0.0.1:1/gone", f"http://{proxy.address}/v2/elsewhere/image/blobs/{layer['digest']}"]
    repository = "foreign/pruned"
    for index, descriptor in enumerate((document["config"], document["layers"][0])):
        data = raw._ask("GET", f"{raw.url}/v2/foreign/image/blobs/{descriptor['digest']}").read()
        assert raw.blob(repository, data, "", "sha256")["digest"] == descriptor["digest"], index
    made = raw.manifest(repository, document, "1")
    name = f"{registry.address}/{repository}:1"
    image = pull(state_dir, name)
    assert image.digest == made["digest"]
    assert [one.path for one in proxy.seen] == [f"/v2/elsewhere/image/blobs/{layer['digest']}"]
    task(state_dir, name, tags=[f"{registry.address}/foreign/copy:1"], push=True)
    assert not raw.has("foreign/copy", f"blobs/{layer['digest']}")
    assert pull(tmp_path / "again", f"{registry.address}/foreign/copy:1").digest == made["digest"]


def test_sha512(raw, registry, state_dir, tmp_path):
    raw.image("long/image", [small_layer("a"), small_layer("b")], "1", algorithm="sha512")
    name = f"{registry.address}/long/image:1"
    image = pull(state_dir, name)
    assert image.id.startswith("sha512:")
    assert all(layer.startswith("sha512:") for layer in image.layers)
    made, same = task(state_dir, name, pull="always")
    assert not made.actions
    assert same.id == image.id
    for identity in (image.id, image.id[7:], image.id[7:19]):
        assert Store(StateDir(state_dir)).find(identity).digest == image.digest
    task(state_dir, name, tags=[f"{registry.address}/long/copy:1"], push=True)
    assert pull(tmp_path / "again", f"{registry.address}/long/copy:1").id == image.id
    task(state_dir, name, state="absent")
