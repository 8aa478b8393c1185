# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credential helpers: which is asked, about what, and what its answers mean."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import authfile, credhelper
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.reference import parse

SECRET = "s3cret"


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Installs a helper of a shell script; what it was asked is in the file asked."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def install(name, script):
        path = tmp_path / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\nread server\necho {name} $1 $server >>{tmp_path}/asked\n{script}\n")
        path.chmod(0o755)

    install("good", f"""echo '{{"ServerURL": "x", "Username": "me", "Secret": "{SECRET}"}}'""")
    return install


@pytest.fixture
def asked(tmp_path):
    return lambda: (tmp_path / "asked").read_text().splitlines()


def found(tmp_path, document, name="r.example/a/b"):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(document))
    return authfile.from_authfile(str(path), parse(name), required=True)


def entry(text):
    return {"auth": base64.b64encode(text.encode()).decode()}


def test_which_one_counts(helper, tmp_path, asked):
    helper("other", "echo 'credentials not found in native keychain'; exit 1")
    document = {
        "credHelpers": {"r.example": "good"},
        "credsStore": "other",
        "auths": {"r.example/a": entry("file:password"), "empty.example": {}},
    }
    credentials = found(tmp_path, document)
    assert (credentials.username, credentials.password) == ("me", SECRET)
    assert credentials.source == "credential helper docker-credential-good"
    assert asked() == ["good get r.example"]
    del document["credHelpers"]
    assert found(tmp_path, document).username == "file"
    assert len(asked()) == 1
    document["credsStore"] = "good"
    assert found(tmp_path, document, "empty.example/x").username == "me"
    document["credsStore"] = "other"
    assert found(tmp_path, document, "empty.example/x") is None


@pytest.mark.parametrize("key", ["docker.io", "https://index.docker.io/v1/", "index.docker.io"])
def test_docker_hub(helper, tmp_path, asked, key):
    assert found(tmp_path, {"credHelpers": {key: "good"}}, "redis").username == "me"
    assert asked() == ["good get https://index.docker.io/v1/"]


def test_a_token(helper):
    helper("token", """echo '{"Username": "<token>", "Secret": "t0ken"}'""")
    credentials = credhelper.ask("token", "r.example", "/f")
    assert (credentials.username, credentials.identity_token) == ("", "t0ken")


@pytest.mark.parametrize(
    ("name", "script", "said"),
    [
        ("missing", None, "there is no such program"),
        ("../evil", None, "no name of a program"),
        ("fails", "echo the vault is locked; exit 3", "the vault is locked"),
        ("mute", "exit 3", "ends with status 3"),
        ("babbles", f"echo {SECRET}", "no JSON object with Username and Secret"),
        ("half", f"""echo '{{"Secret": "{SECRET}"}}'""", "no JSON object with Username and Secret"),
        ("wrong", f"""echo '{{"Username": 5, "Secret": "{SECRET}"}}'""", "no JSON object with Username and Secret"),
    ],
)
def test_helpers_that_do_not_help(helper, name, script, said):
    if script:
        helper(name, script)
    with pytest.raises(ImageError, match=said) as caught:
        credhelper.ask(name, "r.example", "/f")
    assert SECRET not in str(caught.value)
    assert caught.value.hint


def test_one_that_waits_for_a_person(helper, monkeypatch):
    monkeypatch.setattr(credhelper, "PATIENCE", 0.2)
    helper("waits", "exec sleep 30")
    with pytest.raises(ImageError, match="does not answer within"):
        credhelper.ask("waits", "r.example", "/f")


def test_where_other_tools_keep_them(tmp_path):
    places = list(authfile.default_authfiles({"HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/user/5"}))
    assert places[0] == "/run/user/5/containers/auth.json"
    assert places[1].startswith("/run/containers/")
    assert places[2:-1] == ["/home/me/.config/containers/auth.json", "/home/me/.docker/config.json"]
    assert places[-1] == "/home/me/.dockercfg"
    elsewhere = {"HOME": "/home/me", "XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d"}
    assert list(authfile.default_authfiles(elsewhere))[1:-1] == ["/c/containers/auth.json", "/d/config.json"]
    assert list(authfile.default_authfiles({"REGISTRY_AUTH_FILE": "/a.json"})) == ["/a.json"]
