# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.kernel.beside import beside
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import KernelError

HOLD = """
import sys, time
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.kernel.beside import beside
with beside(lambda: None) as pid:
    print(pid, flush=True)
    time.sleep(60)
"""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_stands_where_it_has_gone_as_long_as_the_block_lasts(tmp_path):
    with beside(lambda: os.chdir(tmp_path)) as pid:
        assert os.readlink(f"/proc/{pid}/cwd") == str(tmp_path)
        assert pid != os.getpid()
    assert not alive(pid)


def test_what_it_raises_is_raised_here():
    def refuse():
        raise KernelError("the kernel refuses", step="map", obj="x", errno=errno.EPERM, hint="Ask it nicely")

    with pytest.raises(KernelError) as caught:
        with beside(refuse):
            raise AssertionError("it did not enter")
    error = caught.value
    assert (str(error), error.step, error.obj) == ("the kernel refuses. Ask it nicely.", "map", "x")
    assert error.errno == errno.EPERM
    with pytest.raises(FileNotFoundError) as missing:
        with beside(lambda: os.chdir("/no/such/place")):
            raise AssertionError("it did not enter")
    assert missing.value.filename == "/no/such/place"


def test_it_ends_with_whoever_is_killed():
    argv = [sys.executable, "-I", "-S", "-c", HOLD, os.path.dirname(entry.__file__)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        pid = int(holder.stdout.readline())
        assert alive(pid)
        holder.kill()
    end = time.monotonic() + 20
    while alive(pid):
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.02)
