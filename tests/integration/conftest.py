# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that need root, a kernel and a registry; each cleans up whatever its test did.

make_registry(auth="user:password", tls=True, token=…) → hacking.registry.Registry, running
registry    a plain one for the whole session
rootfs      a busybox root file system, made once; tests must not write into it
own_rootfs  a copy of it that the test may spoil
runtime     bundles.Runtime: the command line of the runtime; nothing of it may be left afterwards
state_dir   a state directory of the test's own, set as AGENTLESS_OCI_ROOT; swept afterwards
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

import pytest

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(CHECKOUT, "hacking"))

import busybox_rootfs  # noqa: E402
import leftovers  # noqa: E402
from bundles import Runtime, cgroups  # noqa: E402
from registry import Registry  # noqa: E402


def pytest_collection_modifyitems(config, items):
    if os.geteuid() == 0:
        return
    here = os.path.dirname(os.path.abspath(__file__)) + os.sep
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def session_dir():
    path = tempfile.mkdtemp(prefix="aoci-test-")
    yield path
    leftovers.sweep(path)


@pytest.fixture(scope="session")
def rootfs(session_dir):
    if not os.path.exists(busybox_rootfs.BUSYBOX):
        pytest.skip("needs busybox-static")
    path = os.path.join(session_dir, "rootfs")
    busybox_rootfs.build(path)
    return path


def _started(directory, **options):
    if not shutil.which("docker-registry"):
        pytest.skip("needs docker-registry")
    return Registry(directory, **options).start()


@pytest.fixture(scope="session")
def registry(session_dir):
    running = _started(os.path.join(session_dir, "registry"))
    yield running
    running.stop()


@pytest.fixture
def make_registry(tmp_path):
    running = []

    def start(**options):
        running.append(_started(str(tmp_path / f"registry{len(running)}"), **options))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def state_dir(monkeypatch):
    # In letters and digits: podman takes no other path for the name of an OCI layout.
    path = os.path.join(tempfile.gettempdir(), f"aoci-state-{os.urandom(4).hex()}")
    os.mkdir(path, 0o700)
    monkeypatch.setenv("AGENTLESS_OCI_ROOT", path)
    yield path
    leftovers.sweep(path)


@pytest.fixture
def runtime(tmp_path):
    made = Runtime(str(tmp_path))
    yield made
    made.clean()
    assert cgroups(made.prefix) == []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert str(tmp_path) not in file.read()


@pytest.fixture
def own_rootfs(rootfs, tmp_path):
    """A root file system that the test may spoil."""
    path = str(tmp_path / "rootfs")
    shutil.copytree(rootfs, path, symlinks=True)
    return path
