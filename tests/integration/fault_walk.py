# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the runtime at one step after the other of an operation, and looks at what is left after a forced delete.

usage: python3 -I -S fault_walk.py CORE RUN_DIR BUNDLE CGROUP OPERATION ROLE

OPERATION is start (a create and a start), kill or delete. ROLE is which process is killed: parent, outer (the
intermediate child of create) or inner (the container's first process). A step is a system call that changes
something; before the n-th of them the process ends as by SIGKILL, n = 1, 2, 3 … until the operation gets through.
Prints a JSON object: ``steps``, and ``problems``, a list of texts.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import sys
import time

CORE, RUN_DIR, BUNDLE, CGROUP, OPERATION, ROLE = sys.argv[1:]
sys.path.insert(0, CORE)
import entry  # noqa: E402

entry.register()
from aoci.cgroup.api import open_cgroup  # noqa: E402
from aoci.kernel.errors import Error  # noqa: E402
from aoci.runtime import lifecycle  # noqa: E402
from aoci.runtime.config import Config  # noqa: E402
from aoci.runtime.seccomp import CACHE as SECCOMP_CACHE  # noqa: E402

sys.path.pop(0)
ID = "torn"
PR_SET_CHILD_SUBREAPER = 36
STEPS = """
fork mkdir rmdir setxattr unlink rename open write kill waitpid symlink mknod chown fchown fchmod
send recv _accept bind connect listen execve dup2 setsid chroot chdir fchdir setgroups
setresuid setresgid prlimit pidfd_open pidfd_send_signal mount umount2 pivot_root unshare
setns prctl capset open_tree move_mount mount_setattr openat2 close_on_exec
new_session_keyring sethostname _exit poll
"""
UNNOTICED = ("_exit",)  # the outer child has nothing more to do
CHANGES = frozenset(STEPS.split())
LIMIT = 400  # no operation has as many


class Walk:
    """Where the next run is to be killed, and how it knows where it is."""

    role = 0
    step = 0
    target = 0
    wanted = ("parent", "outer", "inner").index(ROLE)
    told, tell = os.pipe()


def forked():
    Walk.role += 1
    Walk.step = 0


def watch(frame, event, argument):
    if event == "c_call":
        name = argument.__name__
    elif event == "call" and frame.f_code.co_filename.endswith("kernel/syscalls.py"):
        name = frame.f_code.co_name
    else:
        return
    if name not in CHANGES or Walk.role != Walk.wanted:
        return
    Walk.step += 1
    if Walk.step == Walk.target:
        os.write(Walk.tell, name.encode() + b"\n")
        os._exit(137)  # what SIGKILL does; the first process of a pid namespace is deaf to its own


def act(operation, *, walked):
    """Carry out *operation* in a process of its own: how it ended, its error message."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            if walked:
                os.register_at_fork(after_in_child=forked)
                sys.setprofile(watch)
            operation()
            code = 0
        except Error as error:
            os.write(writing, str(error).encode())
        except BaseException as error:  # noqa: BLE001  it is what this program looks for
            os.write(writing, f"BUG {type(error).__name__}: {error}".encode())
        finally:
            os._exit(code)
    os.close(writing)
    _pid, status = os.waitpid(pid, 0)
    message = b""
    os.set_blocking(reading, False)  # what the process left behind may hold the other end
    with contextlib.suppress(BlockingIOError):
        message = os.read(reading, 4096)
    os.close(reading)
    return os.waitstatus_to_exitcode(status), message.decode()


def create():
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    lifecycle.create(Config.load(BUNDLE), ID, RUN_DIR, stdio=(null, null, null))


def create_and_start():
    create()
    lifecycle.start(RUN_DIR, ID)


def force_delete():
    lifecycle.delete(RUN_DIR, ID, force=True)


OPERATIONS = {
    "start": create_and_start,
    "kill": lambda: lifecycle.kill(RUN_DIR, ID, signal.SIGKILL),
    "delete": force_delete,
}


def leftovers():
    """What is left of the container: processes (all orphans are our children), directories, cgroups, mounts."""
    end = time.monotonic() + 60
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                if time.monotonic() > end:
                    yield "a process that does not end"
                    return
                time.sleep(0.001)
        except ChildProcessError:
            break
    left = [name for name in os.listdir(RUN_DIR) if name != SECCOMP_CACHE]
    if left:
        yield f"its state: {left}"
    for directory in (*open_cgroup(CGROUP).directories(), *open_cgroup(os.path.dirname(CGROUP)).directories()):
        if os.path.isdir(directory):
            yield f"the cgroup {directory}"
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        if BUNDLE in file.read():
            yield "a mount"


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.set_blocking(Walk.told, False)
    problems, steps = [], []
    for Walk.target in range(1, LIMIT):
        if OPERATION != "start":
            code, message = act(create_and_start, walked=False)
            if code:
                problems.append(f"{len(steps)}: it cannot be made again: {message}")
                break
        code, message = act(OPERATIONS[OPERATION], walked=True)
        step = ""
        with contextlib.suppress(BlockingIOError):
            step = os.read(Walk.told, 100).decode().strip()
        where = f"{ROLE} before step {Walk.target} ({step})"
        if message.startswith("BUG"):
            problems.append(f"{where}: {message}")
        if step and step not in UNNOTICED and ROLE != "parent" and code == 0:
            problems.append(f"{where}: nobody noticed")
        if not step and code:
            problems.append(f"the last time, nobody killed: {message}")
        code, message = act(force_delete, walked=False)
        if code:
            problems.append(f"{where}: delete: {message}")
        problems += [f"{where}: left is {what}" for what in leftovers()]
        if not step:
            break
        steps.append(step)
    print(json.dumps({"steps": steps, "problems": problems}))


if os.geteuid() != 0:
    sys.exit(errno.EPERM)
main()
