# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command under a kernel of its own: User-Mode Linux on this machine's file system, cgroup v2 alone.

    python3 tests/hosts/uml.py [--mem 1G] [--timeout 600] COMMAND...

The command sees this machine's files (writes go through), its own /tmp, /run and /dev, its own processes, and the
environment of the caller. Its output is printed when it ends, its exit code is ours; 124 when the time was up,
125 when the kernel did not get as far as running it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

KERNEL = "/usr/bin/linux.uml"
MODULES = "/usr/lib/uml/modules"
TIME_UP, NOT_RUN = 124, 125

INIT = """#!/bin/sh
exec 3>{work}/status 4>{work}/output
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
for directory in /run /tmp /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs $directory; done
# The kernel asks for the modules that somebody wants, of networks for one; a disk's device must be there before.
mkdir -p /run/uml/lib
ln -s {modules} /run/uml/lib/modules
printf '#!/bin/sh\\nexec modprobe -d /run/uml "$@"\\n' >/run/uml/modprobe
chmod 700 /run/uml/modprobe
echo /run/uml/modprobe >/proc/sys/kernel/modprobe
modprobe -d /run/uml loop
# A working directory below one of these is shown again.
case {cwd} in /run/* | /tmp/* | /var/tmp/*) mkdir -p {cwd} && mount -t hostfs -o {cwd} hostfs {cwd} ;; esac
ip link set lo up
{exports}
cd {cwd}
{command} </dev/null >&4 2>&1 3>&- 4>&-
echo $? >&3
sync
poweroff -f
"""


def environment() -> dict[str, str]:
    """Ours, for the kernel, whose memory is a file in TMPDIR: on a disk all that it changes would be written there."""
    memory = "/dev/shm"
    with contextlib.suppress(FileNotFoundError):
        found = os.statvfs(memory)
        if found.f_bavail * found.f_frsize >= 4 << 30 and not found.f_flag & os.ST_NOEXEC:
            return {**os.environ, "TMPDIR": memory}
    return dict(os.environ)


def run(command: list[str], mem: str, timeout: float) -> int:
    work = tempfile.mkdtemp(prefix="uml-", dir="/var/tmp")
    try:
        # What the caller's shell says about temporary files is not true in there.
        kept = {key: value for key, value in os.environ.items() if key not in ("TMPDIR", "_") and key.isidentifier()}
        exports = "\n".join(f"export {key}={shlex.quote(value)}" for key, value in kept.items())
        init = os.path.join(work, "init")
        words = {"modules": MODULES, "cwd": shlex.quote(os.getcwd()), "command": shlex.join(command)}
        with open(init, "w", encoding="utf-8") as script:
            script.write(INIT.format(work=work, exports=exports, **words))
        os.chmod(init, 0o700)
        arguments = [KERNEL, f"mem={mem}", f"uml_dir={work}/", "rootfstype=hostfs", "rootflags=/", "rw", f"init={init}"]
        arguments += ["con=null", "con0=fd:0,fd:1", "quiet"]
        with open(os.path.join(work, "console"), "wb") as console:
            kernel = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=environment(),
                start_new_session=True,
            )
            try:
                kernel.wait(timeout)
                late = False
            except subprocess.TimeoutExpired:
                late = True
            finally:
                _end(kernel)
        _show(os.path.join(work, "output"))
        status = _read(os.path.join(work, "status")).strip()
        if status:
            return int(status)
        _show(os.path.join(work, "console"))
        reason = f"not done after {timeout:g} s" if late else "the kernel did not run the command"
        print(f"uml: {reason}", file=sys.stderr)
        return TIME_UP if late else NOT_RUN
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _end(kernel: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the kernel's processes: each of its user processes is one of ours, in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(kernel.pid, signal.SIGKILL)
    kernel.wait()


def _read(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _show(path: str) -> None:
    sys.stdout.write(_read(path))
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command under User-Mode Linux with cgroup v2.")
    parser.add_argument("--mem", default="1G")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not os.path.exists(KERNEL):
        print("uml: needs the package user-mode-linux", file=sys.stderr)
        return NOT_RUN
    if not options.command:
        parser.error("no command")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(NOT_RUN))  # so that an interrupted run cleans up as well
    return run(options.command, options.mem, options.timeout)


if __name__ == "__main__":
    sys.exit(main())
