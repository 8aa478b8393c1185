# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python on a host that does what it is told, Ansible left out: a start of Python takes long there."""

from __future__ import annotations

import json
import select
import subprocess

from machine import PATIENCE, HostError


class Program:
    """The script *text* on *host*, which answers each line of JSON with one; started when it is first told something.

    It comes to its end with the host, or by :meth:`end`, and is then started again.
    """

    def __init__(self, host, name, text):
        self.host = host
        self._path = f"/root/{name}.py"
        self._process = None
        host.run(f"cat > {self._path} <<'EOF'\n{text}\nEOF")

    def tell(self, value):
        """Do not wait for the answer."""
        if self._process is None or self._process.poll() is not None:
            self.end()
            command = self.host.network.enter(self.host.ssh(f"python3 -I -S -u {self._path}"))
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def answer(self):
        """Raises HostError when there is none; what the program said is in the test's own output."""
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            raise HostError(f"{self._path} does not answer")
        line = self._process.stdout.readline()
        if not line:
            raise HostError(f"{self._path} has ended: exit code {self._process.wait()}")
        return json.loads(line)

    def end(self):
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
