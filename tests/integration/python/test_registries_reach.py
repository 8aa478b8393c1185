# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How real registries are reached: TLS through a proxy, logins where other tools leave them, and slow networks."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import transport
from ansible_collections.agentless.oci.plugins.module_utils.image.auth import Access
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError, RegistryUnavailable
from ansible_collections.agentless.oci.plugins.module_utils.image.reference import parse
from ansible_collections.agentless.oci.plugins.module_utils.image.registry import Registry
from faulty_proxy import Fault, FaultyProxy
from image_sources import Raw, pull, small_layer, task
from oci_layout import member
from registry_logins import BASIC, LOGIN, PASSWORD, USER

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("docker-registry", "openssl", "skopeo"))),
    reason="needs docker-registry, openssl and skopeo",
)

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")
UNKNOWN = "registry.unknown.invalid"


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch, tmp_path):
    """No login and no proxy of the tester's own; a home of the test's own."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, directory in (("HOME", "home"), ("XDG_RUNTIME_DIR", "run")):
        (tmp_path / directory).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / directory))


def copy(source, target, *options):
    subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", *options, source, target], check=True)


# TLS through a proxy.


@pytest.fixture
def behind(make_registry, raw, registry):
    """A proxy, the only one who knows where registry.unknown.invalid is: it speaks TLS and wants a password."""
    hidden = make_registry(auth=f"{USER}:{PASSWORD}", tls=True, hosts=[UNKNOWN])
    raw.image("proxied/image", [small_layer("a"), small_layer("b")], "1")
    source = f"docker://{registry.address}/proxied/image:1"
    login = f"--dest-creds={USER}:{PASSWORD}"
    copy(source, f"docker://{hidden.address}/proxied/image:1", "--src-tls-verify=false", login)
    with FaultyProxy(hidden.address) as running:
        yield running, hidden


def test_a_registry_with_tls_behind_a_proxy(behind, state_dir, monkeypatch):
    proxy, hidden = behind
    name = f"{UNKNOWN}:5000/proxied/image:1"
    monkeypatch.setenv("HTTPS_PROXY", f"http://proxyuser:{PASSWORD}@{proxy.address}")
    with pytest.raises(ImageError, match=f"{UNKNOWN}:5000 cannot be reached: its certificate cannot be verified"):
        task(state_dir, name, access=LOGIN)
    proxy.seen.clear()
    assert pull(state_dir, name, access={**LOGIN, "ca_path": hidden.ca})
    assert {(one.method, one.path) for one in proxy.seen} == {("CONNECT", f"{UNKNOWN}:5000")}
    mine = "Basic " + base64.b64encode(f"proxyuser:{PASSWORD}".encode()).decode()
    for one in proxy.seen:
        assert one.headers.get("Proxy-Authorization") == mine
        assert "Authorization" not in one.headers, "the registry's password was shown to the proxy"
    assert not task(state_dir, name, access={**LOGIN, "ca_path": hidden.ca}, pull="always")[0].changed
    proxy.rule = lambda seen: Fault(status=407)
    with pytest.raises(RegistryUnavailable, match="the proxy in between does not let us through") as caught:
        task(state_dir, name, access={**LOGIN, "ca_path": hidden.ca}, pull="always")
    assert PASSWORD not in str(caught.value)


def test_the_same_with_the_hosts_own_requests(behind, state_dir, monkeypatch):
    proxy, hidden = behind
    name = f"{UNKNOWN}:5000/proxied/image:1"
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", hidden.ca)
    command = ["/usr/bin/python3", "-I", AOCI, "pull", "-q", "--creds", f"{USER}:{PASSWORD}", name]
    assert subprocess.run(command, check=True, timeout=120, capture_output=True).stdout.startswith(b"sha256:")
    assert {one.method for one in proxy.seen} == {"CONNECT"}
    monkeypatch.setenv("NO_PROXY", UNKNOWN)
    command.insert(-1, "--tls-verify=false")
    assert b"there is no such host" in subprocess.run(command, check=False, timeout=120, capture_output=True).stderr


def test_a_certificate_that_nobody_signed_for_us(behind, state_dir):
    """``--tls-verify=false``: any certificate will do; ``--cert-dir``: one of that authority."""
    _proxy, hidden = behind
    name = f"{hidden.address}/proxied/image:1"
    command = ["/usr/bin/python3", "-I", AOCI, "pull", "--creds", f"{USER}:{PASSWORD}", name]
    refused = subprocess.run(command, check=False, timeout=120, capture_output=True)
    assert b"its certificate cannot be verified" in refused.stderr
    command.insert(-1, "--tls-verify=false")
    assert b"pulled image" in subprocess.run(command, check=True, timeout=120, capture_output=True).stdout
    command[-2:-1] = ["--cert-dir", hidden.ca]
    assert b"up to date" in subprocess.run(command, check=True, timeout=120, capture_output=True).stdout


# Logins that other tools left.


@pytest.fixture
def guarded(make_registry):
    registry = make_registry(auth=f"{USER}:{PASSWORD}")
    Raw(registry.address, {"Authorization": BASIC}).image("guarded/image", [small_layer("a")], "1")
    return registry


def test_a_login_of_skopeos_is_used(guarded, state_dir, tmp_path):
    """In containers' auth.json, where it puts it."""
    name = f"{guarded.address}/guarded/image:1"
    with pytest.raises(ImageError, match="it wants a login and none is given"):
        pull(state_dir, name)
    login = ["skopeo", "login", "--tls-verify=false", "-u", USER, "--password-stdin", guarded.address]
    subprocess.run(login, input=PASSWORD.encode(), check=True, capture_output=True)
    assert os.path.exists(tmp_path / "run/containers/auth.json")
    assert pull(state_dir, name)
    subprocess.run(["skopeo", "logout", guarded.address], check=True, capture_output=True)
    with pytest.raises(ImageError, match="it wants a login and none is given"):
        pull(state_dir, name, pull="always")


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (".docker/config.json", lambda entry: {"auths": entry}),
        (".docker/config.json", lambda entry: {"auths": {next(iter(entry)): {}}, "credsStore": "tests"}),
        (".docker/config.json", lambda entry: {"credHelpers": {next(iter(entry)): "tests"}}),
        (".config/containers/auth.json", lambda entry: {"auths": entry}),
        (".dockercfg", lambda entry: entry),
    ],
    ids=["docker", "store", "helper", "containers", "old"],
)
def test_a_login_in_the_home(guarded, state_dir, tmp_path, monkeypatch, path, document):
    helper = tmp_path / "bin/docker-credential-tests"
    helper.parent.mkdir()
    helper.write_text(f'#!/bin/sh\necho \'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:{os.environ['PATH']}")
    file = tmp_path / "home" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document({guarded.address: {"auth": BASIC[6:], "email": "me@example.com"}})))
    assert pull(state_dir, f"{guarded.address}/guarded/image:1")


# Slow networks.


def test_an_answer_that_does_not_come_is_asked_for_again(raw, proxy, state_dir, monkeypatch):
    monkeypatch.setattr(transport, "TIMEOUTS", (1, 0.4))
    monkeypatch.setattr(transport, "BACK_OFF", 0.01)
    raw.image("slow/image", [small_layer("a")], "1")
    late = {"HEAD": 1, "GET": 1}

    def rule(seen):
        late[seen.method] -= 1
        return Fault(delay=1.0) if late[seen.method] >= 0 else None

    proxy.rule = rule
    assert pull(state_dir, f"{proxy.address}/slow/image:1")
    assert len(proxy.asked("HEAD")) == 2
    proxy.rule = lambda seen: Fault(delay=1.0)
    with pytest.raises(RegistryUnavailable, match="no answer in time"):
        pull(state_dir, f"{proxy.address}/slow/image:1", pull="always")


def test_a_blob_that_stops_coming_goes_on_where_it_was(raw, proxy, state_dir, monkeypatch):
    """Nobody closes the connection, there is just nothing more on it."""
    monkeypatch.setattr(transport, "TIMEOUTS", (1, 0.5))
    monkeypatch.setattr(transport, "BACK_OFF", 0.01)
    raw.image("slow/blob", [[member("file", content=random.Random(9).randbytes(600_000))]], "1")
    [layer] = raw.document("slow/blob", "1")["layers"]
    stalled = [Fault(stall=400_000)]
    proxy.rule = lambda seen: stalled.pop() if stalled and layer["digest"] in seen.path else None
    assert pull(state_dir, f"{proxy.address}/slow/blob:1")
    first, second = proxy.asked("GET", layer["digest"])
    assert (first.status, second.status) == (200, 206)
    start = int(second.headers["Range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 400_000


@pytest.mark.parametrize(
    ("fault", "least"),
    [(Fault(status=429, headers={"Retry-After": "3"}), 3), (Fault(status=503), 0), (Fault(drop="before"), 0)],
    ids=["asked to", "busy", "cut"],
)
def test_clients_that_are_refused_together_do_not_come_back_together(raw, proxy, registry, fault, least):
    raw.image("limited/image", [small_layer("a")], "1")
    slept = []
    for _client in range(4):
        left = [fault]
        proxy.rule = lambda _seen, left=left: left.pop() if left else None
        client = Registry(parse(f"{proxy.address}/limited/image:1"), Access(), sleep=slept.append)
        client.head()
        client.close()
    assert len(set(slept)) == 4
    assert all(least <= seconds < least + 1 for seconds in slept)
