# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: oci_containers
short_description: The controller's containers as hosts
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Each container of M(agentless.oci.oci_container) on the controller becomes a host, whose tasks the connection plugin
    P(agentless.oci.oci#connection) runs inside of it.
  - The file's name must end with C(oci_containers.yml) or C(oci_containers.yaml).
  - Each host has what M(agentless.oci.oci_container_info) returns in variables, C(oci_id), C(oci_image), C(oci_status),
    C(oci_labels) and C(oci_container), the whole dictionary without environment variables.
options:
  plugin:
    description:
      - Must be V(agentless.oci.oci_containers).
    type: str
    required: true
    choices: [agentless.oci.oci_containers]
  name:
    description:
      - Names of containers, or patterns for names with V(*), V(?) or V([). By default all.
    type: list
    elements: str
    default: ["*"]
  image:
    description:
      - Names of images, or patterns for them. Containers of these images become hosts. By default of all.
    type: list
    elements: str
    default: ["*"]
  status:
    description:
      - Containers that are in one of these states become hosts.
    type: list
    elements: str
    choices: [created, running, paused, restarting, exited]
    default: [running]
  label:
    description:
      - Labels that the containers must have, all of them, as C(key) or C(key=value).
    type: list
    elements: str
    default: []
  root:
    description:
      - State directory. By default E(AGENTLESS_OCI_ROOT), else C(/var/lib/agentless-oci).
    type: path
  become_exe:
    description:
      - What makes a command root's on the controller where Ansible does not run as root, for example V(sudo -n).
    type: str
    default: ""
extends_documentation_fragment:
  - constructed
"""

EXAMPLES = r"""
# oci_containers.yml with this one line: everything that runs
# plugin: agentless.oci.oci_containers

# shop.oci_containers.yml: the shop's containers, in groups by their tier (tier_web, …) and of redis
plugin: agentless.oci.oci_containers
label: [project=shop]
keyed_groups:
  - {prefix: tier, key: oci_labels.tier}
groups:
  redis: "'redis' in oci_image"
compose:
  ansible_python_interpreter: "'/usr/bin/python3'"
"""

import fnmatch
import json
import os
import shlex
import subprocess
import sys

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.image.filters import has_label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ENDINGS = ("oci_containers.yml", "oci_containers.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable):  # type: ignore[misc]  # Ansible has no type hints
    """Containers as hosts."""

    NAME = "agentless.oci.oci_containers"

    def verify_file(self, path: str) -> bool:
        """Whether the file is one of ours, by its name."""
        return bool(super().verify_file(path)) and path.endswith(_ENDINGS)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the containers. Raises AnsibleParserError."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        strict = self.get_option("strict")
        for container in self._look():
            name = container["Name"]
            variables = {**_variables(container), **self._connection()}
            if not self._chosen(container):
                continue
            inventory.add_host(name)
            for key, value in variables.items():
                inventory.set_variable(name, key, value)
            self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)

    def _look(self) -> list[dict[str, Any]]:
        """All containers, as `aoci containers` shows them."""
        root = ["--root", self.get_option("root")] if self.get_option("root") else []
        become = shlex.split(self.get_option("become_exe"))
        program = os.path.abspath(entry.__file__)
        argv = [*become, sys.executable, "-I", "-S", program, *root, "containers", "--format", "json"]
        try:
            done = subprocess.run(argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise AnsibleParserError(f"cannot list the containers: {argv[0]}: {error.strerror}") from error
        if done.returncode:
            hint = "" if become or os.geteuid() == 0 else " Only root sees them: set become_exe to 'sudo -n'."
            raise AnsibleParserError(f"cannot list the containers: {done.stderr.strip()}{hint}")
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def _connection(self) -> dict[str, Any]:
        """The variables by which Ansible gets into a container."""
        root, become = self.get_option("root"), self.get_option("become_exe")
        return {
            "ansible_connection": "agentless.oci.oci",
            **({"ansible_oci_root": root} if root else {}),
            **({"ansible_oci_host_become": True, "ansible_oci_host_become_exe": become} if become else {}),
        }

    def _chosen(self, container: dict[str, Any]) -> bool:
        labels = container["Config"]["Labels"] or {}
        return (
            container["State"]["Status"] in self.get_option("status")
            and any(fnmatch.fnmatchcase(container["Name"], name) for name in self.get_option("name"))
            and any(fnmatch.fnmatchcase(container["Config"]["Image"], name) for name in self.get_option("image"))
            and all(has_label(labels, label) for label in self.get_option("label"))
        )


def _variables(container: dict[str, Any]) -> dict[str, Any]:
    """What is known of the container; an image's labels, for one, are never to be evaluated as templates."""
    config = {key: value for key, value in container["Config"].items() if key != "Env"}
    known = {
        "oci_id": container["Id"],
        "oci_image": config["Image"],
        "oci_status": container["State"]["Status"],
        "oci_labels": config["Labels"] or {},
        "oci_container": {**container, "Config": config},
    }
    unsafe: dict[str, Any] = wrap_var(known)
    return unsafe
