# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to this machine that counts what it is given to send, as one to another machine would have to send it.

Each command and each file is a line of JSON in the file that AOCI_COUNTED names: the bytes of its command line, of its
input and of the file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from ansible.plugins.connection import ConnectionBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DOCUMENTATION = """
name: counted
short_description: This machine, with all that is sent to it counted
description:
  - Commands are run, and files copied, on the controller.
author:
  - agentless.oci contributors (@agentless-oci)
version_added: 0.2.0
options: {}
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(ConnectionBase):
    """Nothing of it is like ansible.builtin.local for Ansible: files are sent, and Python is looked for."""

    transport = "counted"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        _count(command=len(cmd.encode()), input=len(in_data or b""), says=cmd[:400])
        done = subprocess.run(["/bin/sh", "-c", cmd], input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        _count(file=os.path.getsize(in_path), says=out_path)
        shutil.copyfile(in_path, out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        shutil.copyfile(in_path, out_path)

    def close(self) -> None:
        self._connected = False


def _count(**sent: Any) -> None:
    with open(os.environ["AOCI_COUNTED"], "a", encoding="utf-8") as file:
        file.write(json.dumps(sent) + "\n")
