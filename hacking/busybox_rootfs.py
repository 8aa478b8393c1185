# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the small root file system that tests run containers from: one static busybox and its links.

usage: python3 hacking/busybox_rootfs.py DIRECTORY
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

BUSYBOX = "/bin/busybox"
PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:app:/home/app:/bin/sh\n"
)
GROUP = "root:x:0:\nnogroup:x:65534:\napp:x:1000:\nextra:x:2000:app\n"


def build(directory: str) -> None:
    """Fill *directory*, made when missing. Raises OSError, CalledProcessError."""
    for name in (
        "bin",
        "sbin",
        "usr/bin",
        "usr/sbin",
        "etc",
        "root",
        "home/app",
        "tmp",
        "var",
        "proc",
        "sys",
        "dev",
        "run",
    ):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    os.chmod(os.path.join(directory, "tmp"), 0o1777)
    os.chown(os.path.join(directory, "home/app"), 1000, 1000)
    inside = os.path.join(directory, "bin/busybox")
    shutil.copyfile(BUSYBOX, inside)
    os.chmod(inside, 0o755)
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            os.symlink("busybox", os.path.join(directory, "bin", applet))
    for name, content in (("etc/passwd", PASSWD), ("etc/group", GROUP)):
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write(content)


if __name__ == "__main__":
    build(sys.argv[1])
