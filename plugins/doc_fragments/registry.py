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
      - File with registry credentials, as C(podman login) and C(docker login) write it (a JSON document with C(auths)).
      - By default E(REGISTRY_AUTH_FILE), C(/run/containers/0/auth.json), C(~/.config/containers/auth.json) and
        C(~/.docker/config.json) on the managed host are looked into, in this order.
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
        directory of such files.
    type: path
    aliases: [ca_cert_dir, cert_dir]
requirements:
  - C(requests) (Python library, on the managed host, where an image comes from or goes to a registry)
"""
