# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter of system calls, from inside, and what happens where it changes or cannot be."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.module_utils.runtime import libseccomp

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']
UNCONFINED = ["seccomp=unconfined"]
# What a kernel without the filter lets root do that has no capability at all.
NEW_USER_NAMESPACE = "unshare -U true 2>/dev/null && echo made || echo refused"
NEW_MOUNT_NAMESPACE = "unshare -m true 2>/dev/null && echo made || echo refused"


def filtered(host, **given):
    return host.shell("grep '^Seccomp:' /proc/self/status", **given).split()[1]


def test_by_default_a_filter_is_on_and_refuses(host):
    assert filtered(host) == "2"
    assert host.shell(NEW_USER_NAMESPACE) == "refused\n"
    assert filtered(host, security_opts=["no-new-privileges"], user="app") == "2"


def test_unconfined(host):
    assert filtered(host, security_opts=UNCONFINED) == "0"
    assert filtered(host, privileged=True) == "0"
    assert host.shell(NEW_USER_NAMESPACE, security_opts=UNCONFINED) == "made\n"
    assert host.shell(NEW_MOUNT_NAMESPACE, security_opts=UNCONFINED) == "refused\n"  # the kernel's word, not ours
    assert host.shell(NEW_MOUNT_NAMESPACE, security_opts=UNCONFINED, capabilities=["SYS_ADMIN"]) == "made\n"


def test_a_granted_capability_widens_it(host):
    assert filtered(host, capabilities=["SYS_ADMIN"]) == "2"
    assert host.shell(NEW_MOUNT_NAMESPACE, capabilities=["SYS_ADMIN"]) == "made\n"


def profile(*names):
    rule = {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": 95}
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}


def test_a_profile_of_ones_own(host, tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(profile("mkdir", "mkdirat")))
    for given in (str(path), path.read_text()):
        assert "Operation not supported" in host.shell("mkdir /x 2>&1 || true", security_opts=[f"seccomp={given}"])
    assert filtered(host, security_opts=[f"seccomp={path}"], privileged=True) == "2"


def test_a_changed_profile_file_is_a_change(host, tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(profile("mkdir")))
    given = {"command": WAIT, "security_opts": [f"seccomp={path}"]}
    host.run(**given)
    path.write_text(json.dumps(profile("mkdir"), indent=4))
    assert host.run(**given)["actions"] == []
    path.write_text(json.dumps(profile("rmdir")))
    assert host.run(check=True, **given)["actions"] == ["replaced container web (security_opts)", "started"]
    assert host.run(**given)["actions"] == ["replaced container web (security_opts)", "started"]
    path.unlink()
    with pytest.raises(Error, match="cannot read the seccomp profile"):
        host.run(**given)


def test_the_monitor_starts_it_again_under_the_filter(host):
    script = "grep '^Seccomp:' /proc/self/status; exit 1"
    host.run(command=["sh", "-c", script], restart_policy="on-failure", restart_retries=1)
    host.ended()
    assert host.log().count("Seccomp:\t2") == 2


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"defaultAction": "SCMP_ACT_PERHAPS"}, "seccomp profile: defaultAction: unknown action 'SCMP_ACT_PERHAPS'"),
        ({"defaultAction": "SCMP_ACT_ERRNO"}, "refuses execve(2), without which the program cannot be started"),
        (["a"], "does not hold a JSON object"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_a_bad_profile_is_one_message_and_nothing_is_left(host, tmp_path, given, reason, check):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(given))
    with pytest.raises(Error) as caught:
        host.run(check=check, command=WAIT, security_opts=[f"seccomp={path}"])
    assert reason in str(caught.value)
    assert host.clean() == []


@pytest.mark.parametrize("check", [False, True])
def test_without_libseccomp_there_is_no_container(host, monkeypatch, check):
    monkeypatch.setattr(libseccomp, "_SONAME", "libnosuch.so.2")
    with pytest.raises(Error, match=r"libnosuch\.so\.2 is not on this host.*Install the package libseccomp2"):
        host.run(check=check, command=WAIT)
    assert host.clean() == []
    host.run(command=WAIT, security_opts=UNCONFINED)
    assert os.path.isdir(f"/proc/{host.status()['Pid']}")
