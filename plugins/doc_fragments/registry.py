# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of everything that talks to a registry."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  username:
    description:
      - User to log in to the registry as. Without it, credentials come from O(authfile), and without that from the
        files where other tools keep them (see O(authfile)). Without any, access is anonymous.
      - Needs O(password).
    type: str
  password:
    description:
      - Password or access token of O(username).
    type: str
  authfile:
    description:
      - File with registry credentials, as C(podman login) and C(docker login) write it (a JSON document with C(auths),
        C(credHelpers) and C(credsStore)). Of several entries that fit the most specific counts. Helpers
        (C(docker-credential-NAME)) are run on the managed host.
      - By default E(REGISTRY_AUTH_FILE), or else C(containers/auth.json) below E(XDG_RUNTIME_DIR),
        C(/run/containers/0/auth.json), C(~/.config/containers/auth.json), C(~/.docker/config.json) and C(~/.dockercfg)
        on the managed host are looked into, in this order.
    type: path
    aliases: [auth_file]
  validate_certs:
    description:
      - Whether the registry's certificate must be valid.
      - With V(false) a registry that does not speak TLS is used too, over plain HTTP. Registries on loopback addresses
        may always be plain.
    type: bool
    default: true
    aliases: [tls_verify]
  ca_path:
    description:
      - Certificate authorities to trust for the registry instead of the host's, a file of PEM certificates, or a
        directory of such files. A pair C(NAME.cert) and C(NAME.key) in the directory is the client certificate to show
        to the registry, and its key.
      - Without it C(/etc/containers/certs.d/HOST[:PORT]) and C(/etc/docker/certs.d/HOST[:PORT]) are looked into, as
        other tools do. Authorities (C(*.crt)) from there are trusted besides the host's.
    type: path
    aliases: [ca_cert_dir, cert_dir]
  mirrors:
    description:
      - For a registry, such as V(docker.io), the mirrors to read from before it, in order. V(*) stands for every
        registry without an entry of its own.
      - A mirror is written as C(HOST[:PORT][/PREFIX]), with C(http://) in front if it does not speak TLS. It is asked
        for the registry's repositories under their own names, below the prefix if there is one. Where it cannot be
        reached, lacks something or sends something else than it should, the next is asked, at last the registry.
      - O(username) and O(password) are for the registry only. Credentials for a mirror come from O(authfile).
      - Images are pushed to the registry itself.
      - Only this option says so. Mirrors and the rest of C(/etc/containers/registries.conf) are not read, so that the
        same task does the same on every host. What a host's C([[registry.mirror]]) has, write here, or for all tasks
        into C(module_defaults).
    type: dict
  verify:
    description:
      - Refuse the image unless it has a good signature, as C(cosign sign --key) makes it and keeps it in the registry
        beside the image, under the tag C(sha256-….sig), or since cosign 3 in a bundle that refers to the image.
      - The signature must be of the digest that is pulled (of the index, or of the image in it), by this key, and for
        this repository, as far as it names one. Those in bundles are of the digest alone. Otherwise the task fails, and
        nothing is pulled or named.
      - An image that is already there is verified too, once for each key, even if the registry would not be asked
        otherwise. That it was verified is remembered on the host.
      - Keys may be ECDSA on P-256 or P-384, Ed25519, or RSA of at least 2048 bits. Signatures without a key
        (C(Fulcio), C(Rekor)) are not looked at.
      - Needs Python's C(cryptography) on the managed host.
    type: dict
    suboptions:
      cosign_public_key:
        description:
          - The public key, in PEM as cosign writes it into C(cosign.pub), or the path of such a file on the managed
            host.
        type: str
        required: true
      identity:
        description:
          - Repository that the signature must be for, where it is another one than the image's own. So it is with an
            image that was copied from one registry to another together with its signatures.
          - A signature in a bundle names no repository, and so is not enough where this is given.
        type: str
  require_digest:
    description:
      - Refuse a reference to a registry that names no digest (C(NAME@sha256:…)), since a tag may mean another image
        tomorrow.
      - To make it a policy for all tasks, set it in C(module_defaults) of M(agentless.oci.oci_image) and
        M(agentless.oci.oci_container). Images made of O(agentless.oci.oci_image#module:source) and image ids need none.
    type: bool
    default: false
requirements:
  - C(requests) (Python library, on the managed host, where an image comes from or goes to a registry)
  - C(cryptography) (Python library, on the managed host, for O(verify))
"""
