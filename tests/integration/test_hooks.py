# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: their order, what they are told, and what a failing one does."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from bundles import CHECKOUT, cgroups, config


def hook(tmp_path, name, script=""):
    """A hook that notes its name and keeps the state it was given."""
    path = tmp_path / f"{name}.sh"
    path.write_text(f"#!/bin/sh\ncat > {tmp_path}/{name}.json\necho {name} >> {tmp_path}/order\n{script}\n")
    path.chmod(0o755)
    return {"path": str(path), "args": [name], "env": ["A=b"]}


def order(tmp_path):
    path = tmp_path / "order"
    return path.read_text().split() if path.exists() else []


MODULE_UTILS = os.path.join(CHECKOUT, "plugins", "module_utils")
OUTSIDE = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")


def test_order_and_state(runtime, rootfs, tmp_path):
    document = config(rootfs, "sh", "-c", f"echo program >> {tmp_path}/order; sleep 0.2")
    document["annotations"] = {"x": "y"}
    document["mounts"].append(
        {"destination": str(tmp_path), "source": str(tmp_path), "options": ["bind"]},
    )
    inside = tmp_path / "inside.sh"
    inside.write_text(f"#!/bin/sh\ncat > {tmp_path}/startContainer.json\necho startContainer >> {tmp_path}/order\n")
    inside.chmod(0o755)
    document["hooks"] = {kind: [hook(tmp_path, kind)] for kind in OUTSIDE}
    document["hooks"]["startContainer"] = [{"path": str(inside)}]
    done = runtime.run(document)
    assert done.returncode == 0, done.stderr
    ran = order(tmp_path)
    assert ran[:4] == ["prestart", "createRuntime", "createContainer", "startContainer"]
    assert set(ran[4:6]) == {"program", "poststart"}
    assert ran[6:] == ["poststop"]
    status = {kind: json.loads((tmp_path / f"{kind}.json").read_text()) for kind in (*OUTSIDE, "startContainer")}
    assert status["prestart"]["status"] == status["createRuntime"]["status"] == "creating"
    assert status["startContainer"]["status"] == "created"
    assert status["poststart"]["status"] == "running"
    assert status["poststop"]["status"] == "stopped"
    assert status["prestart"]["pid"] > 1
    assert status["startContainer"]["pid"] == 1
    assert all(state["annotations"] == {"x": "y"} for state in status.values())


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_a_failing_hook_of_create_ends_it(runtime, rootfs, tmp_path, kind):
    document = config(rootfs, "true")
    document["hooks"] = {kind: [hook(tmp_path, kind, "echo no luck >&2; exit 3")], "poststop": [hook(tmp_path, "stop")]}
    done = runtime.run(document)
    assert done.returncode == 1
    assert f"the {kind} hook {tmp_path}/{kind}.sh failed with exit code 3: no luck" in done.stderr
    assert order(tmp_path) == [kind, "stop"]
    assert os.listdir(runtime.run_dir) == []


def test_a_failing_start_container_hook_ends_it(runtime, rootfs, tmp_path):
    document = config(rootfs, "true")
    document["hooks"] = {"startContainer": [{"path": "/bin/false"}], "poststop": [hook(tmp_path, "stop")]}
    done = runtime.run(document)
    assert done.returncode == 1
    assert "the startContainer hook /bin/false failed with exit code 1" in done.stderr
    assert order(tmp_path) == ["stop"]


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
@pytest.mark.parametrize("verb", ["start", "run"])
def test_a_failing_hook_of_start_takes_the_container_to_its_end(runtime, rootfs, tmp_path, kind, verb):
    """runtime.md, "Lifecycle": an error, the container stopped, and on at steps 12 and 13: undone, then poststop."""
    document = config(rootfs, "sleep", "30")
    failing = {"path": "/bin/false"} if kind == "startContainer" else hook(tmp_path, "poststart", "exit 1")
    document["hooks"] = {kind: [failing], "poststop": [hook(tmp_path, "bad", "exit 1"), hook(tmp_path, "stop")]}
    bundle, log = runtime.bundle(document), tmp_path / "log"
    words = ["run", "-b", bundle, "x"]
    if verb == "start":
        assert runtime("create", "-b", bundle, "x", capture_output=False).returncode == 0
        pid = runtime.state("x")["pid"]
        words = ["start", "x"]
    done = runtime("--log", str(log), "--log-format", "json", *words)
    assert done.returncode == 1
    warning, error = done.stderr.splitlines()
    assert warning.startswith(f"aoci: warning: the poststop hook {tmp_path}/bad.sh")
    assert f"the {kind} hook" in error
    assert [json.loads(line)["level"] for line in log.read_text().splitlines()] == ["warning", "error"]
    assert [name for name in order(tmp_path) if name != kind] == ["bad", "stop"]
    assert json.loads((tmp_path / "stop.json").read_text())["status"] == "stopped"
    assert os.listdir(runtime.run_dir) == []
    assert cgroups(runtime.prefix) == []
    assert verb == "run" or not os.path.exists(f"/proc/{pid}/exe")
    assert "does not exist" in runtime("delete", "x").stderr


def test_a_failing_poststop_hook_is_a_warning(runtime, rootfs, tmp_path):
    document = config(rootfs, "true")
    document["hooks"] = {"poststop": [hook(tmp_path, "bad", "exit 1"), hook(tmp_path, "good")]}
    done = runtime.run(document)
    assert done.returncode == 0
    assert done.stderr.startswith("aoci: warning: the poststop hook")
    assert order(tmp_path) == ["bad", "good"]


def test_a_hook_that_takes_too_long(runtime, rootfs, tmp_path):
    document = config(rootfs, "true")
    document["hooks"] = {"createRuntime": [{**hook(tmp_path, "slow", "exec sleep 30"), "timeout": 1}]}
    done = runtime.run(document)
    assert done.returncode == 1
    assert "did not end within 1 s and was killed" in done.stderr


def test_nothing_can_be_imported_after_the_pivot():
    program = (
        f"import sys; sys.path.insert(0, {MODULE_UTILS!r}); import entry; entry.register()\n"
        "from aoci.runtime import child\n"
        "child.load_nothing_more()\n"
        "try: import colorsys; print('loaded')\n"
        "except ImportError: print('refused')\n"
    )
    done = subprocess.run(["/usr/bin/python3", "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
