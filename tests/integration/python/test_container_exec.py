# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in running containers: oci_container_exec's work."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.container import execute
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.module_utils.runtime import lifecycle
from ansible_collections.agentless.oci.plugins.modules import oci_container_exec
from conftest import WAIT


@pytest.fixture
def inside(host):
    """Call as inside(*argv, check=…, **options of the module): the result in a container that runs."""
    host.run(command=WAIT, env={"OWN": "of the container", "SHARED": "first"}, working_dir="/srv/www")

    def run(*argv, check=False, **given):
        known = {name: option.get("default") for name, option in oci_container_exec.ARGUMENT_SPEC.items()}
        params = {**known, "name": "web", "root": host.root, "argv": list(argv) or None, **given}
        return execute.perform(params, entry.__file__, check_mode=check)

    return run


def test_a_program_and_what_it_has(inside):
    done = inside(
        "sh", "-c", "echo out; echo err >&2; pwd; id -u; id -g; echo $HOME $OWN $SHARED; exit 3", env={"SHARED": 2}
    )
    assert (done["rc"], done["changed"], done["stderr"]) == (3, True, "err")
    assert done["stdout"].splitlines() == ["out", "/srv/www", "0", "0", "/root of the container 2"]
    assert done["cmd"][0] == "sh"
    done = inside("sh", "-c", "pwd; id -u; id -G; echo $HOME; grep CapEff /proc/self/status", user="app", chdir="/tmp")
    assert done["stdout"].splitlines() == ["/tmp", "1000", "1000 2000", "/home/app", "CapEff:\t0000000000000000"]
    assert inside("kill", "-9", "0", user="1234:5")["rc"] == 137
    assert inside(command="echo 'a  b' $OWN")["stdout"] == "a  b $OWN"
    assert inside("sh", "-c", "echo; echo x; echo; echo", strip_empty_ends=False)["stdout"] == "\nx\n\n\n"


def test_input(inside):
    assert inside("cat", stdin="x")["stdout"] == "x"
    assert inside("wc", "-c", stdin="x" * 300_000, stdin_add_newline=False)["stdout"].strip() == "300000"
    assert inside("true", stdin="x" * 300_000)["rc"] == 0  # which reads none of it
    assert inside("cat")["stdout"] == ""


def test_a_terminal(inside):
    assert inside("sh", "-c", "tty; echo x >&2", tty=True)["stdout"].splitlines() == ["/dev/pts/0", "x"]
    assert inside("tty")["rc"] == 1


def test_what_it_leaves_behind_is_not_waited_for(inside):
    begun = time.monotonic()
    done = inside("sh", "-c", "sleep 300 & echo started; echo $! > /tmp/pid")
    assert (done["rc"], done["stdout"]) == (0, "started")
    assert "rc" not in inside("sleep", "300", detach=True)
    assert time.monotonic() - begun < 100
    assert inside("sh", "-c", "kill -0 $(cat /tmp/pid); pidof sleep | wc -w")["stdout"] >= "2"


def test_creates_and_removes(inside, tmp_path):
    inside(
        "sh", "-c", "mkdir -p /srv/www/a /x; touch /srv/www/a/one.txt; ln -s /etc/nowhere /x/dangling; ln -s / /x/root"
    )
    for there in ("/srv/www/a/one.txt", "a/*.txt", "/srv/*/a/on?.[t]xt", "/x/dangling", "/x/root/x/root/srv/www/a"):
        done = inside("touch", "/ran", creates=there)
        assert (done["changed"], done["rc"], done["stdout"]) == (False, 0, f"skipped, since '{there}' exists"), there
        assert inside("true", removes=there, check=True)["changed"] is True
    for missing in ("/srv/www/b", "a/*.md", "/proc/self/root/x", "/etc/passwd/x", "/*/*/*/two.txt"):
        done = inside("touch", "/ran", removes=missing)
        assert (done["changed"], done["stdout"]) == (False, f"skipped, since '{missing}' does not exist"), missing
        assert inside("true", creates=missing, check=True)["changed"] is True
    assert inside("test", "-e", "/ran")["rc"] == 1
    # A path of the host's that a symlink would lead to is looked for in the container.
    (tmp_path / "there").touch()
    inside("ln", "-s", str(tmp_path), "/x/host")
    assert inside("true", removes="/x/host/there", check=True)["changed"] is False
    inside("mkdir", "-p", str(tmp_path))
    inside("touch", f"{tmp_path}/there")
    assert inside("true", removes="/x/host/there", check=True)["changed"] is True


def test_check_mode_runs_nothing(host, inside):
    done = inside("touch", "/ran", check=True)
    assert (done["changed"], done["skipped"], done["rc"]) == (False, True, 0)
    assert inside("test", "-e", "/ran")["rc"] == 1
    assert inside("true", name="none", creates="/x", check=True)["changed"] is True


def test_what_cannot_be_run(inside):
    for argv, given, words in (
        (["nothing-here"], {}, "the image has no program nothing-here"),
        (["true"], {"name": "none"}, "there is no container none"),
        (["true"], {"user": "nobody-here"}, "no user 'nobody-here'"),
        ([], {"command": "echo 'x"}, "command: No closing quotation"),
        ([], {"command": " "}, "there is no command"),
        (["true"], {"chdir": "/etc/passwd"}, "cannot enter the working directory /etc/passwd"),
    ):
        with pytest.raises(Error, match=words):
            inside(*argv, **given)


def test_containers_that_do_not_run(host, inside):
    made = host.task(name="web", state="started")
    lifecycle.pause(host.state.runtime, made["container"]["Id"])
    with pytest.raises(Error, match="container web is paused"):
        inside("true")
    lifecycle.resume(host.state.runtime, made["container"]["Id"])
    host.task(name="web", state="stopped")
    with pytest.raises(Error, match="container web is stopped"):
        inside("true")


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_containers_of_other_runtimes(host, inside, usable_runtime, runtime):
    host.run(name="other", command=WAIT, runtime=usable_runtime(runtime))
    done = inside("sh", "-c", "id -u; cat", name="other", stdin="x", user="app")
    assert (done["rc"], done["stdout"]) == (0, "1000\nx")


def test_a_user_namespace_of_its_own(host, inside):
    host.run(name="private", command=WAIT, userns_mode="private")
    done = inside("sh", "-c", "id -u; id -G; cat /proc/self/uid_map | wc -l", name="private", user="app")
    assert done["stdout"].splitlines() == ["1000", "1000 2000", "1"]


def test_aoci_exec_by_name(host, inside):
    shell = "id -u; pwd; echo $A; exit 4"
    for words, code, stdout, stderr in (
        (["-u", "app", "-w", "/tmp", "-e", "A=b", "web", "sh", "-c", shell], 4, "1000 /tmp b", ""),
        (["-i", "web", "cat"], 0, "input", ""),
        (["web", "cat"], 0, "", ""),
        (["-t", "web", "sh", "-c", "tty"], 0, "/dev/pts/0", ""),
        (["-it", "web", "sh", "-c", "stty -echo; read line; test -t 0 && exit 7"], 7, "input", ""),
        (["web", "nothing"], 127, "", "aoci: the image has no program nothing"),
        (["web", "/etc/passwd"], 126, "", "aoci: /etc/passwd in the image is not executable"),
        (["webb", "true"], 125, "", "aoci: there is no container webb. 'aoci containers' lists them."),
        (["--process", "x", "web", "true"], 125, "", "aoci: --process is for the ids"),
    ):
        argv = [sys.executable, "-I", "-S", entry.__file__, "--root", host.root, "exec", *words]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120, input="input\n")
        seen = "input" if words[0] == "-it" else " ".join(done.stdout.split())  # there it may be echoed, or not
        assert (done.returncode, seen, done.stderr[: len(stderr)]) == (code, stdout, stderr), words
