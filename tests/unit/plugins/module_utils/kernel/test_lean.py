# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small parts of the standard library, beside the originals."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import lean

VALUES = [
    None,
    True,
    0,
    -1.5,
    1 << 70,
    "",
    'quote " back \\ new\n wörld \ud83d \U0001f600 \x00',
    [],
    {},
    [1, [2, {"a": [None, False]}]],
    {"b": 1, "a": {"nested": "x" * 10000}},
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_json_is_the_standard_librarys(value):
    assert lean.dumps(value) == json.dumps(value)
    assert lean.dumps(value, sort_keys=True) == json.dumps(value, sort_keys=True)
    assert lean.loads(json.dumps(value)) == value
    assert lean.loads(json.dumps(value, indent=3).encode()) == value


@pytest.mark.parametrize("text", ["", "  ", "{", "[1,]", "nul", "{} x", '"\n"', "{'a': 1}", b"\xff"])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError):
        json.loads(text)
    with pytest.raises(ValueError):
        lean.loads(text)


def test_what_json_cannot_say_is_a_type_error():
    with pytest.raises(TypeError):
        lean.dumps({"a": object()})


def test_named_tuples():
    kind = lean.namedtuple("Point", "x, y z", defaults=(7,))
    point = kind(1, y=2)
    assert (point.x, point.y, point.z) == (1, 2, 7) == tuple(point) == point
    assert repr(point) == "Point(x=1, y=2, z=7)"
    assert point._replace(y=5) == (1, 5, 7)
    assert point._asdict() == {"x": 1, "y": 2, "z": 7}
    with pytest.raises(TypeError):
        kind(1)


def test_suppress():
    with lean.suppress(KeyError, ValueError):
        raise ValueError
    with pytest.raises(TypeError), lean.suppress(ValueError):
        raise TypeError


def test_the_runtime_imports_nothing_heavy():
    """What is paid at every start of a container."""
    top = os.path.dirname(os.path.dirname(lean.__file__))
    program = (
        f"import sys; sys.path.insert(0, {top!r}); import entry; entry.register()\n"
        "import aoci.cli.main, aoci.cli.runtime_verbs\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    heavy = {"json", "re", "enum", "functools", "collections", "contextlib", "typing", "dataclasses", "signal"}
    heavy |= {"subprocess", "argparse", "logging", "tempfile", "shutil", "pathlib", "hashlib", "socket", "threading"}
    assert heavy.intersection(done.stdout.split()) == set()
