# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to real registries: mirrors, proxies and redirects, and what none of them gets to know."""

from __future__ import annotations

import json
import random
import shutil

import pytest
from faulty_proxy import Fault, FaultyProxy
from image_sources import Raw, pull, small_layer
from oci_layout import member
from registry_logins import BASIC, LOGIN, PASSWORD, USER, fails

pytestmark = [
    pytest.mark.skipif(
        not shutil.which("docker-registry") or not shutil.which("openssl"), reason="needs docker-registry and openssl"
    ),
    pytest.mark.usefixtures("nobody_is_logged_in"),
]

UNKNOWN = "registry.unknown.invalid"


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
