# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device rules, played through and compiled."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import bpf, devices
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError

NONE = {"allow": False, "access": "rwm"}
ALL = {"allow": True, "access": "rwm"}


def _rule(allow, kind, major, minor, access="rwm"):
    return {"allow": allow, "type": kind, "major": major, "minor": minor, "access": access}


@pytest.mark.parametrize(
    ("rules", "default", "exceptions"),
    [
        ([], True, []),
        ([NONE], False, []),
        ([NONE, ALL], True, []),
        ([NONE, _rule(True, "c", 1, 3)], False, ["c 1:3 rwm"]),
        ([NONE, _rule(True, "c", 1, 3, "rw"), _rule(True, "c", 1, 3, "m")], False, ["c 1:3 rwm"]),
        ([NONE, _rule(True, "c", 1, 3), _rule(False, "c", 1, 3, "w")], False, ["c 1:3 rm"]),
        ([NONE, _rule(True, "c", 1, 3), _rule(False, "c", 1, 3)], False, []),
        ([_rule(True, "c", 1, 3), NONE], False, []),
        ([NONE, _rule(True, "c", None, None, "m"), _rule(True, "b", -1, -1, "m")], False, ["c *:* m", "b *:* m"]),
        ([ALL, _rule(False, "b", 8, 0, "w")], True, ["b 8:0 w"]),
        ([NONE, _rule(True, "a", 10, 200, "r")], False, ["b 10:200 r", "c 10:200 r"]),
    ],
)
def test_rules_in_order(rules, default, exceptions):
    assert devices.device_list(rules) == (default, exceptions)


@pytest.mark.parametrize("rule", [{"allow": True, "type": "x"}, {"allow": True, "type": "c", "access": "rx"}])
def test_what_is_no_rule(rule):
    with pytest.raises(CgroupError, match="is not a device rule"):
        devices.device_list([rule])


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([NONE, _rule(True, "c", 1, None), _rule(False, "c", 1, 3, "w")], r"cannot deny c 1:3 w alone: c 1:\* rwm"),
        ([ALL, _rule(False, "b", None, None, "w"), _rule(True, "b", 8, 0)], r"cannot allow b 8:0 rwm alone: b \*:\* w"),
    ],
)
def test_no_holes_in_a_wildcard(rules, says):
    with pytest.raises(CgroupError, match=says):
        devices.device_list(rules)


def test_a_hole_for_other_access_is_none():
    rules = [NONE, _rule(True, "c", None, None, "m"), _rule(True, "c", 1, 3), _rule(False, "c", 1, 3, "w")]
    assert devices.device_list(rules) == (False, ["c *:* m", "c 1:3 rm"])


def test_rules_refused_halfway_are_put_back(tmp_path, monkeypatch):
    log = []

    def write_control(path, *lines):
        log.append((path.rpartition("/")[2], *lines))
        if "c 1:9 r" in lines:
            raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(devices, "write_control", write_control)
    with pytest.raises(PermissionError):
        devices.write_devices(str(tmp_path), "c 1:5 rw", "c 1:3 rw\nc 1:9 r")
    assert log == [
        ("devices.deny", "a"),
        ("devices.allow", "c 1:3 rw", "c 1:9 r"),
        ("devices.deny", "a"),
        ("devices.allow", "c 1:5 rw"),
    ]


def _run(code, kind, access, major, minor):
    """A small interpreter of the instructions that program() emits."""
    steps = [struct.unpack("=BBhi", code[at : at + 8]) for at in range(0, len(code), 8)]
    context = {0: access << 16 | kind, 4: major, 8: minor}
    register, at = {1: 0}, 0
    while True:
        operation, registers, offset, value = steps[at]
        dst, src = registers & 15, registers >> 4
        at += 1
        if operation == 0x61:
            register[dst] = context[offset]
        elif operation == 0x54:
            register[dst] &= value
        elif operation == 0x74:
            register[dst] >>= value
        elif operation == 0xBC:
            register[dst] = register[src]
        elif operation == 0xB7:
            register[dst] = value
        elif operation == 0x95:
            return register[0]
        elif (
            (operation == 0x55 and register[dst] != value)
            or (operation == 0x15 and register[dst] == value)
            or (operation == 0x5D and register[dst] != register[src])
        ):
            at += offset


BLOCK, CHAR = 1, 2
MKNOD, READ, WRITE = 1, 2, 4


@pytest.mark.parametrize(
    ("default", "exceptions", "asked", "answer"),
    [
        (False, [], (CHAR, READ, 1, 3), 0),
        (True, [], (CHAR, READ, 1, 3), 1),
        (False, ["c 1:3 rw"], (CHAR, READ, 1, 3), 1),
        (False, ["c 1:3 rw"], (CHAR, READ | WRITE, 1, 3), 1),
        (False, ["c 1:3 rw"], (CHAR, READ | MKNOD, 1, 3), 0),
        (False, ["c 1:3 rw"], (BLOCK, READ, 1, 3), 0),
        (False, ["c 1:3 rw"], (CHAR, READ, 1, 4), 0),
        (False, ["c 1:3 rw"], (CHAR, READ, 2, 3), 0),
        (False, ["c 1:3 rw", "c 5:* r", "b *:* m"], (CHAR, READ, 5, 77), 1),
        (False, ["c 1:3 rw", "c 5:* r", "b *:* m"], (BLOCK, MKNOD, 8, 1), 1),
        (False, ["c 1:3 rw", "c 5:* r", "b *:* m"], (BLOCK, MKNOD | READ, 8, 1), 0),
        (True, ["b 8:0 w"], (BLOCK, WRITE, 8, 0), 0),
        (True, ["b 8:0 w"], (BLOCK, READ | WRITE, 8, 0), 0),
        (True, ["b 8:0 w"], (BLOCK, READ, 8, 0), 1),
        (True, ["b 8:0 w"], (BLOCK, WRITE, 8, 1), 1),
    ],
)
def test_program(default, exceptions, asked, answer):
    assert _run(bpf.program(default, exceptions), *asked) == answer


def test_name_tells_rules_apart():
    one, other = bpf.program(False, ["c 1:3 rw"]), bpf.program(False, ["c 1:3 r"])
    assert bpf.program_name(one) != bpf.program_name(other)
    assert len(bpf.program_name(one)) == 15
