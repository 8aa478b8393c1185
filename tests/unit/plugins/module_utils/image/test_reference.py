# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References as users write them."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import reference
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7", "docker.io/library/redis:7"),
        ("team/app", "docker.io/team/app:latest"),
        ("docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/team/app:1", "docker.io/team/app:1"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("localhost:5000/x:y", "localhost:5000/x:y"),
        ("127.0.0.1:5000/a/b/c:1.2-3_4", "127.0.0.1:5000/a/b/c:1.2-3_4"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("quay.io/a/b@" + DIGEST, "quay.io/a/b@" + DIGEST),
        ("quay.io/a/b:1@" + DIGEST, "quay.io/a/b@" + DIGEST),
        ("MyHost/x", "MyHost/x:latest"),
        ("a__b/c.d/e---f", "docker.io/a__b/c.d/e---f:latest"),
        ("registry.example.com/shop/redis:" + "x" * 128, "registry.example.com/shop/redis:" + "x" * 128),
    ],
)
def test_full_name(text, full):
    assert reference.normalise(text) == full
    assert reference.normalise(full) == full


def test_parts_of_a_name_with_tag_and_digest():
    parsed = reference.parse("localhost:5000/a/b:7@" + DIGEST)
    assert (parsed.host, parsed.path, parsed.tag, parsed.digest) == ("localhost:5000", "a/b", "7", DIGEST)
    assert parsed.wanted == DIGEST
    assert parsed.repository == "localhost:5000/a/b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        (" redis", "white space"),
        ("re dis", "white space"),
        ("https://quay.io/a/b", "Write it without: quay.io/a/b"),
        ("Redis", "Write it in lower case: redis"),
        ("quay.io/Team/app", "Write it in lower case: team"),
        ("redis:", "the tag '' is not allowed"),
        ("redis:-1", "the tag '-1' is not allowed"),
        ("redis:" + "x" * 129, "is not allowed"),
        ("redis@sha256:abc", "'sha256:abc' is no digest"),
        ("redis@md5:" + "a" * 32, "is no digest"),
        ("redis@" + DIGEST.upper().replace("SHA256", "sha256"), "is no digest"),
        ("quay.io/", "name is missing"),
        ("quay.io//x", "a part of the name is empty"),
        ("quay.io/a/../b", "'..' is not allowed"),
        ("a_-b", "'a_-b' is not allowed"),
        ("quay.io:99999/x", "no port 99999"),
        ("-bad.host/x", "is no host name"),
        ("quay.io/" + "a" * 256, "longer than 255"),
        ("a1" * 32, "it is an image id"),
    ],
)
def test_malformed(text, said):
    with pytest.raises(ImageError) as caught:
        reference.parse(text)
    assert said in str(caught.value)
    assert caught.value.hint


def test_ids():
    assert reference.is_image_id("a1" * 32)
    assert reference.is_image_id(DIGEST)
    assert not reference.is_image_id("a1" * 31)
    assert reference.is_image_id("a1" * 64)
    assert reference.is_image_id("sha512:" + "a1" * 64)
    assert not reference.is_image_id("sha512:" + "a1" * 32)
    assert not reference.is_image_id("sha256:" + "a1" * 64)
    assert reference.is_short_id("a1" * 6)
    assert not reference.is_short_id("a1b2")
