# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests on hosts with a kernel of their own.

Where those cannot be they are skipped with the reason; in CI (CI=true) that is a failure.

network  machine.Network for the whole session
host     one host of it, running, with the checkout in /root/oci and a busybox root file system in /root/rootfs
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "hacking"))

import machine  # noqa: E402


@pytest.fixture(scope="session")
def network():
    reason = machine.missing()
    if reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    directory = tempfile.mkdtemp(prefix="aoci-hosts-")
    try:
        with machine.Network(directory) as running:
            yield running
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def host(network):
    one = network.host("one")
    one.start()
    one.copy_checkout("/root/oci")
    one.run("python3 /root/oci/hacking/busybox_rootfs.py /root/rootfs; sync")
    return one
