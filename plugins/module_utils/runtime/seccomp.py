# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``linux.seccomp`` (runtime-spec config-linux.md, "Seccomp"): checked, compiled, installed, its listener handed on.

Checking is pure and needs no libseccomp. Compiling (libseccomp.py) happens in the creating process; the container's
first process only makes the one system call, as its last but execve(2) and, without no_new_privs, capset(2):

    check      validate(), refuses()      config.json is read
    compile    compile()                  before fork
    install    install()                  after the start message
    hand over  take_listener(), send_listener()   by the process that starts, while the first process waits
"""

from __future__ import annotations

import binascii
import errno
import os

from ..kernel import syscalls
from ..kernel.files import read_bytes, write_atomic
from ..kernel.lean import dumps
from .errors import ConfigError, RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .channel import Channel
    from .config import Config

# linux/seccomp.h, SECCOMP_RET_*
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
# Actions with a number of their own, and its largest value: MAX_ERRNO of linux/err.h, SECCOMP_RET_DATA.
_ERRNO_LIMITS = {"SCMP_ACT_ERRNO": 4095, "SCMP_ACT_TRACE": 0xFFFF}
# Actions that end in the system call's being carried out, perhaps after another process has agreed.
_CARRIED_OUT = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE")

# seccomp.h, enum scmp_compare
OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}

# linux/seccomp.h
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
}
_TSYNC, _NEW_LISTENER, _TSYNC_ESRCH, _WAIT_KILLABLE_RECV = 1, 8, 16, 32

ARCHITECTURES = frozenset(
    "SCMP_ARCH_" + name
    for name in (
        *("X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64"),
        *("MIPSEL64N32", "PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64", "LOONGARCH64"),
        *("M68K", "SH", "SHEB"),
    )
)

_MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS
CACHE = ".seccomp"  # below run_dir, shared by all containers; no container's name
_MAX_CACHED = 64
_LISTENER_WAIT = 10.0  # seconds from "I am about to" to the filter's being there


def validate(seccomp: Any) -> None:
    """Check a ``linux.seccomp`` object; pure. Raises ConfigError that names the property."""
    if not isinstance(seccomp, dict):
        _bad("", f"expected an object, found {seccomp!r}")
    _check_action(seccomp, "defaultAction", "defaultErrnoRet", "")
    for name in _list(seccomp, "architectures"):
        if name not in ARCHITECTURES:
            _bad("architectures", f"unknown architecture {name!r}")
    for name in _list(seccomp, "flags"):
        if name not in FLAGS:
            _bad("flags", f"unknown flag {name!r}")
    for index, entry in enumerate(_list(seccomp, "syscalls")):
        _check_rule(entry, f"syscalls[{index}]")
    path = seccomp.get("listenerPath") or ""
    if not isinstance(path, str) or "\0" in path or (path and not path.startswith("/")):
        _bad("listenerPath", f"{path!r} is not an absolute path")
    if not isinstance(seccomp.get("listenerMetadata") or "", str):
        _bad("listenerMetadata", "expected a string")
    if seccomp.get("listenerMetadata") and not path:
        _bad("listenerMetadata", "is set without listenerPath")
    if notifies(seccomp) and not path:
        _bad("listenerPath", "is missing, and SCMP_ACT_NOTIFY needs somebody to notify")
    if "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" in _list(seccomp, "flags") and not notifies(seccomp):
        _bad("flags", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV without SCMP_ACT_NOTIFY")


def _bad(where: str, why: str) -> NoReturn:
    path = f"linux.seccomp.{where}" if where else "linux.seccomp"
    raise ConfigError(f"{path}: {why}", step="config", obj=path)


def _list(parent: dict[str, Any], key: str, where: str = "") -> list[Any]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        _bad(where + key, f"expected a list, found {value!r}")
    return value


def _check_action(parent: dict[str, Any], key: str, errno_key: str, where: str) -> None:
    action, number = parent.get(key), parent.get(errno_key)
    if not isinstance(action, str) or action not in ACTIONS:
        _bad(where + key, "is missing" if action is None else f"unknown action {action!r}")
    if number is None:
        return
    if action not in _ERRNO_LIMITS:
        _bad(where + errno_key, f"{action} returns no errno")
    if not _is_integer(number, _ERRNO_LIMITS[action]):
        _bad(where + errno_key, f"{number!r} is not a number from 0 to {_ERRNO_LIMITS[action]}")


def _check_rule(entry: Any, where: str) -> None:
    if not isinstance(entry, dict):
        _bad(where, f"expected an object, found {entry!r}")
    where += "."
    names = _list(entry, "names", where)
    if not names:
        _bad(where + "names", "is empty")
    for name in names:
        if not isinstance(name, str) or not name or "\0" in name:
            _bad(where + "names", f"{name!r} is not a system call's name")
    _check_action(entry, "action", "errnoRet", where)
    for index, argument in enumerate(_list(entry, "args", where)):
        place = f"{where}args[{index}]"
        if not isinstance(argument, dict):
            _bad(place, f"expected an object, found {argument!r}")
        if not _is_integer(argument.get("index"), 5):
            _bad(place + ".index", f"{argument.get('index')!r} is not a number from 0 to 5")
        for key, default in (("value", None), ("valueTwo", 0)):
            if not _is_integer(argument.get(key, default), (1 << 64) - 1):
                _bad(f"{place}.{key}", f"{argument.get(key)!r} is not a number of 64 bits without sign")
        if argument.get("op") not in OPERATORS:
            _bad(place + ".op", f"unknown operator {argument.get('op')!r}")


def _is_integer(value: Any, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= limit


def notifies(seccomp: dict[str, Any]) -> bool:
    """Whether any action is SCMP_ACT_NOTIFY, so that the filter comes with a listener."""
    actions = {entry["action"] for entry in seccomp.get("syscalls") or ()}
    return "SCMP_ACT_NOTIFY" in actions or seccomp["defaultAction"] == "SCMP_ACT_NOTIFY"


def refuses(seccomp: dict[str, Any], name: str) -> bool:
    """Whether no arguments at all get the system call *name* past the checked filter; pure.

    Errs on the side of "no": with rules for single arguments, only the kernel knows.
    """
    carried_out = seccomp["defaultAction"] in _CARRIED_OUT
    for entry in seccomp.get("syscalls") or ():
        if name in entry["names"]:
            if entry["action"] in _CARRIED_OUT:
                return False
            if not entry.get("args"):
                carried_out = False
    return not carried_out


def allows(seccomp: dict[str, Any], name: str) -> bool:
    """Whether the checked filter lets the system call *name* pass whatever its arguments, untold; pure."""
    actions = {entry["action"] for entry in seccomp.get("syscalls") or () if name in entry["names"]}
    free = any(name in entry["names"] and not entry.get("args") for entry in seccomp.get("syscalls") or ())
    return (actions == {"SCMP_ACT_ALLOW"} and free) or (not actions and seccomp["defaultAction"] == "SCMP_ACT_ALLOW")


_ASKED = ("close", "execve", "execveat")


def summary(seccomp: dict[str, Any]) -> dict[str, Any]:
    """What is asked of a checked object after its filter was compiled: a hundredth of its system calls; pure."""
    entries = [
        {**entry, "names": [name for name in entry["names"] if name in _ASKED]}
        for entry in seccomp.get("syscalls") or ()
    ]
    return {**seccomp, "syscalls": [one for one in entries if one["names"] or one["action"] == "SCMP_ACT_NOTIFY"]}


def check_usable(seccomp: dict[str, Any], *, no_new_privileges: bool) -> None:
    """Refuse a filter under which the container's first process could never become the program. Raises ConfigError.

    What the runtime itself calls once the filter is installed, see :func:`install`.
    """
    needed = ["execve"]
    if not no_new_privileges:
        needed.append("capset")
    if notifies(seccomp):
        needed.append("recvfrom")
    for name in needed:
        if refuses(seccomp, name):
            raise ConfigError(
                f"linux.seccomp refuses {name}(2), without which the program cannot be started",
                step="config",
                obj="linux.seccomp",
                hint=f"Allow {name}" + (", or set process.noNewPrivileges" if name == "capset" else ""),
            )


def filter_flags(seccomp: dict[str, Any]) -> int:
    """The flags of seccomp(2) for a checked object."""
    bits = 0
    for name in seccomp.get("flags") or ():
        bits |= FLAGS[name]
    if notifies(seccomp):
        bits |= _NEW_LISTENER
        if bits & _TSYNC:
            bits |= _TSYNC_ESRCH  # without it the two exclude each other: both return a number
    return bits


def prepare(config: Config, run_dir: str) -> None:
    """Compile the filter of *config*, unless that is done already. Raises RuntimeFault as :func:`compile` does.

    The containers of a task have mostly the same: the last one is remembered.
    """
    if config.seccomp is None or config.seccomp_program:
        return
    if not _last or _last[0] != config.seccomp:
        _last[:] = config.seccomp, compile(config.seccomp, os.path.join(run_dir, CACHE))
    config.seccomp_program = _last[1]


_last: list[Any] = []


def compile(seccomp: dict[str, Any], cache: str | None = None) -> bytes:
    """The BPF program (an array of ``struct sock_filter``) for a checked object, by way of libseccomp.

    *cache* is a directory, made when missing, of programs compiled before; only root may be able to write there.
    Raises RuntimeFault when libseccomp is missing or refuses.
    """
    from . import libseccomp

    library = libseccomp.load()
    machine, release = os.uname().machine, os.uname().release
    parts = ["1", libseccomp.version(library), machine, release, dumps(seccomp, sort_keys=True)]
    # The whole key lies in the file too: the checksum in the name only spreads, it decides nothing.
    key = "\n".join(parts).encode() + b"\0"
    path = os.path.join(cache, f"{binascii.crc32(key):08x}") if cache else ""
    if path:
        try:
            found = read_bytes(path)
        except FileNotFoundError:
            found = b""
        if found.startswith(key):
            return found[len(key) :]
    program = libseccomp.compile_filter(library, seccomp)
    if len(program) > 8 * _MAX_INSTRUCTIONS:
        raise RuntimeFault(
            f"linux.seccomp: the filter has {len(program) // 8} instructions, the kernel takes {_MAX_INSTRUCTIONS}",
            step="seccomp",
            obj="linux.seccomp",
        )
    if path:
        _store(path, key + program)
    return program


def _store(path: str, data: bytes) -> None:
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    names = os.listdir(directory)
    if len(names) >= _MAX_CACHED:  # profiles change rarely; when they do so often, start afresh
        for name in names:
            try:
                os.unlink(os.path.join(directory, name))
            except FileNotFoundError:
                continue  # somebody else starts afresh, too
    write_atomic(path, data, durable=False)


def install(program: bytes, flags: int) -> int | None:
    """Put the calling process under *program*; the listener's descriptor (close-on-exec) where there is one.

    Needs no_new_privs or CAP_SYS_ADMIN in its user namespace. What the process calls afterwards is filtered already.
    Raises RuntimeFault.
    """
    try:
        result = syscalls.seccomp_set_mode_filter(flags, program)
    except OSError as error:
        hints = {
            errno.EINVAL: "This kernel lacks an action or a flag of linux.seccomp, or seccomp filters altogether",
            errno.ENOSYS: "This kernel is built without seccomp",
            errno.EBUSY: "A listener is there already: SCMP_ACT_NOTIFY cannot be used twice in a row",
        }
        raise RuntimeFault.of(
            error,
            "cannot install the filter of linux.seccomp",
            step="seccomp",
            obj="linux.seccomp",
            hint=hints.get(error.errno or 0, ""),
        ) from error
    if flags & _NEW_LISTENER:
        return result
    if result:  # with TSYNC: a thread that could not be put under it
        raise RuntimeFault(f"cannot install the filter of linux.seccomp on thread {result}", step="seccomp")
    return None


def next_descriptor() -> int:
    """The number that the next new descriptor gets: the kernel takes the lowest free one.

    Said before install(), since afterwards the filter may not let us say anything.
    """
    fd = os.dup(0)
    os.close(fd)
    return fd


def hand_over(starter: Channel, message: dict[str, Any], pid: int, state: dict[str, Any]) -> None:
    """SCMP_ACT_NOTIFY: process *pid* is about to have the listener; its owner gets it before the program runs.

    The counterpart is process.confine(), which sent *message*.
    """
    starter.send({})
    fd = take_listener(pid, message["listener"])
    try:
        send_listener(message["path"], message["metadata"], pid, state, fd)
    finally:
        os.close(fd)
    starter.send({})


def take_listener(pid: int, fd: int) -> int:
    """Our own descriptor of the listener that process *pid* is about to have as *fd*. Raises RuntimeFault.

    By pidfd_getfd(2), Linux 5.6, so that the process need do nothing: any call of its could be one that waits for
    the listener's owner.
    """
    import time

    deadline = time.monotonic() + _LISTENER_WAIT
    try:
        pidfd = os.pidfd_open(pid)
        try:
            while True:
                try:
                    taken = syscalls.pidfd_getfd(pidfd, fd)
                except OSError as error:
                    if error.errno != errno.EBADF or time.monotonic() > deadline:
                        raise
                    time.sleep(0.0005)
                    continue
                if os.readlink(f"/proc/self/fd/{taken}") == "anon_inode:seccomp notify":
                    return taken
                os.close(taken)
                raise OSError(errno.EBADF, "it is no listener")
        finally:
            os.close(pidfd)
    except OSError as error:
        raise RuntimeFault.of(
            error,
            f"cannot take over the seccomp listener of process {pid}",
            step="seccomp",
            obj="linux.seccomp.listenerPath",
            hint="SCMP_ACT_NOTIFY needs Linux 5.6" if error.errno == errno.ENOSYS else "",
        ) from error


def send_listener(path: str, metadata: str, pid: int, state: dict[str, Any], fd: int) -> None:
    """Send the listener *fd* and the container process state to the socket *path*. Raises RuntimeFault.

    One message, as the specification wants it (config-linux.md, "The Container Process State").
    """
    import _socket

    from ..kernel import descriptors

    document: dict[str, Any] = {"ociVersion": state["ociVersion"], "fds": ["seccompFd"], "pid": pid}
    if metadata:
        document["metadata"] = metadata
    document["state"] = state
    end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        end.connect(path)
        descriptors.send(end, dumps(document).encode(), fd)
    except OSError as error:
        raise RuntimeFault.of(
            error,
            f"linux.seccomp.listenerPath: cannot hand the listener to {path}",
            step="seccomp",
            obj=path,
            hint="The agent that answers the notifications must be listening before the container starts",
        ) from error
    finally:
        end.close()
