# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default seccomp profile as a table of verdicts, and profiles in Docker's format."""

from __future__ import annotations

import errno
import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import bundle, seccomp
from ansible_collections.agentless.oci.plugins.module_utils.container import seccomp_profile as tables
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.runtime import seccomp as filters

NONE = ()
ADMIN = ("CAP_SYS_ADMIN",)
NEWUSER, NEWTIME, SIGCHLD, VM_AND_FRIENDS = 0x10000000, 0x80, 17, 0x3D0F00


def verdict(profile, name, *arguments):
    """0 when allowed, else the errno: for profiles whose conditions are all masked comparisons."""
    for rule in profile["syscalls"]:
        conditions = rule.get("args", ())
        if name in rule["names"] and all(arguments[c["index"]] & c["value"] == c["valueTwo"] for c in conditions):
            return 0 if rule["action"] == "SCMP_ACT_ALLOW" else rule["errnoRet"]
    return profile["defaultErrnoRet"]


@pytest.mark.parametrize(
    ("capabilities", "machine", "call", "result"),
    [
        (NONE, "x86_64", ("read",), 0),
        (NONE, "x86_64", ("mount",), errno.EPERM),
        (NONE, "x86_64", ("keyctl",), errno.EPERM),
        (NONE, "x86_64", ("io_uring_setup",), errno.EPERM),
        (NONE, "x86_64", ("userfaultfd",), errno.EPERM),
        (NONE, "x86_64", ("ptrace",), 0),
        (NONE, "x86_64", ("kcmp",), errno.EPERM),
        (("CAP_SYS_PTRACE",), "x86_64", ("kcmp",), 0),
        (NONE, "x86_64", ("unshare", 0), errno.EPERM),
        (ADMIN, "x86_64", ("unshare", 0), 0),
        (ADMIN, "x86_64", ("mount",), 0),
        (ADMIN, "x86_64", ("init_module",), errno.EPERM),
        (("CAP_SYS_MODULE",), "x86_64", ("init_module",), 0),
        (("CAP_SYS_CHROOT",), "x86_64", ("chroot",), 0),
        (NONE, "x86_64", ("chroot",), errno.EPERM),
        (("CAP_SYS_TIME",), "x86_64", ("clock_settime",), 0),
        (("CAP_SYS_BOOT",), "x86_64", ("reboot",), 0),
        (("CAP_SYSLOG",), "x86_64", ("syslog",), 0),
        (("CAP_BPF",), "x86_64", ("bpf",), 0),
        (("CAP_BPF",), "x86_64", ("perf_event_open",), errno.EPERM),
        (("CAP_PERFMON",), "x86_64", ("perf_event_open",), 0),
        (("CAP_DAC_READ_SEARCH",), "x86_64", ("open_by_handle_at",), 0),
        (("CAP_SYS_NICE",), "x86_64", ("mbind",), 0),
        (("CAP_SYS_RAWIO",), "x86_64", ("iopl",), 0),
        (("CAP_SYS_PACCT",), "x86_64", ("acct",), 0),
        (("CAP_SYS_TTY_CONFIG",), "x86_64", ("vhangup",), 0),
        (NONE, "x86_64", ("clone", VM_AND_FRIENDS), 0),
        (NONE, "x86_64", ("clone", SIGCHLD), 0),
        (NONE, "x86_64", ("clone", NEWUSER | SIGCHLD), errno.EPERM),
        (NONE, "x86_64", ("clone", 1 << 40 | NEWUSER), errno.EPERM),
        (ADMIN, "x86_64", ("clone", NEWUSER), 0),
        (NONE, "s390x", ("clone", NEWUSER, SIGCHLD), 0),  # the stack comes first there
        (NONE, "s390x", ("clone", 0, NEWUSER), errno.EPERM),
        (NONE, "x86_64", ("clone3", 0), errno.ENOSYS),
        (ADMIN, "x86_64", ("clone3", 0), 0),
        (NONE, "x86_64", ("socket", 2), 0),
        (NONE, "x86_64", ("socket", 1 << 32 | 10), 0),
        (NONE, "x86_64", ("socket", 38), errno.EPERM),
        (NONE, "x86_64", ("socket", 1 << 32 | 38), errno.EPERM),
        (ADMIN, "x86_64", ("socket", 40), errno.EPERM),
        (NONE, "x86_64", ("socket", 46), errno.EPERM),
        (NONE, "x86_64", ("personality", 8), 0),
        (NONE, "x86_64", ("personality", 0x40000), errno.EPERM),
        (NONE, "x86_64", ("personality", 1 << 32 | 0x40000), errno.EPERM),
        (NONE, "x86_64", ("arch_prctl",), 0),
        (NONE, "aarch64", ("arch_prctl",), errno.EPERM),
        (NONE, "aarch64", ("set_tls",), 0),
    ],
)
def test_the_default_profile(capabilities, machine, call, result):
    assert verdict(seccomp.default_profile(capabilities, machine), *call) == result


@pytest.mark.parametrize("machine", sorted(tables.MACHINES))
@pytest.mark.parametrize("capabilities", [NONE, ADMIN, tuple(tables.BY_CAPABILITY), bundle.CAPABILITIES])
def test_it_is_valid_and_usable_everywhere(machine, capabilities):
    profile = seccomp.default_profile(capabilities, machine)
    filters.validate(profile)
    filters.check_usable(profile, no_new_privileges=False)
    assert profile["architectures"][0] in filters.ARCHITECTURES


def test_an_unknown_machine_is_an_error():
    with pytest.raises(ContainerError, match="no seccomp profile for the architecture pdp11"):
        seccomp.default_profile(NONE, "pdp11")


def test_no_name_stands_twice():
    """A name in two groups would make a later removal from one of them a removal from none."""
    names = " ".join(tables.ALWAYS).split()
    assert sorted(names) == sorted(set(names))
    granted = {name for words in tables.BY_CAPABILITY.values() for name in words.split()}
    assert not granted & set(names)


@pytest.mark.parametrize(
    ("end", "without"), [(1, ()), (8, ()), (46, tables.AF_REFUSED), (46, (0,)), (46, (45,)), (7, (0, 1, 2, 3, 4, 5, 6))]
)
def test_blocks_cover_exactly_the_rest(end, without):
    found = seccomp.blocks(end, without)
    covered = {number for number in range(4 * end) for mask, value in found if number & mask == value}
    assert covered == set(range(end)) - set(without)
    assert all(mask >> 31 for mask, _value in found)


def test_blocks_are_few():
    assert seccomp.blocks(64, (38, 40)) == [
        (0xFFFFFFE0, 0),
        (0xFFFFFFFC, 32),
        (0xFFFFFFFE, 36),
        (0xFFFFFFFF, 39),
        (0xFFFFFFFF, 41),
        (0xFFFFFFFE, 42),
        (0xFFFFFFFC, 44),
        (0xFFFFFFF0, 48),
    ]


# Docker's format


def profile(*syscalls, **more):
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(syscalls), **more}


def allow(**more):
    return {"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", **more}


@pytest.mark.parametrize(
    ("conditions", "applies"),
    [
        ({}, True),
        ({"includes": {}, "excludes": None}, True),
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_KILL"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_KILL"]}}, False),
        ({"includes": {"arches": ["arm64", "amd64"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"excludes": {"arches": ["s390x"]}}, True),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "5.10"}}, True),
        ({"includes": {"minKernel": "5.11"}}, False),
        ({"excludes": {"minKernel": "5.11"}}, True),
        ({"excludes": {"minKernel": "4.19"}}, False),
        ({"includes": {"caps": ["CAP_CHOWN"]}, "excludes": {"arches": ["amd64"]}}, False),
    ],
)
def test_conditions(conditions, applies):
    found = seccomp.translate(profile(allow(**conditions)), ["CAP_CHOWN", "CAP_KILL"], "x86_64", "5.10.0-8-amd64")
    assert bool(found["syscalls"]) is applies


ARCH_MAP = [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (profile(archMap=ARCH_MAP), {"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]}),
        (profile(archMap=[{"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": None}]), {"architectures": []}),
        (profile(architectures=["SCMP_ARCH_X32"]), {"architectures": ["SCMP_ARCH_X32"]}),
        (profile(defaultErrnoRet=38, defaultErrno="ENOENT"), {"defaultErrnoRet": 38}),
        (profile(defaultErrno="ENOSYS"), {"defaultErrnoRet": 38}),
        (profile(flags=["SECCOMP_FILTER_FLAG_LOG"]), {"flags": ["SECCOMP_FILTER_FLAG_LOG"]}),
        (profile({"name": "kcmp", "action": "SCMP_ACT_LOG"}), {"syscalls": [allow(action="SCMP_ACT_LOG")]}),
        (
            profile(allow(action="SCMP_ACT_ERRNO", errno="EPERM", comment="why", args=[])),
            {"syscalls": [allow(action="SCMP_ACT_ERRNO", errnoRet=1)]},
        ),
    ],
)
def test_translation(document, expected):
    found = seccomp.translate(document, NONE, "x86_64")
    assert {key: found.get(key) for key in expected} == expected
    assert found["defaultAction"] == "SCMP_ACT_ERRNO"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "seccomp profile: defaultAction: is missing"),
        (profile(allow(action="ALLOW")), "syscalls[0].action: unknown action 'ALLOW'"),
        (profile(allow(name="a")), "name and names exclude each other"),
        (profile(allow(errno="EVIL")), "'EVIL' is the name of no errno"),
        (profile(allow(includes={"minKernel": "new"})), "'new' is no kernel version"),
        (profile(archMap=ARCH_MAP, architectures=["SCMP_ARCH_X32"]), "exclude each other"),
        (profile("kcmp"), "syscalls is not a list of objects"),
        (profile(allow(includes=["CAP_CHOWN"])), "includes is not an object"),
        (profile(archMap="x86_64"), "archMap is not a list"),
    ],
)
def test_wrong_profiles_are_named(document, message):
    with pytest.raises(ContainerError) as caught:
        seccomp.translate(document, NONE, "x86_64")
    assert message in str(caught.value)


def test_a_profile_comes_from_a_file_or_as_text(tmp_path):
    document = profile(allow())
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(document))
    assert seccomp.load_profile(str(path)) == seccomp.load_profile("  " + json.dumps(document)) == document


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        (b"[]", "does not hold a JSON object"),
        (b"{]", "is not JSON"),
        (b"\xff", "cannot read"),
    ],
)
def test_files_that_are_none(tmp_path, content, message):
    path = tmp_path / "profile.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ContainerError) as caught:
        seccomp.load_profile(str(path))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
