# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last things before the container's own program: identity, privilege, and execve(2)."""

from __future__ import annotations

import errno
import os
import stat

from ..kernel import capabilities, safepath, selfexe, syscalls
from ..kernel import constants as c
from ..kernel.lean import signal
from . import programfile
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .channel import Channel
    from .config import Config

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make_cwd_in(config: Config, rootfd: int) -> None:
    """Make the working directory when the image lacks it, below *rootfd*: before the root becomes read-only."""
    try:
        os.close(safepath.mkdirs_in_root(rootfd, config.cwd))
    except OSError as error:
        raise _cwd_fault(config.cwd, error) from error


def make_cwd(config: Config) -> None:
    """The same inside the root already."""
    if not os.path.isdir(config.cwd):
        previous = os.umask(0o022)
        try:
            os.makedirs(config.cwd, exist_ok=True)
        except OSError as error:
            raise _cwd_fault(config.cwd, error) from error
        finally:
            os.umask(previous)


def _cwd_fault(cwd: str, error: OSError) -> RuntimeFault:
    return RuntimeFault.of(
        error,
        f"cannot enter the working directory {cwd}",
        step="cwd",
        obj=cwd,
        hint="Declare another working_dir, or make it in the image",
    )


def become(config: Config) -> tuple[int, int, int] | None:
    """Take the declared user, groups, capabilities, umask and directory; nothing is given back after this.

    One thing may be left to give up: without no_new_privs a seccomp filter is installed by CAP_SYS_ADMIN, which then
    goes in confine(). Gives the last sets (effective, permitted, inheritable) for that, else None.
    """
    if config.memory_policy is not None:
        config.memory_policy.apply()
    if config.personality is not None:
        syscalls.personality(config.personality)
    entered = _chdir(config, last=False)
    wanted = config.capabilities
    kept = 0
    if config.seccomp is not None and not config.no_new_privileges:
        kept = capabilities.mask(["CAP_SYS_ADMIN"])
    capabilities.drop_bounding(wanted["bounding"])
    syscalls.prctl(c.PR_SET_KEEPCAPS, 1)
    _set_groups(config)
    os.setresgid(config.gid, config.gid, config.gid)
    os.setresuid(config.uid, config.uid, config.uid)
    if not entered:
        _chdir(config, last=True)
    _check_cwd(config.cwd)
    syscalls.prctl(c.PR_SET_KEEPCAPS, 0)
    available = capabilities.permitted()
    granted = capabilities.grantable(wanted, available)
    sets = (granted["effective"], granted["permitted"], granted["inheritable"])
    kept &= available
    syscalls.capset(sets[0] | kept, sets[1] | kept, sets[2])
    capabilities.set_ambient(granted["ambient"])
    os.umask(config.umask)
    return sets if kept else None


def _set_groups(config: Config) -> None:
    """Exactly the declared groups (CVE-2022-36109); the caller's own were dropped with the fork."""
    try:
        os.setgroups(config.groups)
    except PermissionError:
        if config.groups or "user" not in config.namespaces:  # a joined one may deny even the empty list
            raise


def _chdir(config: Config, *, last: bool) -> bool:
    """Enter the working directory: with root's eyes first, else with the user's own."""
    try:
        os.chdir(config.cwd)
    except OSError as error:
        if last or error.errno != errno.EACCES:
            raise _cwd_fault(config.cwd, error) from error
        return False
    return True


def _check_cwd(cwd: str) -> None:
    """A working directory outside the root would be a way out (CVE-2024-21626)."""
    try:
        where = os.getcwd()
    except OSError:  # ENOENT from the kernel, or EACCES where the C library looks by itself
        where = "(unreachable)"
    if not where.startswith("/"):
        raise RuntimeFault(f"the working directory {cwd} lies outside the container", step="cwd", obj=cwd)


def find_program(config: Config) -> str:
    """The path of what is to be run, looked up as execvp(3) does, by the container's PATH and user."""
    name = config.args[0]
    if "/" in name:
        candidates = [name]
    else:
        path = next((entry[5:] for entry in reversed(config.env) if entry.startswith("PATH=")), _DEFAULT_PATH)
        candidates = [os.path.join(directory or ".", name) for directory in path.split(":")]
    denied = ""
    for candidate in candidates:
        try:
            mode = os.stat(candidate).st_mode
        except OSError as error:
            if error.errno == errno.EACCES:
                denied = candidate
            continue
        if stat.S_ISREG(mode) and os.access(candidate, os.X_OK, effective_ids=True):
            return candidate
        denied = candidate
    if denied:
        raise RuntimeFault(
            f"{denied} in the image is not executable for user {config.uid}",
            step="program",
            obj=name,
            errno=errno.EACCES,
            hint="Correct the command, or the file's mode in the image",
        )
    # Engines read messages: Podman tells "not found" (127) from "cannot be run" (126) by these words.
    why = "no such file or directory" if "/" in name else f"executable file not found in PATH {path}"
    raise RuntimeFault(
        f"the image has no program {name}: {why}",
        step="program",
        obj=name,
        errno=errno.ENOENT,
        hint="Correct the command or entrypoint, or take an image that has it",
    )


def confine(config: Config, last_capabilities: tuple[int, int, int] | None, starter: Channel) -> None:
    """Install the filter of linux.seccomp and give up the last privilege.

    All that comes after install() is filtered already: seccomp.check_usable() has asked for these calls alone.
    """
    if config.seccomp is None:
        return
    from . import seccomp  # loaded since the configuration was read, like all that is used here

    flags = seccomp.filter_flags(config.seccomp)
    if not seccomp.notifies(config.seccomp):
        seccomp.install(config.seccomp_program, flags)
    else:
        path, metadata = config.seccomp["listenerPath"], config.seccomp.get("listenerMetadata") or ""
        number = seccomp.next_descriptor()
        starter.ask({"listener": number, "path": path, "metadata": metadata})
        if seccomp.install(config.seccomp_program, flags) != number:
            raise RuntimeFault(f"the seccomp listener is not descriptor {number}", step="seccomp")
        if starter.receive() is None:
            raise RuntimeFault("nobody took the seccomp listener", step="seccomp", obj=path)
        if not seccomp.refuses(config.seccomp, "close"):
            os.close(number)  # so that our waiting for the agent ends with the agent
    if last_capabilities is not None:
        syscalls.capset(*last_capabilities)


def execute(config: Config, program: str, last_capabilities: tuple[int, int, int] | None, starter: Channel) -> None:
    """execve(2); comes back only as an exception. Every descriptor but stdio closes with it.

    *last_capabilities* are what become() gave, *starter* the channel to the process that starts us.
    """
    environment = {}
    for entry in config.env:
        name, _equals, value = entry.partition("=")
        environment[name] = value
    if config.activated:
        environment.update(LISTEN_FDS=str(config.activated), LISTEN_PID=str(os.getpid()))  # sd_listen_fds(3)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    target: str | int = program
    args = config.args
    try:
        if not selfexe.is_protected():
            target, args = programfile.pin(program, config.args)
        if config.process_label is not None:
            config.process_label.write()
        confine(config, last_capabilities, starter)
        os.execve(target, args, environment)
    except OSError as error:
        hints = {
            errno.ENOEXEC: "It is neither a binary of this machine's architecture nor a script with '#!'",
            errno.ENOENT: "Its interpreter (the '#!' line, or the dynamic loader) is not in the image",
        }
        raise RuntimeFault.of(
            error,
            f"cannot execute {program}",
            step="exec",
            obj=program,
            hint=hints.get(error.errno or 0, ""),
        ) from error
