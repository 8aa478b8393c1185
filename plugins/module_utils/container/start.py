# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs as ``entry.py monitor-start DIRECTORY FD``: makes the container, then becomes its monitor.

The overlay is mounted in a mount namespace of this process's own: it goes when the monitor and the container have
gone, whatever ended them, and the host never sees it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import stat
import sys
import time

from ..cgroup.api import open_cgroup
from ..kernel import capabilities, safepath, syscalls
from ..kernel import constants as c
from ..kernel.errors import Error
from ..kernel.files import write_atomic
from ..kernel.lean import dumps
from ..kernel.mounts import mount_overlay
from ..statedir import StateDir
from . import bundle, records, runtimes, spec, userdb, userns
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OTHERS_TIME = 10.0  # seconds
_BOOT = "import sys; sys.path.append(sys.argv[1]); import monitor; monitor.main(sys.argv[2:])"


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``["monitor-start", DIRECTORY, FD, "new" or "again"]``. Comes back only where it could not be made."""
    report = int(argv[2])
    os.set_inheritable(report, False)
    # A task that finds us while ours was killed may wake us; we end by ourselves. A handler, since what is ignored
    # would be so in the container too.
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    try:
        arguments = _make(StateDir(root), argv[1], report, new=argv[3] == "new")
    except Error as error:
        _send(report, {"error": error.message, "step": error.step, "hint": error.hint})
        return 1
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _send(report, {"error": f"cannot make the container:{where} {error.strerror}", "step": "start", "hint": ""})
        return 1
    if arguments is not None:
        os.execve(sys.executable, arguments, dict(os.environ))
    return 1


def _send(report: int, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the task was killed: nobody waits for the answer
        os.write(report, json.dumps(message).encode() + b"\n")


def _make(state: StateDir, path: str, report: int, *, new: bool) -> list[str] | None:
    """Create and start the container; the light monitor's command line. None when the task has gone away.

    Of a *new* one nothing can be there: its id is of this moment.
    """
    record = records.load_directory(path)
    if record is None:
        raise ContainerError(f"there is no container in {path}", step="start", obj=path)
    syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)
    lock = _lock(record)
    if records.stop_requested(record) or _is_alone(report):
        return None  # our task was killed, and the next one may have begun to clear away what it left
    runtime = runtimes.of(record.spec["options"], state.runtime)
    if not new:
        runtime.delete(record.id)  # what a killed monitor left
        _remove_cgroup(record)
    _mount(record)
    _write_bundle(record)
    stdin, keep = _stdin(record)
    out_read, out = os.pipe()
    err_read, err = os.pipe()
    started = time.time_ns()
    created = runtime.create(os.path.join(record.path, "bundle"), record.id, (stdin, out, err))
    try:
        _send(report, {"created": created.pid})
        if os.read(report, 64) != b"start\n":
            runtime.delete(record.id)
            return None
        started = time.time_ns()
        runtime.start(created)
    except ContainerError as error:
        runtime.delete(record.id)
        said = _last_line(err_read)
        if not said:
            raise
        raise ContainerError(f"{error.message}: {said}", step=error.step, obj=error.obj, hint=error.hint) from error
    except BaseException:
        runtime.delete(record.id)
        raise
    descriptors = [lock, stdin, out_read, out, err_read, err, *keep, *_hold_core()]
    for fd in descriptors:
        os.set_inheritable(fd, True)
    here = os.path.dirname(os.path.realpath(__file__))
    entry = os.path.join(os.path.dirname(here), "entry.py")
    strings = [
        record.path,
        record.id,
        state.root,
        state.runtime,
        entry,
        _oom_file(created.cgroup_path),
        runtime.program,
    ]
    numbers = [str(number) for number in (created.pid, started, *descriptors)]
    records.write_status(record, "running", created.pid, started)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # from now on a task may send it; the light monitor needs a moment
    _send(report, {"started": created.pid})
    return [sys.executable, "-I", "-S", "-c", _BOOT, here, *strings, *numbers]


def _last_line(pipe: int) -> str:
    """What another runtime's process has said last on the container's stderr."""
    os.set_blocking(pipe, False)
    try:
        said = os.read(pipe, 65536)
    except BlockingIOError:
        return ""
    return said.decode("utf-8", "replace").strip().rpartition("\n")[2]


def _remove_cgroup(record: records.Record) -> None:
    """Remove a group that nobody accounts for any more: the runtime would take it for somebody else's, and leave it."""
    group = open_cgroup(bundle.cgroups_path(record.name, record.id), owner="container")
    if group.exists():
        group.kill(signal.SIGKILL)
        group.remove()


def _lock(record: records.Record) -> int:
    """The record lock that says this container has a monitor (fcntl(2): kept over execve, not over fork).

    The file is there already: nothing is made in a directory that is perhaps being removed. Another that holds it is
    one that has lost its task and is about to end.
    """
    fd = os.open(os.path.join(record.path, "monitor.lock"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    end = time.monotonic() + _OTHERS_TIME
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() > end:
                raise ContainerError(
                    f"container {record.name} has a monitor already", step="monitor", obj=record.name
                ) from None
            time.sleep(0.02)


def _is_alone(report: int) -> bool:
    """Whether the task at the other end of the conversation has gone."""
    poller = select.poll()
    poller.register(report, select.POLLIN)
    return any(event & select.POLLHUP for _fd, event in poller.poll(0))


def _hold_core() -> list[int]:
    """A shared lock on the host's copy of the core, so that it stays while we run from it (core.py)."""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), ".lock")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []  # a checkout
    fcntl.flock(fd, fcntl.LOCK_SH)
    return [fd]


def _mount(record: records.Record) -> None:
    syscalls.unshare(c.CLONE_NEWNS)
    syscalls.mount(None, "/", None, c.MS_REC | c.MS_SLAVE)
    for layer in record.spec["layers"]:
        if not os.path.isdir(layer):
            raise ContainerError(
                f"a layer of the image is missing: {layer}",
                step="overlay",
                obj=record.name,
                hint="Pull the image again with oci_image and force: true",
            )
    own = record.path
    if userns.is_private(record.spec["options"]):
        userns.map_owners(record)
        own = userns.directory(record)
    mount_overlay(
        os.path.join(record.path, "bundle/rootfs"),
        list(record.spec["layers"]),
        os.path.join(own, "upper"),
        os.path.join(own, "work"),
    )


def _write_bundle(record: records.Record) -> None:
    options = record.spec["options"]
    _write_etc(record)
    for volume in options.get("volumes", ()):
        if not os.path.exists(volume["source"]):  # as Docker does; a mount of type bind wants its source to be there
            os.makedirs(volume["source"], mode=0o755, exist_ok=True)
    user = _user(record)
    host = bundle.Host(
        capabilities=capabilities.names(capabilities.permitted() & capabilities.bounding()),
        devices={entry["source"]: _device(entry["source"]) for entry in options.get("devices", ())},
        etc=os.path.join(userns.directory(record) if userns.is_private(options) else record.path, "etc"),
        privileged_devices=_all_devices() if options.get("privileged") else {},
        machine=os.uname().machine,
        release=os.uname().release,
    )
    document = bundle.build(record.spec, user, host)
    if userns.is_private(options) and options.get("runtime"):
        userns.expose(record, document)
    path = os.path.join(record.path, "bundle/config.json")
    write_atomic(path, dumps(document).encode(), durable=False)


def _user(record: records.Record) -> userdb.User:
    options, image = record.spec["options"], record.spec["image"]["config"]
    texts = []
    root = os.open(os.path.join(record.path, "bundle/rootfs"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in ("etc/passwd", "etc/group"):
            try:
                texts.append(safepath.read_in_root(root, name).decode("utf-8", "replace"))
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ELOOP):
                    raise
                texts.append("")
    finally:
        os.close(root)
    return userdb.resolve(options.get("user") or image.get("User") or "", options.get("groups", []), *texts)


def _write_etc(record: records.Record) -> None:
    """hosts, hostname and resolv.conf, written anew at every start; the container may change them meanwhile."""
    options, name = record.spec["options"], spec.hostname(record.spec)
    host_network = options.get("network_mode") == "host"
    resolv = _host_file("/etc/resolv.conf") if host_network else b""
    if options.get("uts") == "host":
        name = os.uname().nodename
    hosts = (
        _host_file("/etc/hosts")
        if host_network
        else f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{name}\n".encode()
    )
    for file, data in (("hosts", hosts), ("hostname", name.encode() + b"\n"), ("resolv.conf", resolv)):
        write_atomic(os.path.join(record.path, "etc", file), data, 0o644, durable=False)


def _host_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _device(path: str) -> tuple[str, int, int, int, int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise ContainerError(f"devices: {path}: {error.strerror}", step="devices", obj=path) from error
    kind = "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
    if not kind:
        raise ContainerError(f"devices: {path} is not a device", step="devices", obj=path)
    numbers = (os.major(found.st_rdev), os.minor(found.st_rdev))
    return (kind, *numbers, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)


def _all_devices() -> dict[str, tuple[str, int, int, int, int, int]]:
    """Every device node below the host's /dev, less those the container has of its own."""
    own = ("/dev/pts", "/dev/shm", "/dev/mqueue")
    found = {}
    for directory, below, names in os.walk("/dev"):
        below[:] = [name for name in below if os.path.join(directory, name) not in own]
        for name in names:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and name not in ("console", "ptmx", "tty"):
                found[path] = _device(path)
    return found


def _stdin(record: records.Record) -> tuple[int, list[int]]:
    """Standard input: empty, or with ``interactive`` a pipe that nobody ever closes."""
    if record.spec["options"].get("interactive"):
        reading, writing = os.pipe()
        return reading, [writing]
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), []


def _oom_file(cgroup_path: str) -> str:
    """The file that counts OOM kills; "" where no memory controller is."""
    directory = open_cgroup(cgroup_path).directory("memory")
    if directory is None:
        return ""
    old = os.path.join(directory, "memory.oom_control")
    return old if os.path.exists(old) else os.path.join(directory, "memory.events")
