# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors as users write them, and the places that they make."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import mirrors
from ansible_collections.agentless.oci.plugins.module_utils.image.auth import Access
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.reference import parse


def places(name, **given):
    return [
        (place.scheme, str(place.reference), place.mirror)
        for place in mirrors.places(parse(name), mirrors.checked(given["mirrors"]))
    ]


def test_in_order_and_the_registry_last():
    listed = {
        "docker.io": ["cache.lan:5000", "http://10.0.0.1/hub/", "https://m.example.com"],
        "*": ["any.example.com"],
    }
    assert places("redis:7", mirrors=listed) == [
        ("", "cache.lan:5000/library/redis:7", True),
        ("http", "10.0.0.1/hub/library/redis:7", True),
        ("https", "m.example.com/library/redis:7", True),
        ("", "docker.io/library/redis:7", False),
    ]
    digest = "sha256:" + "a" * 64
    assert places(f"quay.io/a/b@{digest}", mirrors=listed) == [
        ("", f"any.example.com/a/b@{digest}", True),
        ("", f"quay.io/a/b@{digest}", False),
    ]


def test_no_mirror_for_this_one():
    assert places("quay.io/a:1", mirrors={"*": "m.example.com", "quay.io": []}) == [("", "quay.io/a:1", False)]
    assert places("redis:7", mirrors={"index.docker.io": "m.example.com"})[0][1] == "m.example.com/library/redis:7"


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ({"docker.io": 5}, "neither a mirror nor a list"),
        ({"docker.io": [5]}, "neither a mirror nor a list"),
        ({"docker.io": ["ftp://x.example"]}, "an address of http or https"),
        ({"docker.io": ["me:secret@x.example"]}, "an address of http or https"),
        ({"docker.io": ["x.example:70000"]}, "there is no port 70000"),
        ({"docker.io": ["x.example/UPPER"]}, "upper-case"),
        ({"docker.io": ["name"]}, "neither a dot nor a port"),
        ({"docker.io": [""]}, "is not valid"),
        ({"docker.io": ["x.example y"]}, "white space"),
    ],
)
def test_what_is_no_mirror(listed, said):
    with pytest.raises(ImageError, match=said) as caught:
        Access(mirrors=listed)
    assert "REGISTRY: [MIRROR" in caught.value.hint


def test_a_mirror_gets_no_password_of_the_task():
    access = Access("me", "secret", "/auth.json", False, "/ca", {"*": ["m.example.com"]}).for_mirror()
    assert (access.username, access.password, access.mirrors) == (None, None, {})
    assert (access.authfile, access.validate_certs, access.ca_path) == ("/auth.json", False, "/ca")
