# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instructions of process 1: what they are, and what they do, each machine's where there are the means."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.runtime import reaper

PREFIX = {machine: "" if machine == os.uname().machine else f"{machine}-linux-gnu-" for machine in reaper.MACHINES}


@pytest.mark.parametrize("machine", reaper.MACHINES)
def test_the_listing_is_what_an_assembler_makes_of_it(machine, tmp_path):
    tools = [shutil.which(PREFIX[machine] + name) for name in ("as", "objcopy")]
    if None in tools:
        pytest.skip(f"needs {PREFIX[machine]}as")
    listing = reaper.MACHINES[machine][0]
    source = "\n".join(line[reaper._COLUMN :] for line in listing.split("\n"))
    data = ".balign 8, 0\nset: .quad -1\npid: .long 4711\n"
    subprocess.run([tools[0], "-o", tmp_path / "o", "-"], check=True, input=f"{source}\n{data}".encode())
    subprocess.run([tools[1], "-O", "binary", "-j", ".text", tmp_path / "o", tmp_path / "bin"], check=True)
    assert (tmp_path / "bin").read_bytes() == reaper.code(listing, 4711)


def emulator(machine):
    if machine == os.uname().machine:
        return []
    found = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
    return [found] if found else pytest.skip(f"needs qemu-{machine}")


@pytest.fixture(params=reaper.MACHINES)
def run(request, tmp_path):
    """A function that runs a shell's script as the child of init; (pid of init, pid of the script)."""
    words = emulator(request.param)

    def start(script):
        reading, writing = os.pipe()
        init = os.fork()
        if init == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
            program = os.fork()
            if program == 0:
                os.setpgid(0, 0)
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                os.dup2(writing, 1)
                os.execv("/bin/sh", ["sh", "-c", script])
            path = str(tmp_path / "init")
            with open(path, "wb") as file:
                file.write(reaper.image(request.param, program))
            os.chmod(path, 0o755)
            command = [*words, path]
            os.execv(command[0], command)
        os.close(writing)
        return init, open(reading, "rb")

    return start


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 42", 42), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
def test_it_ends_as_the_program_does(run, script, code):
    init, output = run(script)
    output.close()
    assert ended(init) == code


def test_it_passes_signals_on_and_stays_for_other_children(run):
    init, output = run("trap 'exit 9' USR1; (exit 3) & echo ready; while :; do sleep 0.05; done")
    assert output.readline() == b"ready\n"
    os.kill(init, signal.SIGUSR1)
    assert ended(init) == 9
    output.close()
