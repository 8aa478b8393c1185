# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cgroup_info and oci_container tell of memory that ran out and of CPU time that did, under systemd."""

from __future__ import annotations

import os

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))


def test_what_limits_did_is_told(network, host):
    """The playbook looks and asserts."""
    command = [os.path.join(CHECKOUT, ".venv", "bin", "ansible-playbook"), "-i", network.inventory(), "-l", host.name]
    counted = host.run("test -e /sys/fs/cgroup/cpu.pressure && echo true || echo false").stdout.strip()
    command += [os.path.join(HERE, "usage.yml"), "-e", f'{{"pressure": {counted}}}']
    done = network.run(command, cwd=CHECKOUT)
    assert "failed=0" in done.stdout
    assert host.run("find /sys/fs/cgroup -name 'aoci-busy-*' -o -name 'busy-*'").stdout.split() == []
