# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: oci
short_description: Run tasks inside a container
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Runs the tasks of a play in a running container of M(agentless.oci.oci_container). Nothing needs to be in the
    container but a shell at C(/bin/sh); most modules need Python as everywhere, M(ansible.builtin.raw) does not. Files
    are copied by C(cat) and C(dd).
  - The container is on the controller, or on the host that O(host) and O(transport) lead to by another connection
    plugin. On that host root is needed, and the collection's core, which is brought there if it is missing.
options:
  remote_addr:
    description:
      - Name of the container, or the beginning of its id.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_oci_container
  container_user:
    description:
      - Who runs the tasks in the container, as V(user), V(uid), V(user:group) or V(uid:gid), by the container's names.
      - By default O(remote_user) where the play's host is the container, else the user of the container.
    type: str
    vars:
      - name: ansible_oci_user
  remote_user:
    description:
      - The same by the name that all connections have. It does not count where O(transport) is given without O(host).
    type: str
    ini:
      - section: defaults
        key: remote_user
    env:
      - name: ANSIBLE_REMOTE_USER
    cli:
      - name: user
    keyword:
      - name: remote_user
    vars:
      - name: ansible_user
  host:
    description:
      - Address of the host that has the container.
      - Without it, and without O(transport), that is the controller. With O(transport) alone it is the play's own host,
        and its variables C(ansible_host), C(ansible_user), C(ansible_port) and the like count for the transport.
    type: str
    vars:
      - name: ansible_oci_host
  transport:
    description:
      - Connection plugin that reaches the host. By default P(ansible.builtin.ssh#connection) with O(host), else
        P(ansible.builtin.local#connection).
      - The variable C(ansible_oci_host_X) gives it its variable C(ansible_X), for example C(ansible_oci_host_user),
        C(ansible_oci_host_port), C(ansible_oci_host_ssh_common_args).
    type: str
    vars:
      - name: ansible_oci_transport
  port:
    description:
      - Port of the play's host, where that is the one that has the container.
    type: int
    vars:
      - name: ansible_port
      - name: ansible_ssh_port
  private_key_file:
    description:
      - Private key for it.
    type: path
    vars:
      - name: ansible_private_key_file
      - name: ansible_ssh_private_key_file
  ssh_common_args:
    description:
      - Arguments of the programs of ssh for it.
    type: str
    vars:
      - name: ansible_ssh_common_args
  ssh_extra_args:
    description:
      - Arguments of ssh alone for it.
    type: str
    vars:
      - name: ansible_ssh_extra_args
  ssh_executable:
    description:
      - The ssh program for it.
    type: str
    vars:
      - name: ansible_ssh_executable
  host_become:
    description:
      - Whether root is to be had on the host by O(host_become_exe). Needed where the host's user is another.
      - The play's C(become) is for users inside the container.
    type: bool
    default: false
    vars:
      - name: ansible_oci_host_become
  host_become_exe:
    description:
      - What makes a command root's on the host; it must not ask for a password.
    type: str
    default: sudo -n
    vars:
      - name: ansible_oci_host_become_exe
  host_python:
    description:
      - Python on the host.
    type: str
    default: python3
    vars:
      - name: ansible_oci_host_python
  root:
    description:
      - State directory on the host. By default E(AGENTLESS_OCI_ROOT) there, else C(/var/lib/agentless-oci).
    type: str
    vars:
      - name: ansible_oci_root
extends_documentation_fragment:
  - connection_pipelining
"""

EXAMPLES = r"""
# inventory.yml: containers of another host as hosts
# caches:
#   hosts:
#     cache:
#   vars:
#     ansible_connection: agentless.oci.oci
#     ansible_oci_host: web1.example.com
#     ansible_oci_host_user: admin
#     ansible_oci_host_become: true

# a task of a play on hosts, in a container that each of them has
- name: Ask redis
  ansible.builtin.raw: redis-cli info memory
  vars:
    ansible_connection: agentless.oci.oci
    ansible_oci_transport: ssh
    ansible_oci_container: cache
"""

import copy
import os
import shlex

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display
from ansible_collections.agentless.oci.plugins.module_utils import fingerprint
from ansible_collections.agentless.oci.plugins.plugin_utils import corearchive, onhost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CHUNK = 16 << 20  # bytes of a file in one command: so much of it is in memory
_BLOCK = 1 << 20
_PREFIX = "ansible_oci_host_"
# Variables of a host → those of its transport, where the play's host is the one that has the container.
_OWN = (
    "ansible_host",
    "ansible_user",
    "ansible_port",
    "ansible_ssh_port",
    "ansible_private_key_file",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_ssh_executable",
)
display = Display()


class Connection(ConnectionBase):  # type: ignore[misc]  # Ansible has no type hints
    """Tasks in a container, by `aoci exec` on its host."""

    transport = "agentless.oci.oci"
    has_pipelining = True
    allow_extras = True  # ansible_oci_host_…

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._variables: dict[str, Any] | None = None
        self._reached: Any = None
        self._version = ""
        self._own_user = ""

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Keep the variables, too: some are for the transport."""
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        self._variables = dict(var_options or {})
        if self._reached is not None:
            self._reached.close()
        self._reached, self._own_user = None, ""

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        """With ``remote_user`` for become: it need not go from a user to the same."""
        value = super().get_option(option, hostvars)
        if option == "remote_user" and self._variables is not None and self.become is not None:
            return self._user() or self._user_of_container()
        return value

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run *cmd* by the container's shell; (exit code, stdout, stderr)."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"EXEC {cmd}", host=self.get_option("remote_addr"))
        asked = bool(sudoable and self.become is not None and self.become.expect_prompt())
        return self._run([self._play_context.executable, "-c", cmd], in_data, asked=asked)

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the controller's into the container."""
        super().put_file(in_path, out_path)
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"there is no file {in_path} to be copied")
        with open(in_path, "rb") as file:
            data = file.read(_CHUNK)
            self._copy(f"cat > {shlex.quote(out_path)}", out_path, data)
            while len(data) == _CHUNK:
                data = file.read(_CHUNK)
                self._copy(f"cat >> {shlex.quote(out_path)}", out_path, data)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the container's to the controller."""
        super().fetch_file(in_path, out_path)
        whole = _CHUNK // _BLOCK
        with open(out_path, "wb") as file:
            part = 0
            while True:
                place = f"bs={_BLOCK} skip={part * whole} count={whole}"
                data = self._copy(f"dd if={shlex.quote(in_path)} {place}", in_path)
                file.write(data)
                if len(data) < _CHUNK:
                    return
                part += 1

    def reset(self) -> None:
        """Let the transport begin anew."""
        if self._reached is not None and hasattr(self._reached, "reset"):
            self._reached.reset()

    def close(self) -> None:
        """End the transport."""
        if self._reached is not None:
            self._reached.close()
        self._reached, self._connected = None, False

    def _copy(self, command: str, path: str, data: bytes | None = None) -> bytes:
        code, stdout, stderr = self._run(["/bin/sh", "-c", command], data)
        if code:
            container = self.get_option("remote_addr")
            said = stderr.decode("utf-8", "replace").strip()
            raise AnsibleError(f"cannot copy {path} in container {container}: {said or f'exit code {code}'}")
        return stdout

    def _user(self) -> str:
        """The user that was asked for; "" for the container's own."""
        user = self.get_option("container_user")
        if not user and not self._of_play():
            user = super().get_option("remote_user")
        return str(user or "")

    def _user_of_container(self) -> str:
        if not self._own_user:
            _code, stdout, _stderr = self._run(["/bin/sh", "-c", "id -un 2>/dev/null || id -u"])
            name = stdout.decode("utf-8", "replace").strip()
            self._own_user = "root" if name == "0" else name
        return self._own_user

    def _of_play(self) -> bool:
        """Whether the play's host has the container, and is not the container."""
        return bool(self.get_option("transport") and not self.get_option("host"))

    def _run(self, argv: list[str], in_data: bytes | None = None, *, asked: bool = False) -> tuple[int, bytes, bytes]:
        """*argv* in the container; with *asked*, become's password is asked for. Raises AnsibleConnectionFailure."""
        options = ["-it"] if asked and not in_data else ["-i"] if in_data else []
        if self._user():
            options += ["-u", self._user()]
        reached, container = self._reach(), str(self.get_option("remote_addr"))
        python, root = self.get_option("host_python"), self.get_option("root") or ""
        command = self._as_root(onhost.enter(python, root, self._version, options, container, argv))
        reached.set_become_plugin(self.become if asked else None)
        found = reached.exec_command(command, in_data=in_data, sudoable=asked)
        if onhost.is_missing(found[0], found[2]):
            self._install(reached, python, root)
            reached.set_become_plugin(self.become if asked else None)
            found = reached.exec_command(command, in_data=in_data, sudoable=asked)
        why = onhost.reason(found[0], found[2])
        if why:
            raise AnsibleConnectionFailure(f"cannot reach container {container}: {why}")
        return found[0], found[1], found[2]

    def _install(self, reached: Any, python: str, root: str) -> None:
        display.vvv("the host gets the collection's core", host=self.get_option("remote_addr"))
        reached.set_become_plugin(None)
        local = reached.transport == "local"
        for packer in corearchive.packers(local=local):
            command = self._as_root(corearchive.arrive(python, packer, self._version, root, "install"))
            packed = corearchive.archive(packer, self._version, local=local)
            code, stdout, stderr = reached.exec_command(command, in_data=packed, sudoable=False)
            if corearchive.NO_PACKER.encode() not in stdout.splitlines():
                break
        if not code:
            return
        said = stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise AnsibleConnectionFailure(
            f"the collection's core could not be brought to the host that has the container: {said} "
            "As another user than root set ansible_oci_host_become to true."
        )

    def _as_root(self, command: str) -> str:
        return onhost.as_root(command, self.get_option("host_become_exe") if self.get_option("host_become") else "")

    def _reach(self) -> Any:
        """The connection to the host that has the container."""
        if self._reached is None:
            address, variables = self._transport_variables()
            name = self.get_option("transport") or ("ssh" if self.get_option("host") else "local")
            context = copy.copy(self._play_context)
            context.remote_addr, context.remote_user = address, variables.get("ansible_user")
            context.port, context.private_key_file = None, variables.get("ansible_private_key_file")
            self._reached = connection_loader.get(name, context, os.devnull)
            if self._reached is None:
                raise AnsibleError(f"ansible_oci_transport: there is no connection plugin {name}")
            keys = {"password": self._play_context.password}
            self._reached.set_options(task_keys=keys, var_options=variables)
            self._version = fingerprint.of_tree(corearchive.CORE)
        return self._reached

    def _transport_variables(self) -> tuple[str, dict[str, Any]]:
        """(the host's address, the transport's variables)."""
        known = self._variables or {}
        given = {
            f"ansible_{name[len(_PREFIX) :]}": value
            for name, value in known.get("_extras", {}).items()
            if name.startswith(_PREFIX)
        }
        if self._of_play():
            address = known.get("ansible_host") or known.get("inventory_hostname") or self._play_context.remote_addr
            given = {**{name: known[name] for name in _OWN if known.get(name) is not None}, **given}
        else:
            address = self.get_option("host") or "localhost"
        return str(address), {**given, "inventory_hostname": str(address), "ansible_host": str(address)}
