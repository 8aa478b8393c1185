# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms, and choosing among an index's images."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import media
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError

INDEX = [
    {"digest": "attestation", "platform": {"os": "unknown", "architecture": "unknown"}},
    {"digest": "windows", "platform": {"os": "windows", "architecture": "amd64"}},
    {"digest": "amd64", "platform": {"os": "linux", "architecture": "amd64"}},
    {"digest": "arm-v5", "platform": {"os": "linux", "architecture": "arm", "variant": "v5"}},
    {"digest": "arm-v7", "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
    {"digest": "arm64", "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
]


@pytest.mark.parametrize(
    ("wanted", "digest"),
    [
        ("linux/amd64", "amd64"),
        ("amd64", "amd64"),
        ("x86_64", "amd64"),
        ("linux/arm/v7", "arm-v7"),
        ("linux/arm/v6", "arm-v5"),
        ("linux/arm/v8", "arm-v7"),
        ("linux/amd64/v2", "amd64"),
        ("armv7l", "arm-v7"),
        ("linux/arm", "arm-v5"),
        ("linux/arm64", "arm64"),
        ("linux/arm64/v8", "arm64"),
        ("aarch64", "arm64"),
        ("windows/amd64", "windows"),
    ],
)
def test_choose(wanted, digest):
    assert media.choose(INDEX, media.parse_platform(wanted), "x")["digest"] == digest


@pytest.mark.parametrize(
    ("here", "image", "distance"),
    [
        ("linux/amd64", "linux/amd64", 0),
        ("linux/amd64", "linux/amd64/v3", 1),
        ("linux/amd64/v2", "linux/amd64", 1),
        ("linux/amd64/v2", "linux/amd64/v3", None),
        ("linux/amd64", "linux/arm64", None),
        ("linux/amd64", "windows/amd64", None),
        ("linux/arm/v7", "linux/arm/v7", 0),
        ("linux/arm/v7", "linux/arm/v6", 1),
        ("linux/arm/v7", "linux/arm/v5", 2),
        ("linux/arm/v7", "linux/arm", 3),
        ("linux/arm/v7", "linux/arm/v8", None),
        ("linux/arm/v6", "linux/arm/v7", None),
        ("linux/arm64", "linux/arm64/v8", 0),
        ("linux/arm64", "linux/arm/v7", None),
    ],
)
def test_what_runs_where(here, image, distance):
    platform, other = media.parse_platform(here), media.parse_platform(image)
    assert platform.distance(other) == distance
    assert platform.accepts(other) is (distance is not None)


def test_choose_names_what_there_is():
    with pytest.raises(ImageError) as caught:
        media.choose(INDEX, media.parse_platform("linux/s390x"), "quay.io/a/b:1")
    assert "quay.io/a/b:1 has no image for the platform linux/s390x" in str(caught.value)
    assert "linux/amd64, linux/arm/v5, linux/arm/v7, linux/arm64, windows/amd64" in str(caught.value)
    assert "unknown" not in str(caught.value)


def test_a_single_image_without_platform_is_taken():
    assert media.choose([{"digest": "only"}], media.parse_platform("amd64"), "x") == {"digest": "only"}


def test_candidates_in_an_index():
    """Images first, the equal variant before, then indexes that do not say what they are for; nothing else."""
    here = {"os": "linux", "architecture": "arm"}
    listed = [
        {"digest": "inner", "mediaType": media.OCI_INDEX},
        {"digest": "signature", "artifactType": "application/x", "platform": {**here, "variant": "v7"}},
        {"digest": "attestation", "platform": {"os": "unknown", "architecture": "unknown"}},
        {"digest": "nameless", "mediaType": media.OCI_MANIFEST},
        {
            "digest": "inner for others",
            "mediaType": media.OCI_INDEX,
            "platform": {"os": "linux", "architecture": "s390x"},
        },
        {"digest": "any", "platform": here},
        {"digest": "v7", "platform": {**here, "variant": "v7"}},
        {"digest": "docker's inner", "mediaType": media.DOCKER_LIST},
    ]
    found = [descriptor["digest"] for descriptor in media.candidates(listed, media.parse_platform("linux/arm"))]
    assert found == ["any", "v7", "inner", "docker's inner"]
    found = [descriptor["digest"] for descriptor in media.candidates(listed, media.parse_platform("linux/arm/v7"))]
    assert found == ["v7", "any", "inner", "docker's inner"]
    assert media.offers(listed) == {"linux/arm", "linux/arm/v7", "linux/s390x"}


def test_what_is_foreign():
    layer = {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "urls": ["https://x.example/y"]}
    assert media.is_foreign(layer)
    assert not media.is_foreign({**layer, "urls": []})
    assert not media.is_foreign({**layer, "mediaType": media.layer_type("gzip")})


@pytest.mark.parametrize("text", ["", "linux/", "a/b/c/d", "linux/amd 64"])
def test_no_platform(text):
    with pytest.raises(ImageError, match="is not a platform"):
        media.parse_platform(text)


def test_host_platform():
    assert str(media.host_platform("x86_64")) == "linux/amd64"
    assert str(media.host_platform("armv7l")) == "linux/arm/v7"
    assert str(media.host_platform("mips64")) == "linux/mips64"


def test_layer_compression():
    assert media.layer_compression("application/vnd.oci.image.layer.v1.tar+zstd", "x") == "zstd"
    assert media.layer_compression("application/vnd.docker.image.rootfs.diff.tar.gzip", "x") == "gzip"
    with pytest.raises(ImageError, match="unknown type 'text/plain'"):
        media.layer_compression("text/plain", "x")
