# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own copy of the core."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import core
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def activate_in_child(root, check_mode=False, top=None):
    """core.activate() of the tree at *top* in a process of its own; what it returns."""
    top = top or os.path.dirname(core.__file__)
    program = (
        "import sys, types\n"
        f"package = types.ModuleType('aoci'); package.__path__ = [{top!r}]; sys.modules['aoci'] = package\n"
        "from aoci import core\n"
        f"print(core.activate({root!r}, {check_mode!r}))\n"
        "from aoci.kernel import mounts\n"
        "print(mounts.__file__)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_root
def test_the_copy_is_installed_once_and_imported_from(tmp_path):
    root = str(tmp_path / "state")
    entry, mounts = activate_in_child(root)
    copy = os.path.dirname(entry)
    assert os.path.dirname(copy) == os.path.join(root, "lib")
    assert mounts == os.path.join(copy, "kernel", "mounts.py")
    assert os.stat(root).st_mode & 0o777 == 0o700
    compiled = os.path.join(copy, "kernel", "__pycache__")
    before = {name: os.stat(os.path.join(compiled, name)).st_mtime_ns for name in os.listdir(compiled)}
    assert before
    assert activate_in_child(root) == [entry, mounts]
    assert {name: os.stat(os.path.join(compiled, name)).st_mtime_ns for name in os.listdir(compiled)} == before


@needs_root
def test_check_mode_writes_nothing(tmp_path):
    root = str(tmp_path / "state")
    entry, mounts = activate_in_child(root, check_mode=True)
    assert entry == ""
    assert mounts == os.path.join(os.path.dirname(core.__file__), "kernel", "mounts.py")
    assert not os.path.exists(root)


@needs_root
def test_an_old_copy_goes_unless_something_runs_from_it_or_will(tmp_path):
    root = str(tmp_path / "state")
    old = os.path.dirname(activate_in_child(root)[0])
    newer = str(tmp_path / "tree")
    shutil.copytree(os.path.dirname(core.__file__), newer, ignore=shutil.ignore_patterns("__pycache__"))
    with open(os.path.join(newer, "statedir.py"), "a", encoding="utf-8") as file:
        file.write("# changed\n")
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl; f = open({os.path.join(old, core.LOCK)!r}); "
         "fcntl.flock(f, fcntl.LOCK_SH); print('held', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    new = os.path.dirname(activate_in_child(root, top=newer)[0])
    assert new != old
    assert os.path.realpath(os.path.join(root, "core")) == new  # what the host's init calls
    assert os.path.isdir(old)  # its monitor lives on
    holder.communicate("\n")
    # Nothing runs from it, and systemd will call it when the container ends whose service was started from it.
    container = os.path.join(root, "containers", ".1")
    os.makedirs(container)
    os.symlink(old, os.path.join(container, "core"))
    os.symlink(".1", os.path.join(root, "containers", "web"))
    shutil.rmtree(new)
    activate_in_child(root, top=newer)
    assert os.path.isdir(old)
    shutil.rmtree(container)
    shutil.rmtree(new)
    activate_in_child(root, top=newer)
    assert os.listdir(os.path.join(root, "lib")) == [os.path.basename(new)]


def test_only_root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Error, match=r"need root on the managed host\. Run the task with become: true\."):
        core.activate(str(tmp_path), False)


def test_every_file_of_the_core_is_sent_with_every_task():
    """Ansible sends what it sees imported: a file that contents.py does not name is missing on the host."""
    top = os.path.dirname(core.__file__)
    with open(os.path.join(top, "contents.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    named = {
        os.path.join(*(node.module or "").split("."), alias.name + ".py").lstrip("/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    present = {
        os.path.relpath(os.path.join(directory, name), top)
        for directory, _subdirectories, names in os.walk(top)
        for name in names
        if name.endswith(".py") and name != "__init__.py"
    }
    assert named == present - {"core.py", "contents.py"}
