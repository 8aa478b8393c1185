# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/bench/cgroups.py on a host with cgroup v2 alone and systemd as process 1, so that systemctl is beside it.

usage: sudo python3 tests/bench/hosts.py DIRECTORY

The host's kernel is User-Mode Linux, on which every system call and every start of a program takes many times what it
takes elsewhere: its figures are good for a comparison with each other alone. The working directory is DIRECTORY.
"""

from __future__ import annotations

import os
import sys

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path[:0] = [os.path.join(CHECKOUT, "tests", "hosts")]
import machine  # noqa: E402


def main() -> None:
    reason = machine.missing() or machine.refused()
    if reason:
        print(f"Limits under systemd: skipped, {reason}")
        return
    os.makedirs(sys.argv[1])
    print("The same on a host of its own with systemd, in User-Mode Linux")
    with machine.Network(sys.argv[1]) as network:
        host = network.host("bench")
        host.start()
        host.copy_checkout("/root/oci")
        print(host.run("python3 -I -S /root/oci/tests/bench/cgroups.py", timeout=600).stdout, end="")


if __name__ == "__main__":
    main()
