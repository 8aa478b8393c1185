# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's own engine, with a directory of its own and without any network, for tests of what it writes and reads.

It is Debian's package docker.io: of the host's release, and of a newer one (see newer_package), since `docker save` has
another form from version 25 on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import trees

DAEMON, CLIENT = "/usr/sbin/dockerd", "/usr/bin/docker"


class Engine:
    """A running daemon; everything of it is in *directory*, whose name has to be short (it has sockets in it)."""

    def __init__(self, directory: str, daemon: str = DAEMON) -> None:
        self.directory = directory
        self._socket = f"unix://{directory}/socket"
        config = os.path.join(directory, "daemon.json")
        with open(config, "w", encoding="utf-8") as file:
            file.write("{}")
        options = {
            "config-file": config,
            "data-root": f"{directory}/data",
            "exec-root": f"{directory}/exec",
            "pidfile": f"{directory}/pid",
            "host": self._socket,
            "storage-driver": "overlay2",
            "bridge": "none",
            "iptables": "false",
            "ip-masq": "false",
        }
        with open(os.path.join(directory, "log"), "wb") as log:
            self._process = subprocess.Popen(
                [daemon, *(f"--{name}={value}" for name, value in options.items())],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], "HOME": directory},
            )
        end = time.monotonic() + 60
        while subprocess.run([CLIENT, "--host", self._socket, "version"], capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                with open(os.path.join(directory, "log"), encoding="utf-8") as file:
                    raise RuntimeError(f"{daemon} does not start: {file.read()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the daemon; what it had mounted and stored goes."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file]
        for mount in reversed(mounts):
            if mount.startswith(self.directory + "/"):
                subprocess.run(["umount", mount], check=False)
        shutil.rmtree(self.directory)

    def __call__(self, *words: str) -> str:
        """What ``docker WORDS`` prints. Raises RuntimeError."""
        # Its own environment: the user's login and context are none of the test's business.
        done = subprocess.run(
            [CLIENT, "--host", self._socket, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": self.directory},
        )
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    @contextlib.contextmanager
    def mounted(self, kind: str, name: str) -> Iterator[str]:
        """The root file system of the image or (to be changed) of the container *name*, as overlay2 has its layers."""
        data = json.loads(self(kind, "inspect", name))[0]["GraphDriver"]["Data"]
        place = os.path.join(self.directory, "view")
        os.makedirs(place, exist_ok=True)
        if kind == "container":
            options = f"lowerdir={data['LowerDir']},upperdir={data['UpperDir']},workdir={data['WorkDir']}"
        else:
            empty = os.path.join(self.directory, "empty")
            os.makedirs(empty, exist_ok=True)
            options = f"ro,lowerdir={':'.join(filter(None, (data['UpperDir'], data.get('LowerDir'), empty)))}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, place], check=True)
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)

    def tree(self, image: str) -> dict[bytes, trees.Entry]:
        """What is in *image*."""
        with self.mounted("image", image) as root:
            return trees.read_tree(root)
