# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of a task, as far as no host is needed."""

from __future__ import annotations

import importlib
import os
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cli import module_verb
from ansible_collections.agentless.oci.plugins.plugin_utils import direct

PLUGINS = os.path.dirname(os.path.dirname(direct.__file__))


def names(kind):
    return sorted(name[:-3] for name in os.listdir(os.path.join(PLUGINS, kind)) if name.endswith(".py"))


def test_every_module_has_an_action_and_a_place_in_the_core():
    assert names("action") == names("modules") == sorted(module_verb.MODULES)
    package = module_verb.__name__.rpartition(".cli.")[0]
    for place in module_verb.MODULES.values():
        assert callable(importlib.import_module(f"{package}.{place}").run)


@pytest.mark.parametrize("name", names("modules"))
def test_every_module_tells_what_its_options_are(name):
    module = importlib.import_module(f"ansible_collections.agentless.oci.plugins.modules.{name}").MODULE
    assert module["supports_check_mode"] is True
    _spec, paths = direct.without_paths(module["argument_spec"])
    assert ["root"] in paths


def test_paths_are_left_to_the_host():
    spec = {
        "name": {"type": "str"},
        "file": {"type": "path", "required": True},
        "files": {"type": "list", "elements": "path"},
        "source": {"type": "dict", "options": {"path": {"type": "path"}}},
        "mounts": {"type": "list", "elements": "dict", "options": {"from": {"type": "path"}, "to": {"type": "str"}}},
    }
    plain, paths = direct.without_paths(spec)
    assert paths == [["file"], ["files", "*"], ["source", "path"], ["mounts", "*", "from"]]
    assert plain["file"] == {"type": "str", "required": True}
    assert plain["files"]["elements"] == "str"
    assert plain["mounts"]["options"]["from"] == {"type": "str"}
    assert spec["file"]["type"] == "path"


def test_the_host_expands_them(monkeypatch):
    monkeypatch.setenv("HOME", "/home/there")
    monkeypatch.setenv("PLACE", "/place")
    params = {
        "name": "~",
        "file": "~/x",
        "files": ["$PLACE/y", "/z"],
        "source": {"path": None},
        "mounts": [{"from": "~", "to": "~"}, {"from": "/a"}],
        "absent": None,
    }
    paths = [["file"], ["files", "*"], ["source", "path"], ["mounts", "*", "from"], ["absent", "path"]]
    module_verb.expand_paths(params, paths)
    assert params["name"] == "~"
    assert params["file"] == "/home/there/x"
    assert params["files"] == ["/place/y", "/z"]
    assert params["mounts"] == [{"from": "/home/there", "to": "~"}, {"from": "/a"}]


@pytest.mark.parametrize(
    ("root", "environment", "there"),
    [
        ("STATE", None, True),
        (None, "STATE", True),
        ("/nowhere", "STATE", False),
        (None, "/nowhere", False),
        ("~/state", "STATE", False),
        ("~/a state's", None, True),
        ("$HOME/a state's", None, True),
        ("$STATE", "STATE", False),
    ],
)
def test_the_shell_runs_the_copy_where_it_is(tmp_path, root, environment, there):
    state = tmp_path / "a state's"
    copy = state / "lib/0123"
    copy.mkdir(parents=True)
    (copy / "entry.py").write_text("import sys; print('ran', sys.argv[1:], sys.flags.isolated)", encoding="utf-8")
    given = str(state) if root == "STATE" else root
    variables = {"AGENTLESS_OCI_ROOT": str(state) if environment == "STATE" else environment} if environment else {}
    environ = {**os.environ, "HOME": str(tmp_path), **variables}
    command = ["/bin/sh", "-c", direct.script(call(root=given))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    assert done.stdout == ("ran ['module', 'oci_image'] 1\n" if there else "AOCI-NO-CORE\n")


def call(**params):
    given = {"params": params, "paths": [], "check_mode": False, "verbosity": 0, "diff": False}
    return direct.Call("oci_image", "/usr/bin/python3", "0123", given, {"se'cret", "other"})


@pytest.mark.parametrize(
    ("name", "check_mode", "verb"),
    [("oci_image", False, "run"), ("oci_image", True, "lend"), ("oci_image_info", False, "lend")],
)
def test_what_only_reads_installs_nothing(name, check_mode, verb):
    given = {**call().given, "check_mode": check_mode}
    assert direct.Call(name, "/usr/bin/python3", "0123", given, set()).verb == (verb, name)
    # In the background it goes on when there is nobody left to take the copy away.
    job = ("/jobs", "j1", "60")
    assert direct.Call(name, "/usr/bin/python3", "0123", given, set(), job).verb == ("run", name, *job)


@pytest.mark.parametrize(
    ("stdout", "stderr", "rc", "result"),
    [
        ("AOCI-NO-CORE\n", "", 0, None),
        ("noise of a profile\nAOCI-NO-CORE\n", "", 0, None),
        ("AOCI-NO-PACKER\n", "", 0, None),
        ('noise\n{"changed": true}\n', "", 0, {"changed": True}),
        ('{"stdout": "a\\nb"}\n', "", 0, {"stdout": "a\nb", "stdout_lines": ["a", "b"]}),
    ],
)
def test_what_is_read_of_the_output(stdout, stderr, rc, result):
    assert direct.read_result({"stdout": stdout, "stderr": stderr, "rc": rc}, "oci_image") == result


def test_a_crash_is_a_failure_that_says_all_it_knows():
    ran = {"stdout": "", "stderr": "Traceback:\n  x\nKeyError: 'y'\n", "rc": 1}
    assert direct.read_result(ran, "oci_image") == {
        "failed": True,
        "msg": "oci_image ended without a result (exit code 1): KeyError: 'y'",
        "module_stdout": "",
        "module_stderr": ran["stderr"],
        "rc": 1,
    }
