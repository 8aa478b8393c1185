# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the attacks: those of the integration tests, and

build       unprotected.Build: the core as it is, or with the test's defence taken out (unprotected.attack)
runtime     bundles.Runtime on that core
own_rootfs  a root file system that the test may spoil
outside     an empty directory of the host's, for the attack to aim at
"""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


def _conftest(*parts):
    """Another folder's conftest.py, as a module."""
    path = os.path.join(os.path.dirname(HERE), *parts, "conftest.py")
    spec = importlib.util.spec_from_file_location("_".join(parts) + "_fixtures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_integration = _conftest("integration")
session_dir, rootfs, state_dir = _integration.session_dir, _integration.rootfs, _integration.state_dir
_containers = _conftest("integration", "python")
host = _containers.host

import unprotected  # noqa: E402  # hacking/ is on the path by now
from bundles import Runtime, cgroups  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if os.geteuid() != 0 and str(item.path).startswith(HERE + os.sep):
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture
def build(request, tmp_path):
    return unprotected.Build(getattr(request, "param", None), str(tmp_path))


@pytest.fixture
def runtime(build, tmp_path):
    made = Runtime(str(tmp_path), build.entry)
    yield made
    made.clean()
    assert cgroups(made.prefix) == []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert str(tmp_path) not in file.read()


@pytest.fixture
def own_rootfs(rootfs, tmp_path):
    path = str(tmp_path / "rootfs")
    shutil.copytree(rootfs, path, symlinks=True)
    return path


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside"
    path.mkdir()
    return path
