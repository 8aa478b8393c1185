# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials and challenges."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import auth, authfile, challenge
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.reference import parse


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("", []),
        ('Basic realm="x"', [("basic", {"realm": "x"})]),
        (
            'Bearer realm="https://a/t",service="s, t",scope="repository:a/b:pull,push"',
            [("bearer", {"realm": "https://a/t", "service": "s, t", "scope": "repository:a/b:pull,push"})],
        ),
        ('Basic realm="a\\"b", Bearer realm=c', [("basic", {"realm": 'a"b'}), ("bearer", {"realm": "c"})]),
        ("Negotiate, Basic", [("negotiate", {}), ("basic", {})]),
        ('Bearer  realm = "x" , error="y', [("bearer", {"realm": "x", "error": "y"})]),
        ("=,=,", []),
    ],
)
def test_challenges(header, challenges):
    assert challenge.parse_challenges(header) == challenges


def entry(text):
    return {"auth": base64.b64encode(text.encode()).decode()}


def test_authfile_takes_the_most_specific_entry(tmp_path):
    path = tmp_path / "auth.json"
    path.write_text(
        json.dumps({"auths": {"quay.io": entry("host:1"), "quay.io/team": entry("team:2:3"), "quay.io/team/x": {}}})
    )
    found = authfile.from_authfile(str(path), parse("quay.io/team/app:1"), required=True)
    assert (found.username, found.password) == ("team", "2:3")
    found = authfile.from_authfile(str(path), parse("quay.io/other"), required=True)
    assert (found.username, found.password) == ("host", "1")
    assert authfile.from_authfile(str(path), parse("localhost:5000/x"), required=True) is None


@pytest.mark.parametrize("key", ["docker.io", "https://index.docker.io/v1/", "index.docker.io"])
def test_docker_hub_is_found_by_its_odd_keys(tmp_path, key):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {key: entry("me:secret")}}))
    assert authfile.from_authfile(str(path), parse("redis"), required=True).username == "me"


def test_identity_token(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {"r.example": {"identitytoken": "t0ken", **entry("x:y")}}}))
    assert authfile.from_authfile(str(path), parse("r.example/x"), required=True).identity_token == "t0ken"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("{", "not valid JSON"),
        ("[]", "not valid JSON with a dictionary"),
        ('{"auths": {"quay.io": {"auth": "%%%"}}}', "no base64 of user:password"),
    ],
)
def test_bad_authfiles(tmp_path, content, said):
    path = tmp_path / "auth.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ImageError, match=said):
        authfile.from_authfile(str(path), parse("quay.io/x"), required=True)


def test_missing_default_authfile_means_anonymous(tmp_path, monkeypatch):
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert auth.Access().credentials(parse("r.example.invalid/x")) is None
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {"r.example.invalid": entry("a:b")}}))
    assert auth.Access().credentials(parse("r.example.invalid/x")).username == "a"
    assert auth.Access("u", "p").credentials(parse("r.example.invalid/x")).username == "u"


def test_half_a_login_is_refused():
    with pytest.raises(ImageError, match="password is missing"):
        auth.Access(username="me")
