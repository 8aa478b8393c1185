#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image
short_description: Manage container images on a host without a container engine
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Pulls an image from a registry, imports one from an archive or a directory, gives it more names, pushes it, writes
    it to an archive or its files to a directory, or removes it.
  - Images lie in an OCI image layout below the state directory, their layers unpacked and ready for containers. No
    daemon and no container engine is needed on the managed host, only Python.
  - Whatever is fetched is verified against its digest while it comes in. An image appears under its name only when
    it is whole.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.registry
  - agentless.oci.root
attributes:
  check_mode:
    support: full
    details:
      - Check mode asks the registry what a real run would ask it first, but fetches no layers.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - With O(force=true) the image is brought anew each time.
options:
  name:
    description:
      - Reference of the image as for any container engine, for example V(redis), V(redis:7), V(quay.io/team/app:1.2) or
        V(registry.example.com/shop/api@sha256:…). Without a host it is C(docker.io), without a tag C(latest).
      - An image that is already there can also be named by its id.
    type: str
    required: true
    aliases: [image]
  state:
    description:
      - With V(present) the image shall be there, unpacked, under its name.
      - With V(absent) the name shall be gone. Blobs and layers go with it as far as no other name and no container
        needs them. With an image id as O(name), all names of the image go.
    type: str
    choices: [present, absent]
    default: present
  pull:
    description:
      - When to ask the registry.
      - With V(missing) only if no image of that name is there.
      - With V(always) each time. If the registry has another image under the name, that one is pulled. Nothing is
        changed when it has the same.
      - V(newer) is like V(always), but if the registry cannot be reached, the image that is there will do, with a
        warning.
      - With V(never) the registry is not asked. The task fails if the image is not there.
    type: str
    choices: [always, missing, never, newer]
    default: missing
  source:
    description:
      - Bring the image from files of the managed host instead of pulling it. Give O(source.path) or O(source.rootfs).
      - The same files and the same configuration always make the same image, so a second run changes nothing.
      - Sizes and digests of an archive are verified. Nothing in it is extracted but the layers of the image.
    type: dict
    suboptions:
      path:
        description:
          - An archive of images, whatever wrote it, or a root file system. What it is, is found out by its content,
            unless O(source.format) says so.
          - Tar archives may be compressed by gzip or zstd.
        type: path
      format:
        description:
          - What O(source.path) is.
          - V(oci) is a directory with an OCI image layout, V(oci-archive) a tar archive of one. What C(docker save)
            writes since Docker 25 is one, too.
          - V(docker-archive) is what C(docker save) writes, in any version, and C(podman save) and C(skopeo copy) in
            that format.
          - V(rootfs) is a root file system, as O(source.rootfs).
        type: str
        choices: [auto, rootfs, oci, oci-archive, docker-archive]
        default: auto
      image:
        description:
          - Which image of the archive, by its name, its tag or its digest.
          - By default the only one there is, or the one called O(name). If there are several for different platforms,
            O(platform) chooses.
        type: str
      rootfs:
        description:
          - Directory that is the image's root file system, or a tar archive of it (plain or compressed by gzip or
            zstd).
        type: path
      config:
        description:
          - What containers of this image do if they are not told otherwise. Only for a root file system. The images of
            an archive have this already.
        type: dict
        default: {}
        suboptions:
          command:
            description: Command and its arguments, or arguments for O(source.config.entrypoint).
            type: list
            elements: str
          entrypoint:
            description: Program and leading arguments that every container of this image runs.
            type: list
            elements: str
          env:
            description: Environment variables. Values must be strings.
            type: dict
          exposed_ports:
            description: Ports that the program listens on, such as V(6379) or V(53/udp).
            type: list
            elements: str
          labels:
            description: Labels of the image. Values must be strings.
            type: dict
          user:
            description: User, or C(user:group), names or numbers, that the program runs as.
            type: str
          volumes:
            description: Directories that containers of this image have as volumes, anonymous ones if they name none.
            type: list
            elements: str
          working_dir:
            description: Directory that the program starts in.
            type: str
            aliases: [workdir]
  platform:
    description:
      - Which image to take where the registry has one for several platforms, for example V(linux/amd64) or
        V(linux/arm/v7).
      - By default the managed host's own. On 32-bit ARM an image for an older variant does where there is none for this
        one.
    type: str
  archive:
    description:
      - Write the image to an archive on the managed host, under O(name), or its files to a directory.
      - It is written anew only if its content is not what it should be. The same image always makes the same bytes.
    type: dict
    suboptions:
      path:
        description:
          - The file, or for the formats V(oci) and V(rootfs-dir) the directory. The directory that it lies in must be
            there.
          - A file is replaced in one step, and keeps owner and mode. Without one they are the user's and the umask's.
        type: path
        required: true
      format:
        description:
          - V(oci-archive) is a tar archive of an OCI image layout.
          - V(docker-archive) is what C(docker load) reads in any version. Its layers are not compressed.
          - V(oci) is a directory with an OCI image layout. Other images in it stay. If one has the same name, it loses
            it, but its blobs stay.
          - V(rootfs) is a tar archive of the image's files alone, as C(docker export) writes them of a new container.
            Imported again, it has the same files; the configuration is not in it.
          - V(rootfs-dir) is a directory with the image's files alone, for C(chroot), C(systemd-nspawn), a network boot
            and the like. It has all that the image has, device nodes, owners and extended attributes among it, so its
            file system must know them.
          - A new directory is made beside the old one and takes its place in one step, when the image has other files
            or with O(force=true). The old one goes with all that was changed in it. Until then changes stay, and the
            task warns of them.
          - Only a directory that this option has written is replaced, or an empty one. Which it has written, and of
            what, is recorded in the state directory. It is not replaced while something is mounted in it, or it
            elsewhere, or while a process has it as its root directory.
        type: str
        choices: [oci-archive, docker-archive, oci, rootfs, rootfs-dir]
        default: oci-archive
  tag:
    description:
      - More names to give the image. A name that means another image is moved.
    type: list
    elements: str
    aliases: [tags]
  push:
    description:
      - Push the image to the registries that its names name.
      - Each name in O(tag) is pushed. O(name) itself is pushed if O(source) is given or O(tag) is not.
      - Only what the registry lacks is uploaded. Nothing is changed if it has this image already.
    type: bool
    default: false
  force:
    description:
      - Pull or import the image even if it is there, and fetch again what is damaged.
    type: bool
    default: false
seealso:
  - name: OCI image specification
    description: The format of images and of the directory they are kept in.
    link: https://github.com/opencontainers/image-spec
"""

EXAMPLES = r"""
- name: Have redis on the host
  agentless.oci.oci_image:
    name: docker.io/library/redis:7

- name: Follow a tag of a private registry
  agentless.oci.oci_image:
    name: registry.example.com/shop/api:stable
    pull: newer
    username: "{{ registry_user }}"
    password: "{{ registry_password }}"

- name: Use exactly this image
  agentless.oci.oci_image:
    name: quay.io/team/app@sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef

- name: Use an image only if it is signed by us
  agentless.oci.oci_image:
    name: registry.example.com/shop/api:stable
    pull: newer
    verify:
      cosign_public_key: "{{ lookup('ansible.builtin.file', 'cosign.pub') }}"

- name: Make an image of a directory and push it
  agentless.oci.oci_image:
    name: registry.example.com/tools/base:1
    source:
      rootfs: /srv/rootfs
      config:
        command: [/bin/sh]
        env:
          LANG: C.UTF-8
    push: true

- name: Bring an image to a host without a registry
  agentless.oci.oci_image:
    name: registry.example.com/shop/api:3
    source:
      path: /srv/transfer/api.tar  # of docker save, podman save, skopeo copy or buildah push

- name: Write an image to an archive for such a host
  agentless.oci.oci_image:
    name: registry.example.com/shop/api:3
    archive:
      path: /srv/transfer/api.tar

- name: Have the files of an image as a directory to boot from
  agentless.oci.oci_image:
    name: registry.example.com/tools/diskless:stable
    pull: newer
    archive:
      path: /srv/nfs/diskless
      format: rootfs-dir

- name: Copy an image from one registry to another
  agentless.oci.oci_image:
    name: docker.io/library/redis:7
    tag: [registry.example.com/mirror/redis:7]
    push: true

- name: Remove a name, and what nothing else needs
  agentless.oci.oci_image:
    name: registry.example.com/tools/base:1
    state: absent
"""

RETURN = r"""
image:
  description: The image as it is afterwards; in check mode as it is before. Null if there is none.
  returned: success
  type: dict
  contains:
    id:
      description: Image id, the digest of its configuration. Equal ids run equally.
      type: str
      returned: always
    digest:
      description: Digest of its manifest, by which registries know it.
      type: str
      returned: always
    names:
      description: All its names on this host, in full.
      type: list
      elements: str
      returned: always
    size:
      description: Bytes of its compressed layers and configuration.
      type: int
      returned: always
    layers:
      description: Digests of its uncompressed layers (diff ids), the lowest first.
      type: list
      elements: str
      returned: always
    config:
      description: What its containers do by default, in the OCI specification's words (C(Cmd), C(Env) and so on).
      type: dict
      returned: always
    created:
      description: When it was built, an RFC 3339 time. Empty if its builder left that out.
      type: str
      returned: always
    platform:
      description: Operating system, architecture and variant.
      type: str
      returned: always
  sample:
    id: sha256:9c2d3a8e7f0b1c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5
    digest: sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
    names: ["docker.io/library/redis:7"]
    size: 41235012
    layers: ["sha256:0b1c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c59c2d3a8e7f"]
    config: {Cmd: [redis-server]}
    created: "2026-01-30T12:00:00Z"
    platform: linux/amd64
actions:
  description: What was done, or in check mode would be done, step by step. Empty if nothing had to be.
  returned: success
  type: list
  elements: str
  sample: ["pulled image docker.io/library/redis:7", "tagged image registry.example.com/mirror/redis:7"]
timings:
  description:
    - What each layer took that had to be fetched or unpacked, the lowest first.
    - Both go on at the same time, and several layers do, so the sum is more than the task takes.
  returned: with a verbosity of 2 (C(-vv)) or more, when something was done
  type: list
  elements: dict
  contains:
    layer:
      description: Digest of the layer's blob.
      type: str
      returned: always
    size:
      description: Bytes of the blob.
      type: int
      returned: always
    fetch:
      description: Seconds from its first byte to its last. Null if it was not fetched.
      type: float
      returned: always
    unpack:
      description: Seconds that unpacking it took. Null if it was not unpacked.
      type: float
      returned: always
  sample:
    - layer: sha256:2b5a0f6b2d6b0c7d0e1c3e4b9f0c2a8f6a5d4c3b2a1f0e9d8c7b6a5f4e3d2c1b
      size: 31415926
      fetch: 0.412
      unpack: 0.977
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core
from ansible_collections.agentless.oci.plugins.module_utils.image.options import REGISTRY

CONFIG_SPEC = {
    "command": {"type": "list", "elements": "str"},
    "entrypoint": {"type": "list", "elements": "str"},
    "env": {"type": "dict"},
    "exposed_ports": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "user": {"type": "str"},
    "volumes": {"type": "list", "elements": "str"},
    "working_dir": {"type": "str", "aliases": ["workdir"]},
}

SOURCE_SPEC = {
    "path": {"type": "path"},
    "format": {
        "type": "str",
        "choices": ["auto", "rootfs", "oci", "oci-archive", "docker-archive"],
        "default": "auto",
    },
    "image": {"type": "str"},
    "rootfs": {"type": "path"},
    "config": {"type": "dict", "default": {}, "options": CONFIG_SPEC},
}

ARCHIVE_SPEC = {
    "path": {"type": "path", "required": True},
    "format": {
        "type": "str",
        "choices": ["oci-archive", "docker-archive", "oci", "rootfs", "rootfs-dir"],
        "default": "oci-archive",
    },
}

ARGUMENT_SPEC = {
    "name": {"type": "str", "required": True, "aliases": ["image"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "pull": {"type": "str", "choices": ["always", "missing", "never", "newer"], "default": "missing"},
    "source": {
        "type": "dict",
        "options": SOURCE_SPEC,
        "required_one_of": [("path", "rootfs")],
        "mutually_exclusive": [("path", "rootfs")],
    },
    "archive": {"type": "dict", "options": ARCHIVE_SPEC},
    "platform": {"type": "str"},
    **REGISTRY,
    "tag": {"type": "list", "elements": "str", "aliases": ["tags"]},
    "push": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "root": {"type": "path"},
}


# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {
    "argument_spec": ARGUMENT_SPEC,
    "supports_check_mode": True,
    "required_together": [("username", "password")],
}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, module.params["name"])
    from ansible_collections.agentless.oci.plugins.module_utils.image.module import run

    run(module)


if __name__ == "__main__":
    main()
