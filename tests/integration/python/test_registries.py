# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real registries: tokens, passwords, certificates, mirrors, proxies, redirects, and what images may be."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import ssl

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import media, trust
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from faulty_proxy import Fault, FaultyProxy
from image_sources import HERE, OTHER, Raw, pull, small_layer, task
from oci_layout import member
from registry import Authority
from token_server import TokenServer

pytestmark = pytest.mark.skipif(
    not shutil.which("docker-registry") or not shutil.which("openssl"), reason="needs docker-registry and openssl"
)

USER, PASSWORD = "tester", "Correct-horse-9"
LOGIN = {"username": USER, "password": PASSWORD}
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
UNKNOWN = "registry.unknown.invalid"


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch, tmp_path):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "no-such-auth.json"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def tokens(tmp_path):
    server = TokenServer(str(tmp_path / "tokens"))
    server.users[USER] = PASSWORD
    server.rights[USER, "team/app"] = "pull,push"
    yield server
    server.close()


@pytest.fixture
def guarded(tokens, make_registry):
    """A registry that wants tokens, with an image team/app:1 in it; a proxy stands before it."""
    registry = make_registry(token=tokens.registry_options())
    with FaultyProxy(registry.address) as running:
        token = tokens.token(USER, ["repository:team/app:pull,push"])
        layer = [member("file", content=random.Random(5).randbytes(3_000_000))]
        Raw(registry.address, {"Authorization": f"Bearer {token}"}).image("team/app", [layer], "1")
        yield running


def fails(state_dir, name, **options):
    """The message of a task that fails; no secret is in it."""
    with pytest.raises(ImageError) as caught:
        task(state_dir, name, **options)
    assert PASSWORD not in str(caught.value)
    assert BASIC[6:] not in str(caught.value)
    return str(caught.value)


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


# Pushing.


def test_a_push_mounts_what_another_repository_has(guarded, tokens, state_dir):
    name, copy = f"{guarded.address}/team/app:1", f"{guarded.address}/team/copy:1"
    tokens.rights[USER, "team/copy"] = "pull,push"
    made, _image = task(state_dir, name, access=LOGIN, tags=[copy], push=True)
    assert [action.verb for action in made.actions] == ["pulled image", "tagged image", "pushed image"]
    assert [one.status for one in guarded.asked("POST", "mount=")] == [401, 201, 201]  # a token for both is needed
    assert guarded.asked("PUT", "/blobs/") == guarded.asked("PATCH") == []
    # The registry says in which order it likes its actions, and that differs from one time to the next.
    asked = {scope.rpartition(":")[0]: set(scope.rpartition(":")[2].split(",")) for scope in tokens.seen[-1][2]}
    assert asked == {"repository:team/app": {"pull"}, "repository:team/copy": {"pull", "push"}}
    assert not task(state_dir, name, access=LOGIN, tags=[copy], push=True)[0].actions


def test_a_token_that_expires_in_the_middle_of_a_push(guarded, tokens, state_dir, tmp_path):
    """The blob whose upload is refused for that is sent again."""
    name, copy = f"{guarded.address}/team/app:1", f"{guarded.address}/other/copy:1"
    pull(state_dir, name, access=LOGIN)
    tokens.rights.clear()  # so that nothing can be mounted
    tokens.rights[USER, "other/copy"] = "pull,push"
    tokens.lifetime = 1.0
    late = [Fault(delay=2.5)]
    guarded.rule = lambda seen: late.pop() if late and seen.method == "PUT" else None
    task(state_dir, name, access=LOGIN, tags=[copy], push=True)
    assert [one.status for one in guarded.asked("PUT", "/blobs/")][:2] == [401, 201]
    assert pull(tmp_path / "again", copy, access=LOGIN)


def test_a_mount_that_is_not_allowed_becomes_an_upload(guarded, tokens, state_dir):
    name, copy = f"{guarded.address}/team/app:1", f"{guarded.address}/other/copy:1"
    pull(state_dir, name, access=LOGIN)
    tokens.rights.clear()
    tokens.rights[USER, "other/copy"] = "pull,push"
    task(state_dir, name, access=LOGIN, tags=[copy], push=True)
    assert 201 not in [one.status for one in guarded.asked("POST", "mount=")]
    assert [one.status for one in guarded.asked("PUT", "/blobs/")] == [201, 201]
    assert guarded.asked("PATCH") == [], "what could go up in one piece went in chunks"
    tokens.rights[USER, "other/copy"] = "pull"
    said = fails(state_dir, name, access=LOGIN, tags=[f"{guarded.address}/other/copy:2"], push=True)
    assert "refuses the credentials of 'tester'" in said


def pushed_again(raw, proxy, state_dir, name, tmp_path):
    """Push an image to a repository that is new, and compare what comes back."""
    repository = f"push/{name}"
    image = pull(state_dir, f"{proxy.address}/source/{name}:1")
    proxy.seen.clear()
    task(state_dir, f"{proxy.address}/source/{name}:1", tags=[f"{proxy.address}/{repository}:1"], push=True)
    assert pull(tmp_path / "again", f"{proxy.address}/{repository}:1").id == image.id


@pytest.mark.parametrize(("least", "sizes"), [("500000", [500_000] * 4), ("9" * 30, [None]), ("\u00b2", [300_000] * 6)])
def test_chunks_when_the_whole_is_too_large(raw, proxy, state_dir, tmp_path, monkeypatch, least, sizes):
    from ansible_collections.agentless.oci.plugins.module_utils.image import upload

    monkeypatch.setattr(upload, "CHUNK", 300_000)
    name = f"large{len(least)}"
    raw.image(f"source/{name}", [[member("file", content=random.Random(6).randbytes(2_000_000))]], "1")

    def rule(seen):
        if seen.method == "POST" and "mount" in seen.path:
            return Fault(status=404)
        if seen.method == "POST":
            return Fault(headers={"OCI-Chunk-Min-Length": least})
        return Fault(status=413) if seen.method == "PUT" and seen.received > 600_000 else None

    proxy.rule = rule
    pushed_again(raw, proxy, state_dir, name, tmp_path)
    sent = [one.received for one in proxy.asked("PATCH")]
    assert sent[: len(sizes)] == (sizes if sizes[0] else [sum(sent)])
    assert {one.status for one in proxy.asked("PATCH")} == {202}


def test_an_upload_that_breaks_off_goes_on(raw, proxy, state_dir, tmp_path, monkeypatch):
    from ansible_collections.agentless.oci.plugins.module_utils.image import transport, upload

    monkeypatch.setattr(upload, "CHUNK", 300_000)
    monkeypatch.setattr(transport, "BACK_OFF", 0.01)
    raw.image("source/broken", [[member("file", content=random.Random(7).randbytes(1_000_000))]], "1")
    answered = iter([None, Fault(drop="before"), Fault(drop="before"), Fault(status=502)])

    def rule(seen):
        if seen.method == "POST" and "mount" in seen.path:
            return Fault(status=404)
        if seen.method == "PUT" and seen.received > 500_000:
            return Fault(drop="before")
        return next(answered, None) if seen.method == "PATCH" else None

    proxy.rule = rule
    pushed_again(raw, proxy, state_dir, "broken", tmp_path)
    assert len(proxy.asked("PATCH")) == 4 + 3, "what the registry had taken was sent again"
    # This registry ends a session whose client does not know what has come in.
    answered = iter([None, Fault(drop="after")])
    proxy.seen.clear()
    task(state_dir, f"{proxy.address}/source/broken:1", tags=[f"{proxy.address}/push/broken2:1"], push=True)
    assert len(proxy.asked("PATCH")) == 2 + 4


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


# Mirrors, proxies, redirects.


def test_mirrors_in_order_and_then_the_registry(raw, registry, proxy, state_dir, make_registry):
    image = raw.image("mirrored/image", [small_layer("a"), small_layer("b")], "1")
    name = f"{registry.address}/mirrored/image:1"
    empty = make_registry()
    with FaultyProxy(empty.address) as second:
        mirrors = {registry.address: ["127.0.0.1:1", second.address, f"http://{proxy.address}"]}
        assert pull(state_dir, name, access={"mirrors": mirrors, **LOGIN}).digest == image["digest"]
        assert [one.status for one in second.asked("HEAD")] == [404]
        assert second.asked("GET", "/blobs/")  # it might have those
        assert proxy.asked("GET", "/manifests/")
        for one in [*proxy.seen, *second.seen]:
            assert "Authorization" not in one.headers
    proxy.rule = lambda seen: Fault(status=500)
    pull(state_dir, name, access={"mirrors": {"*": [proxy.address]}}, force=True)
    said = fails(state_dir, f"{registry.address}/mirrored/none:1", access={"mirrors": {"*": ["127.0.0.1:1"]}})
    assert f"the registry {registry.address} answers 404" in said
    assert "(and before, the registry 127.0.0.1:1 cannot be reached: connection refused)" in said


def test_a_mirror_that_asks_for_a_password_gets_none_of_the_tasks(raw, registry, proxy, state_dir, tmp_path):
    raw.image("mirrored/image", [small_layer("a")], "1")
    name = f"{registry.address}/mirrored/image:1"
    challenge = {"WWW-Authenticate": 'Basic realm="mirror"'}
    proxy.rule = lambda seen: None if "Authorization" in seen.headers else Fault(status=401, headers=challenge)
    access = {"mirrors": {registry.address: [proxy.address]}, **LOGIN}
    pull(state_dir, name, access=access)
    assert [one.method for one in proxy.seen] == ["HEAD"]
    assert all("Authorization" not in one.headers for one in proxy.seen)
    config = tmp_path / "auth.json"
    config.write_text(json.dumps({"auths": {proxy.address: {"auth": BASIC[6:]}}}))
    pull(state_dir, name, access={**access, "authfile": str(config)}, force=True)
    assert [one.status for one in proxy.asked("HEAD") if "Authorization" in one.headers] == [200]


def test_a_mirror_that_lies_is_passed_over(raw, registry, proxy, state_dir):
    raw.image("mirrored/lies", [[member("file", content=random.Random(8).randbytes(500_000))]], "1")
    name = f"{registry.address}/mirrored/lies:1"
    proxy.rule = lambda seen: Fault(corrupt=10) if seen.method == "GET" else None
    pull(state_dir, name, access={"mirrors": {registry.address: proxy.address}})
    assert {one.status for one in proxy.asked("GET")} == {200}


def test_a_mirror_below_a_prefix(raw, registry, proxy, state_dir):
    image = raw.image("cache/hub/library/redis", [small_layer("a")], "7")
    mirrors = {"docker.io": [f"http://{proxy.address}/cache/hub"]}
    assert pull(state_dir, "redis:7", access={"mirrors": mirrors}).digest == image["digest"]


def test_an_http_proxy(raw, proxy, state_dir, monkeypatch):
    raw.image("proxied/image", [small_layer("a")], "1")
    name = f"{UNKNOWN}:5000/proxied/image:1"
    access = {"validate_certs": False}
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{PASSWORD}@{proxy.address}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@{proxy.address}")
    assert pull(state_dir, name, access=access)
    assert [one.path for one in proxy.asked("CONNECT")] == [f"{UNKNOWN}:5000"]
    assert proxy.asked("GET", "/blobs/")
    monkeypatch.setenv("NO_PROXY", "invalid")
    assert "there is no such host" in fails(state_dir, name, access=access, pull="always")
    monkeypatch.delenv("NO_PROXY")
    proxy.rule = lambda seen: Fault(status=407)
    said = fails(state_dir, name, pull="always")
    assert "the proxy in between does not let us through" in said
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@127.0.0.1:1")
    assert "the proxy in between does not let us through" in fails(state_dir, name, pull="always")


def test_no_credentials_for_where_we_are_sent(make_registry, raw, proxy, registry, state_dir):
    guarded = make_registry(auth=f"{USER}:{PASSWORD}")
    Raw(guarded.address, {"Authorization": BASIC}).image("moved/image", [small_layer("a")], "1")
    raw.image("moved/image", [small_layer("a")], "1")
    with FaultyProxy(guarded.address) as first:

        def rule(seen):
            if "/blobs/" not in seen.path:
                return None
            # A name before an @ that looks like this machine, and that would be sent as a login.
            return Fault(status=307, headers={"Location": f"http://localhost:x@{proxy.address}{seen.path}?X-Secret=1"})

        first.rule = rule
        pull(state_dir, f"{first.address}/moved/image:1", access=LOGIN)
    assert first.asked("GET", "/blobs/")[0].headers["Authorization"] == BASIC
    assert proxy.asked("GET", "/blobs/")
    assert all("Authorization" not in one.headers for one in proxy.seen)


def test_who_we_are_sent_to_does_not_get_to_ask_for_the_password(make_registry, raw, proxy, state_dir):
    """A challenge of theirs would have the registry's password sent to a token server of theirs."""
    guarded = make_registry(auth=f"{USER}:{PASSWORD}")
    Raw(guarded.address, {"Authorization": BASIC}).image("moved/image", [small_layer("a")], "1")
    realm = f'Bearer realm="http://{proxy.address}/token",service="theirs"'
    proxy.rule = lambda seen: Fault(status=401, headers={"WWW-Authenticate": realm})
    elsewhere = {"Location": f"http://{proxy.address}/v2/moved/image/blobs/uploads/1"}
    with FaultyProxy(guarded.address) as first:
        first.rule = lambda seen: Fault(status=307, headers=elsewhere) if "/blobs/" in seen.path else None
        said = fails(state_dir, f"{first.address}/moved/image:1", access=LOGIN)
        assert f"{proxy.address}, where the registry {first.address} sends us, wants a login of its own" in said
        first.rule = lambda seen: None
        image = pull(state_dir, f"{first.address}/moved/image:1", access=LOGIN)

        def no_mount_and_an_upload_elsewhere(seen):
            if seen.method != "POST":
                return None
            return Fault(status=404) if "mount=" in seen.path else Fault(headers=elsewhere)

        first.rule = no_mount_and_an_upload_elsewhere
        copy = {"tags": [f"{first.address}/moved/copy:1"], "push": True}
        assert "wants a login of its own" in fails(state_dir, image.id, access=LOGIN, **copy)
    assert {one.method for one in proxy.seen} == {"GET", "PUT"}
    for one in proxy.seen:
        assert "/token" not in one.path
        assert "Authorization" not in one.headers


def test_a_signed_address_is_in_no_message(raw, proxy, state_dir):
    raw.image("signed/image", [small_layer("a")], "1")

    def rule(seen):
        if "/blobs/" in seen.path:
            return Fault(status=307, headers={"Location": f"http://127.0.0.1:1/x?X-Amz-Signature={PASSWORD}"})
        return None

    proxy.rule = rule
    fails(state_dir, f"{proxy.address}/signed/image:1")


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
