# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""linux.seccomp: what is refused as wrong, and what the compiled program decides, run by a small BPF machine."""

from __future__ import annotations

import ctypes.util
import errno
import struct

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.runtime import libseccomp, seccomp
from ansible_collections.agentless.oci.plugins.module_utils.runtime.errors import ConfigError, RuntimeFault

X86_64, X86, AARCH64, ARM, S390X = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0x80000016
X32_BIT = 0x40000000
ALLOW, KILL, ENOSYS, EPERM = 0x7FFF0000, 0, 0x50000 | errno.ENOSYS, 0x50000 | errno.EPERM
FELL_THROUGH = "fell through"


def run(program, arch, number, *arguments):
    """What *program* returns for a system call: a machine for the instructions that seccomp programs use."""
    code = list(struct.iter_unpack("=HBBI", program))
    words = [number, arch, 0, 0]
    for argument in [*arguments, *[0] * (6 - len(arguments))]:
        words += [argument & 0xFFFFFFFF, argument >> 32]
    accumulator, at = 0, 0
    while at < len(code):
        opcode, if_true, if_false, operand = code[at]
        at += 1
        if opcode == 0x20:
            accumulator = words[operand // 4]
        elif opcode == 0x54:
            accumulator &= operand
        elif opcode == 0x06:
            return operand
        elif opcode == 0x05:
            at += operand
        else:
            met = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x35: accumulator >= operand}[opcode]
            at += if_true if met else if_false
    return FELL_THROUGH


def allowing(*rules, **more):
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules), **more}


def rule(**more):
    return {"names": ["kcmp"], "action": "SCMP_ACT_ERRNO", **more}


NOTIFY = rule(action="SCMP_ACT_NOTIFY")


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ([], "linux.seccomp:"),
        ({}, "linux.seccomp.defaultAction: is missing"),
        ({"defaultAction": "ALLOW"}, "linux.seccomp.defaultAction: unknown action 'ALLOW'"),
        (allowing(defaultErrnoRet=1), "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW returns no errno"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}, "linux.seccomp.defaultErrnoRet: 4096"),
        (allowing(architectures=["x86_64"]), "linux.seccomp.architectures: unknown architecture 'x86_64'"),
        (allowing(flags=["SECCOMP_FILTER_FLAG_NEW_LISTENER"]), "linux.seccomp.flags: unknown flag"),
        (allowing("kcmp"), "linux.seccomp.syscalls[0]: expected an object"),
        (allowing(rule(), rule(names=[])), "linux.seccomp.syscalls[1].names: is empty"),
        (allowing(rule(names=["a\0b"])), "linux.seccomp.syscalls[0].names:"),
        (allowing(rule(names="kcmp")), "linux.seccomp.syscalls[0].names: expected a list"),
        (allowing(rule(action=None)), "linux.seccomp.syscalls[0].action: is missing"),
        (allowing(rule(errnoRet=-1)), "linux.seccomp.syscalls[0].errnoRet: -1"),
        (allowing(rule(errnoRet=True)), "linux.seccomp.syscalls[0].errnoRet: True"),
        (allowing(rule(action="SCMP_ACT_KILL", errnoRet=1)), "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_KILL"),
        (allowing(rule(args=[{"index": 6}])), "linux.seccomp.syscalls[0].args[0].index: 6"),
        (allowing(rule(args=[{"index": 0, "op": "SCMP_CMP_EQ"}])), "linux.seccomp.syscalls[0].args[0].value"),
        (allowing(rule(args=[{"index": 0, "value": 1 << 64}])), "linux.seccomp.syscalls[0].args[0].value"),
        (allowing(rule(args=[{"index": 0, "value": 1, "op": "=="}])), "linux.seccomp.syscalls[0].args[0].op"),
        (allowing(NOTIFY), "linux.seccomp.listenerPath: is missing"),
        (allowing(NOTIFY, listenerPath="agent"), "linux.seccomp.listenerPath: 'agent' is not an absolute path"),
        (allowing(listenerMetadata="x"), "linux.seccomp.listenerMetadata: is set without listenerPath"),
        (allowing(flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]), "linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT"),
    ],
)
def test_wrong_values_are_named(document, where):
    with pytest.raises(ConfigError) as caught:
        seccomp.validate(document)
    assert str(caught.value).startswith(where)
    assert caught.value.obj == where.split(":")[0]


def test_everything_the_specification_has_is_accepted():
    arguments = [{"index": 5, "value": (1 << 64) - 1, "valueTwo": 0, "op": op} for op in seccomp.OPERATORS]
    rules = [rule(action=action, args=arguments) for action in seccomp.ACTIONS]
    rules.append(rule(action="SCMP_ACT_TRACE", errnoRet=0xFFFF))
    seccomp.validate(
        allowing(
            *rules,
            architectures=sorted(seccomp.ARCHITECTURES),
            flags=list(seccomp.FLAGS),
            listenerPath="/run/agent",
            listenerMetadata="x",
        )
    )
    seccomp.validate({"defaultAction": "SCMP_ACT_LOG", "syscalls": None, "architectures": None})


@pytest.mark.parametrize(
    ("default", "rules", "refused"),
    [
        ("ALLOW", [], False),
        ("ERRNO", [], True),
        ("LOG", [("kcmp", "KILL", None)], True),
        ("ALLOW", [("kcmp", "ERRNO", [1])], False),
        ("ALLOW", [("other", "ERRNO", None)], False),
        ("ERRNO", [("kcmp", "ALLOW", [1])], False),
        ("ERRNO", [("kcmp", "NOTIFY", None)], False),
        ("KILL", [("kcmp", "TRACE", None)], False),
        ("KILL", [("kcmp", "TRAP", None)], True),
    ],
)
def test_what_can_never_pass(default, rules, refused):
    entries = [{"names": [name], "action": "SCMP_ACT_" + action, "args": args} for name, action, args in rules]
    assert seccomp.refuses({"defaultAction": "SCMP_ACT_" + default, "syscalls": entries}, "kcmp") is refused


@pytest.mark.parametrize(
    ("flags", "rules", "bits"),
    [
        ([], [], 0),
        (["TSYNC", "LOG", "SPEC_ALLOW"], [], 7),
        ([], [NOTIFY], 8),
        (["TSYNC"], [NOTIFY], 1 | 8 | 16),
        (["WAIT_KILLABLE_RECV"], [NOTIFY], 32 | 8),
    ],
)
def test_flags(flags, rules, bits):
    assert seccomp.filter_flags(allowing(*rules, flags=["SECCOMP_FILTER_FLAG_" + flag for flag in flags])) == bits


@pytest.mark.parametrize(
    ("newest", "arch", "number", "result"),
    [
        ({X86_64: 400}, X86_64, 400, FELL_THROUGH),
        ({X86_64: 400}, X86_64, 401, ENOSYS),
        ({X86_64: 400}, X86_64, X32_BIT, FELL_THROUGH),  # what to do with a foreign architecture is the filter's
        ({X86_64: 400}, X86_64, 0xFFFFFFFF, FELL_THROUGH),  # skipped by a tracer
        ({X86_64: 400}, X86, 401, FELL_THROUGH),
        ({X86_64: 400, 0x4000003E: X32_BIT + 300}, X86_64, X32_BIT + 300, FELL_THROUGH),
        ({X86_64: 400, 0x4000003E: X32_BIT + 300}, X86_64, X32_BIT + 301, ENOSYS),
        ({X86_64: 400, 0x4000003E: X32_BIT + 300}, X86_64, 350, FELL_THROUGH),
        ({X86_64: 400, X86: 300}, X86, 301, ENOSYS),
        ({AARCH64: 400, ARM: 300}, ARM, 301, ENOSYS),
        ({AARCH64: 400, ARM: 300}, ARM, 0x0F0005, FELL_THROUGH),  # set_tls
        ({S390X: 400}, S390X, 0, ENOSYS),
        ({S390X: 400}, S390X, 1, FELL_THROUGH),
        ({}, X86_64, 1000, FELL_THROUGH),
    ],
)
def test_newer_system_calls(newest, arch, number, result):
    assert run(libseccomp.prologue(newest), arch, number) == result


# From here on with the library: its programs, run for several architectures on any machine.

needs_library = pytest.mark.skipif(not ctypes.util.find_library("seccomp"), reason="needs libseccomp")
ARCHES = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"]


@needs_library
@pytest.mark.parametrize(
    ("op", "value", "second", "argument", "met"),
    [
        ("EQ", 5, 0, 5, True),
        ("EQ", 5, 0, 5 | 1 << 32, False),
        ("NE", 5, 0, 5, False),
        ("LT", 5, 0, 4, True),
        ("LE", 5, 0, 5, True),
        ("GE", 5, 0, 4, False),
        ("GT", 5, 0, 1 << 33, True),
        ("MASKED_EQ", 0xFFFFFFFF, 5, 5 | 1 << 32, True),
        ("MASKED_EQ", 0xF, 5, 0x25, True),
        ("MASKED_EQ", 0xF, 5, 0x26, False),
    ],
)
def test_arguments(op, value, second, argument, met):
    args = [{"index": 1, "op": "SCMP_CMP_" + op, "value": value, "valueTwo": second}]
    program = seccomp.compile(allowing(rule(args=args), architectures=ARCHES))
    assert run(program, X86_64, 312, 99, argument) == (EPERM if met else ALLOW)
    assert run(program, AARCH64, 272, 99, argument) == (EPERM if met else ALLOW)


@needs_library
def test_actions_and_numbers():
    actions = {"getppid": ("KILL_PROCESS", 0x80000000), "getuid": ("TRAP", 0x30000), "getgid": ("LOG", 0x7FFC0000)}
    rules = [{"names": [name], "action": "SCMP_ACT_" + action} for name, (action, _value) in actions.items()]
    rules += [rule(errnoRet=77), {"names": ["ptrace"], "action": "SCMP_ACT_TRACE", "errnoRet": 4711}]
    program = seccomp.compile(allowing(*rules, architectures=ARCHES))
    numbers = {"getppid": 110, "getuid": 102, "getgid": 104}
    for name, (_action, value) in actions.items():
        assert run(program, X86_64, numbers[name]) == value, name
    assert run(program, X86_64, 312) == 0x50000 | 77
    assert run(program, X86_64, 101) == 0x7FF00000 | 4711
    assert run(program, X86_64, 999) == ALLOW  # nothing is ENOSYS where the default allows
    assert run(program, X86, 349) == 0x50000 | 77  # kcmp there
    assert run(program, ARM, 1) == KILL  # an architecture that is not declared


@needs_library
def test_a_profile_that_allows_by_name():
    names = ["read", "write", "openat2", "no_such_call_ever"]
    document = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ARCHES, "syscalls": []}
    document["syscalls"] = [
        {"names": names, "action": "SCMP_ACT_ALLOW"},
        {"names": ["kcmp"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM},  # what the default does anyway
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
    ]
    seccomp.validate(document)
    program = seccomp.compile(document)
    for arch, read in ((X86_64, 0), (X86, 3), (AARCH64, 63)):
        assert run(program, arch, read) == ALLOW
        assert run(program, arch, 20) == EPERM
        assert run(program, arch, 437) == ALLOW  # openat2, the newest named: the same number everywhere
        assert run(program, arch, 435) == ENOSYS  # clone3
        assert run(program, arch, 436) == EPERM  # close_range is older than openat2: the author did not want it
        assert run(program, arch, 438) == ENOSYS


@needs_library
def test_two_conditions_on_one_argument_are_two_rules():
    args = [{"index": 0, "op": "SCMP_CMP_EQ", "value": value} for value in (3, 4)]
    program = seccomp.compile(allowing(rule(args=args)))
    number = {"x86_64": 312, "aarch64": 272}.get(libseccomp.os.uname().machine)
    if number is None:
        pytest.skip("the number of kcmp here is not known to this test")
    arch = X86_64 if number == 312 else AARCH64
    assert [run(program, arch, number, value) for value in (2, 3, 4, 5)] == [ALLOW, EPERM, EPERM, ALLOW]


@needs_library
def test_the_cache_gives_what_was_compiled_and_only_for_the_same(tmp_path, monkeypatch):
    cache = str(tmp_path / "cache")
    one, other = allowing(rule(errnoRet=1)), allowing(rule(errnoRet=2))
    programs = [seccomp.compile(document, cache) for document in (one, other)]
    assert programs[0] != programs[1]
    monkeypatch.setattr(libseccomp, "compile_filter", lambda *_arguments: pytest.fail("compiled again"))
    assert [seccomp.compile(document, cache) for document in (one, other)] == programs


@needs_library
def test_the_cache_believes_no_checksum(tmp_path, monkeypatch):
    """Two profiles of one checksum: a filter of the other's would be a hole."""
    monkeypatch.setattr(seccomp.binascii, "crc32", lambda _data: 7)
    cache = str(tmp_path)
    one, other = allowing(rule(errnoRet=1)), allowing(rule(errnoRet=2))
    assert seccomp.compile(one, cache) == seccomp.compile(one)
    assert seccomp.compile(other, cache) == seccomp.compile(other)
    assert len(list(tmp_path.iterdir())) == 1


@needs_library
def test_the_cache_does_not_grow_for_ever(tmp_path):
    for number in range(1, 200):
        seccomp.compile(allowing(rule(errnoRet=number)), str(tmp_path))
    assert len(list(tmp_path.iterdir())) <= 64


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(libseccomp, "_SONAME", "libseccomp.so.not-there")
    with pytest.raises(RuntimeFault, match="Install the package libseccomp2"):
        seccomp.compile(allowing(rule()))
