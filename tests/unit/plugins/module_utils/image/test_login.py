# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a token is asked for: once for all threads, again before it ends, never more often than needed."""

from __future__ import annotations

import threading
import types

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import login
from ansible_collections.agentless.oci.plugins.module_utils.image.auth import Access
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.reference import parse

CHALLENGE = (
    'Bearer realm="https://user:pass@auth.example/token",service="s",scope="repository:a/b:pull repository:c:pull"'
)


class Answer:
    def __init__(self, status_code, document):
        self.status_code = status_code
        self.document = document

    def json(self):
        return self.document

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        pass


class Server:
    """A token server that counts; ``stated`` goes into its answers."""

    def __init__(self):
        self.asked = []
        self.stated = {}
        self.document = None

    def __call__(self, method, url, what, arguments):
        self.asked.append((method, url, arguments))
        return Answer(200, self.document or {"token": f"t{len(self.asked)}", **self.stated})


@pytest.fixture
def clock(monkeypatch):
    now = types.SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(login, "time", types.SimpleNamespace(monotonic=lambda: now.seconds))
    return now


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def made(server, clock, monkeypatch, tmp_path):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))
    return login.Login(parse("r.example/a/b:1"), "r.example", Access("me", "secret"), server, lambda host: True)


def test_what_is_sent_to_a_token_server(made, server):
    made.answer(CHALLENGE, made.header("pull"), "pull")
    assert made.header("pull") == "Bearer t1"
    [(method, url, arguments)] = server.asked
    assert (method, url) == (
        "GET",
        "https://auth.example/token",
    )  # what stands before the @ is the registry's, not ours
    assert arguments["params"] == {"scope": ["repository:a/b:pull", "repository:c:pull"], "service": "s"}
    assert arguments["headers"]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("stated", "good_until"),
    [({}, 55), ({"expires_in": 300}, 295), ({"expires_in": "soon"}, 55), ({"expires_in": 0}, 55)],
)
def test_renewed_before_it_ends(made, server, clock, stated, good_until):
    server.stated = stated
    made.answer(CHALLENGE, "", "pull")
    clock.seconds += good_until - 1
    assert made.header("pull") == "Bearer t1"
    clock.seconds += 2
    assert made.header("pull") == "Bearer t2"
    assert made.header("pull") == "Bearer t2"


def test_a_token_that_hardly_lives_is_left_to_the_registry(made, server, clock):
    server.stated = {"expires_in": 3}
    made.answer(CHALLENGE, "", "pull")
    clock.seconds += 100
    assert made.header("pull") == "Bearer t1"
    made.answer(CHALLENGE, "Bearer t1", "pull")
    assert made.header("pull") == "Bearer t2"


def test_threads_that_are_refused_together_ask_once(made, server):
    made.answer(CHALLENGE, "", "pull")
    sent = made.header("pull")
    threads = [threading.Thread(target=made.answer, args=(CHALLENGE, sent, "pull")) for _thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 2


def test_pushing_needs_another_token(made, server):
    made.answer('Bearer realm="https://auth.example/token"', "", "pull")
    made.want_push()
    assert made.header("push") == ""
    made.answer('Bearer realm="https://auth.example/token"', "", "push")
    assert [arguments["params"]["scope"] for _method, _url, arguments in server.asked] == [
        ["repository:a/b:pull"],
        ["repository:a/b:pull,push"],
    ]


@pytest.mark.parametrize(
    ("challenge", "document", "said"),
    [
        ("", None, "without saying how to log in"),
        ("Negotiate", None, "without saying how to log in"),
        ('Bearer realm="http://auth.example/token"', None, "is not encrypted"),
        ('Bearer realm="token"', None, "names no usable token server"),
        ('Bearer realm="http://[bad/"', None, "names no usable token server"),
        ('Bearer realm="https://auth.example:99999/"', None, "names no usable token server"),
        (CHALLENGE, {"token": ""}, "gave no token"),
        (CHALLENGE, {"token": "two\r\nlines"}, "gave no token"),
        (CHALLENGE, ["token"], "gave no token"),
    ],
)
def test_challenges_that_lead_nowhere(made, server, challenge, document, said):
    server.document = document
    with pytest.raises(ImageError, match=said) as caught:
        made.answer(challenge, "", "pull x")
    assert "secret" not in str(caught.value)
    assert "user:pass" not in str(caught.value)
