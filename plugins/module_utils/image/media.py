# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media types of image-spec 1.1 and of Docker's schema 2, and the platform of an image."""

from __future__ import annotations

from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_LIST)
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST))

REF_NAME = "org.opencontainers.image.ref.name"

_LAYERS = {
    "application/vnd.oci.image.layer.v1.tar": "tar",
    "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar": "tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
    "application/vnd.docker.image.rootfs.diff.tar": "tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar": "tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
}

# Layers that only their maker may give out: a manifest names them by ``urls``, a registry need not have them.
_FOREIGN = ("application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign.")

# What `uname -m` says → what images say (GOARCH, variant).
_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
    "loongarch64": ("loong64", ""),
}

_ARM = ("v8", "v7", "v6", "v5")  # variants of 32-bit ARM; each runs what is for those after it
_INDEX = 99  # of an index in the order of candidates: after all images


class Platform:
    """Operating system, architecture and variant as image-spec writes them (``linux``, ``arm``, ``v7``)."""

    __slots__ = ("architecture", "os", "variant")

    def __init__(self, os_name: str, architecture: str, variant: str = "") -> None:
        self.os = os_name
        self.architecture = architecture
        # arm64 has only one variant in use; images name it or leave it out.
        self.variant = "" if (architecture, variant) == ("arm64", "v8") else variant

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def accepts(self, other: Platform) -> bool:
        """Whether an image for *other* runs here, as far as one can tell; no variant asked for means any."""
        return self.distance(other) is not None

    def distance(self, other: Platform) -> int | None:
        """How far *other*, an image's platform, is from this one: 0 for the very same, None if it does not do.

        Where this one has a variant, an image that names none may do; and on 32-bit ARM so does every older one, the
        newest first.
        """
        if (self.os, self.architecture) != (other.os, other.architecture):
            return None
        if not self.variant:
            return 1 if other.variant else 0
        fitting: tuple[str, ...] = (self.variant,)
        if self.architecture == "arm" and self.variant in _ARM:
            fitting = _ARM[_ARM.index(self.variant) :]
        order = (*fitting, "")
        return order.index(other.variant) if other.variant in order else None

    @classmethod
    def of(cls, document: dict[str, Any]) -> Platform:
        """From a descriptor's ``platform`` or an image config, which spell it alike."""
        return cls(
            str(document.get("os") or "linux"),
            str(document.get("architecture") or ""),
            str(document.get("variant") or ""),
        )


def parse_platform(text: str) -> Platform:
    """``linux/arm/v7``, ``linux/amd64`` or only ``amd64``. Raises ImageError."""
    parts = text.lower().split("/")
    if len(parts) == 1:
        parts.insert(0, "linux")
    if not 2 <= len(parts) <= 3 or not all(part.replace("_", "").isalnum() for part in parts):
        raise ImageError(
            f"'{text}' is not a platform",
            step="platform",
            obj=text,
            hint="Write OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, for example linux/amd64 or linux/arm/v7",
        )
    architecture, variant = _MACHINES.get(parts[1], (parts[1], ""))
    return Platform(parts[0], architecture, parts[2] if len(parts) == 3 else variant)


def host_platform(machine: str) -> Platform:
    """The platform of a Linux host whose uname(2) says *machine*."""
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform("linux", architecture, variant)


def candidates(manifests: list[dict[str, Any]], platform: Platform) -> list[dict[str, Any]]:
    """The descriptors in an index that may lead to the image for *platform*, in the order to look at them.

    First the images for it, the nearest variant before others, and of equals the first, as image-spec wants. Then the
    indexes within the index that do not say what they are for. What is no image (attestations, whose platform is
    unknown; signatures and other artifacts, with an ``artifactType``) is left out. An only entry need not say its
    platform.
    """
    fitting: list[tuple[int, int, dict[str, Any]]] = []
    images = [d for d in manifests if not d.get("artifactType")]
    for descriptor in images:
        entry = descriptor.get("platform")
        if isinstance(entry, dict):
            distance = platform.distance(Platform.of(entry))
            if distance is not None:
                fitting.append((distance, len(fitting), descriptor))
        elif descriptor.get("mediaType") in INDEXES or len(images) == 1:
            fitting.append((_INDEX, len(fitting), descriptor))
    return [descriptor for _rank, _position, descriptor in sorted(fitting, key=lambda item: item[:2])]


def choose(manifests: list[dict[str, Any]], platform: Platform, obj: str) -> dict[str, Any]:
    """The first of :func:`candidates`. Raises ImageError that lists what there is."""
    found = candidates(manifests, platform)
    if not found:
        raise no_image(offers(manifests), platform, obj)
    return found[0]


def no_image(offered: set[str], platform: Platform, obj: str) -> ImageError:
    return ImageError(
        f"{obj} has no image for the platform {platform}; it has {', '.join(sorted(offered)) or 'none'}",
        step="platform",
        obj=obj,
        hint="Choose another tag, or set platform to one of these",
    )


def offers(manifests: list[dict[str, Any]]) -> set[str]:
    """The platforms that an index names, for messages."""
    entries = [d["platform"] for d in manifests if isinstance(d.get("platform"), dict) and not d.get("artifactType")]
    return {str(Platform.of(entry)) for entry in entries if entry.get("os") != "unknown"}


def is_foreign(descriptor: dict[str, Any]) -> bool:
    """Whether a layer is not to be distributed, and the manifest says where to get it."""
    return str(descriptor.get("mediaType")).startswith(_FOREIGN) and bool(descriptor.get("urls"))


def layer_type(compression: str) -> str:
    """The media type of a layer that is compressed so ("tar": not)."""
    return OCI_LAYER if compression == "tar" else f"{OCI_LAYER}+{compression}"


def layer_compression(media_type: str, obj: str) -> str:
    """``"tar"``, ``"gzip"`` or ``"zstd"`` for a layer's media type. Raises ImageError for what is no layer."""
    try:
        return _LAYERS[media_type]
    except KeyError:
        raise ImageError(
            f"{obj} has a layer of the unknown type '{media_type}'",
            step="manifest",
            obj=obj,
            hint="Only tar layers, plain or compressed by gzip or zstd, can be unpacked; is this a container image?",
        ) from None
