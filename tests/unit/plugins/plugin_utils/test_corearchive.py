# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core on its way to a host, and there: what becomes of the archive under each condition."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib

import pytest
from ansible import constants as C
from ansible_collections.agentless.oci.plugins.module_utils import fingerprint
from ansible_collections.agentless.oci.plugins.modules import oci_volume
from ansible_collections.agentless.oci.plugins.plugin_utils import corearchive
from ansible_collections.agentless.oci.plugins.plugin_utils.compact import compact

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
VERSION = fingerprint.of_tree(corearchive.CORE)
COMPACT = {name: compact(text) for name, text in corearchive.read(VERSION).items()}
PARAMETERS = {name: option.get("default") for name, option in oci_volume.MODULE["argument_spec"].items()}
GIVEN = {
    "params": {**PARAMETERS, "name": "none", "state": "absent"},
    "paths": [],
    "check_mode": False,
    "verbosity": 0,
    "diff": False,
}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Call as archives(packer): what is sent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path_factory.mktemp("local")))
        yield lambda packer: corearchive.archive(packer, VERSION, local=False)


@pytest.fixture
def packed(archives):
    """The archive for the packer that comes first."""
    return archives(corearchive.PACKERS[0])


def task(**more):
    """What module_verb.py reads, as it follows an archive."""
    given = {**GIVEN, **more, "params": {**GIVEN["params"], **more.get("params", {})}}
    return zlib.compress(json.dumps(given).encode())


def arrive(data, root, *verb, packer=corearchive.PACKERS[0], prefix="", **environment):
    command = corearchive.arrive(sys.executable, packer, VERSION, root, *verb)
    return subprocess.run(
        ["/bin/sh", "-c", prefix + command],
        input=data,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


def contents(root):
    """Path → text of the sources of the copy below *root*, which must be the only one."""
    assert os.listdir(os.path.join(root, "lib")) == [VERSION]
    copy = os.path.join(root, "lib", VERSION)
    found = {}
    for path in fingerprint.python_files(copy):
        with open(path, encoding="utf-8") as file:
            found[os.path.relpath(path, copy)] = file.read()
    return found


@needs_root
def test_every_file_arrives_and_is_compiled(tmp_path, packed):
    root = str(tmp_path / "state")
    done = arrive(packed, root, "install")
    assert (done.returncode, done.stderr) == (0, b"")
    assert contents(root) == COMPACT
    copy = os.path.join(root, "lib", VERSION)
    compiled = [name for _top, _below, names in os.walk(copy) for name in names if name.endswith(".pyc")]
    assert len(compiled) == len(COMPACT)
    assert os.path.realpath(os.path.join(root, "core")) == copy
    assert os.stat(root).st_mode & 0o777 == 0o700


@needs_root
def test_this_machine_gets_the_files_as_they_are(tmp_path):
    (packer,) = corearchive.packers(local=True)
    root = str(tmp_path / "state")
    done = arrive(corearchive.archive(packer, VERSION, local=True), root, "install", packer=packer)
    assert (done.returncode, done.stderr) == (0, b"")
    assert contents(root) == corearchive.read(VERSION)


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": "# notice\nif a:\n    if b:\n        c = '''\n\ttab\n    '''\n   d\n\n    \ne\n"},
        {
            "a.py": "# notice\ndef f():\n    return 1",
            "b.py": "# notice\nx = [\n        1,\n  2]\n",
            "c.py": "# notice\n",
        },
        {"a.py": "x"},
    ],
)
def test_whatever_is_packed_comes_out_as_it_was(tmp_path, files):
    """Indentation that no formatter would leave, at the end of a file too, and files that say only the same."""
    program = corearchive._ARRIVE.partition("class Files:")[0] + "import json\nprint(json.dumps(files))\n"
    for packer in corearchive.PACKERS:
        argv = [sys.executable, "-I", "-S", "-c", program, packer]
        done = subprocess.run(argv, input=corearchive.pack(files, packer), capture_output=True, check=True)
        assert json.loads(done.stdout) == files


def test_what_is_alike_lies_together(monkeypatch):
    files = {"a": "first words here", "b": "quite another text", "c": "first words there", "d": ""}
    assert list(corearchive._alike(files)) == ["b", "a", "c", "d"]
    shared = "alpha beta"  # by most
    files = {
        "m": shared,
        "n": "rare other",
        "p": f"{shared} more",
        "q": f"{shared} less",
        "z": f"{shared} rare longest",
    }
    assert list(corearchive._alike(files))[:2] == ["z", "n"]
    assert corearchive._alike({}) == {}
    found = corearchive._alike(COMPACT)
    assert found == COMPACT
    small = len(corearchive.pack(COMPACT, corearchive.PACKERS[0]))
    monkeypatch.setattr(corearchive, "_alike", lambda given: given)
    assert small < len(corearchive.pack(COMPACT, corearchive.PACKERS[0]))


def test_code_with_tabs_is_not_packed_as_something_else():
    with pytest.raises(ValueError, match="has tabs between its words"):
        corearchive.pack({"a.py": "if a:\n\tb\n", "b.py": "c\n"}, corearchive.PACKERS[0])


def test_one_worker_packs_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    files = [("a.py", "x = 'é'\n"), ("b/c.py", "y = 2\n")]
    calls = []
    monkeypatch.setattr(corearchive, "read", lambda version: calls.append(version) or dict(files))
    first = corearchive.archive("zlib.decompressobj", "0123", local=False)
    assert corearchive.archive("zlib.decompressobj", "0123", local=False) == first
    assert calls == ["0123"]


def test_a_tree_that_changes_meanwhile_is_not_sent_under_the_old_name():
    with pytest.raises(ValueError, match="have just been changed"):
        corearchive.read("0" * 32)


def test_a_host_says_which_packer_it_lacks(tmp_path, packed):
    hidden = tmp_path / "python"
    hidden.write_text(
        f"#!/bin/sh\nshift 3\ncode=$1\nshift\nexec {sys.executable} -I -S -c "
        '"import sys; sys.modules[\'lzma\'] = None\n$code" "$@"\n',
        encoding="utf-8",
    )
    hidden.chmod(0o755)
    command = corearchive.arrive(str(hidden), corearchive.PACKERS[0], VERSION, str(tmp_path / "state"), "install")
    done = subprocess.run(["/bin/sh", "-c", command], input=packed, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"AOCI-NO-PACKER\n", b"")
    assert not (tmp_path / "state").exists()


@needs_root
@pytest.mark.parametrize("packer", corearchive.PACKERS[1:])
def test_what_follows_the_archive_is_the_task_whatever_it_is_packed_by(tmp_path, archives, packer):
    """And the host tells what the state directory's path means."""
    root = str(tmp_path / "state")
    data = archives(packer) + task(params={"root": root})
    done = arrive(data, "$PLACE/state", "run", "oci_volume", packer=packer, PLACE=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["changed"] is False
    assert contents(root) == COMPACT


@needs_root
def test_what_is_lent_is_not_kept(tmp_path, packed):
    root, place = str(tmp_path / "state"), tmp_path / "tmp"
    place.mkdir()
    data = packed + task(check_mode=True, params={"root": root})
    done = arrive(data, root, "lend", "oci_volume", TMPDIR=str(place))
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["changed"] is False
    assert not os.path.exists(root)
    assert os.listdir(place) == []


@needs_root
def test_a_copy_that_lacks_a_file_is_replaced_and_others_at_the_same_time_do_no_harm(tmp_path, packed):
    root = str(tmp_path / "state")
    command = ["/bin/sh", "-c", corearchive.arrive(sys.executable, corearchive.PACKERS[0], VERSION, root, "install")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _time in range(2)]
    for each in started:
        each.stdin.write(packed)
        each.stdin.close()
    assert [(each.wait(), each.stderr.read()) for each in started] == [(0, b""), (0, b"")]
    for each in started:
        each.stderr.close()
    assert contents(root) == COMPACT
    copy = os.path.join(root, "lib", VERSION)
    for missing in (".lock", "kernel"):
        path = os.path.join(copy, missing)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        assert arrive(packed, root, "install").returncode == 0
        assert contents(root) == COMPACT


@needs_root
def test_only_root_and_in_the_words_of_a_task(tmp_path, packed):
    data = packed + task()
    drop = "exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "
    command = corearchive.arrive(
        "/usr/bin/python3", corearchive.PACKERS[0], VERSION, str(tmp_path), "run", "oci_volume"
    )
    done = subprocess.run(["/bin/sh", "-c", drop + command[5:]], input=data, capture_output=True, check=False)
    assert json.loads(done.stdout) == {
        "changed": False,
        "failed": True,
        "msg": "none: containers need root on the managed host. Run the task with become: true.",
    }
    done = arrive(packed, "/dev/null/x", "install")
    assert done.returncode == 1
    assert done.stderr.startswith(b"aoci: [Errno 20] Not a directory: '/dev/null/x")
