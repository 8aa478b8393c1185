# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversation with systemd: D-Bus through libsystemd's sd-bus (sd-bus(3)) and ctypes, none of its variadic calls.

libsystemd is where systemd is. Interface: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import ctypes
import errno
import os
import time

from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .systemd_units import Property

_SONAME = "libsystemd.so.0"
_PRIVATE = "/run/systemd/private"  # systemd's own socket, for root alone; systemctl takes it too
_SECONDS = 30.0
_MICROSECONDS = 1000000

_SERVICE = b"org.freedesktop.systemd1"
_OBJECT = b"/org/freedesktop/systemd1"
_MANAGER = b"org.freedesktop.systemd1.Manager"
_PROPERTIES = b"org.freedesktop.DBus.Properties"
_BUS = (b"org.freedesktop.DBus", b"/org/freedesktop/DBus", b"org.freedesktop.DBus")
_JOB_REMOVED = "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"

_READ = "read systemd's answer"

NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"
UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"
UNKNOWN_PROPERTY = "org.freedesktop.DBus.Error.UnknownProperty"
UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"

_BASIC = {
    "b": ctypes.c_int,
    "y": ctypes.c_uint8,
    "i": ctypes.c_int32,
    "u": ctypes.c_uint32,
    "x": ctypes.c_int64,
    "t": ctypes.c_uint64,
}
_TEXT = ("s", "o")


class _Error(ctypes.Structure):
    """sd_bus_error"""

    _fields_ = [("name", ctypes.c_char_p), ("message", ctypes.c_char_p), ("need_free", ctypes.c_int)]


class SystemdError(CgroupError):
    """systemd refused, or could not be asked; ``name`` is the D-Bus name of the error where there is one."""

    name = ""


class Bus:
    """One connection, to be used in a ``with``. All methods raise SystemdError."""

    def __init__(self) -> None:
        self._lib = _load()
        self._bus = ctypes.c_void_p()
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Bus:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        self._lib.sd_bus_flush_close_unref(self._bus)
        self._bus = ctypes.c_void_p()

    # ---- units

    def start(self, unit: str, properties: Iterable[Property]) -> None:
        """Start the transient *unit* and wait until it stands.

        A unit of this name that failed is forgotten first; of one that lives SystemdError says UNIT_EXISTS.
        """
        self.finish_start(unit, self.begin_start(unit, properties))

    def begin_start(self, unit: str, properties: Iterable[Property]) -> str:
        """As :meth:`start`, not waiting: the job, for :meth:`finish_start`."""
        arguments: tuple[Any, ...] = (unit, "replace", _variants(properties), [])
        try:
            job = self._call("StartTransientUnit", "ssa(sv)a(sa(sv))", arguments, reply="o")
        except SystemdError as error:
            if error.name != UNIT_EXISTS:
                raise
            self.reset_failed(unit)
            job = self._call("StartTransientUnit", "ssa(sv)a(sa(sv))", arguments, reply="o")
        return str(job)

    def finish_start(self, unit: str, job: str) -> None:
        """Wait until *unit* stands, which *job* starts."""
        result = self._job_result(job, unit)
        if result != "done":
            self.reset_failed(unit)
            raise SystemdError(
                f"systemd could not start {unit}: its job ended with {result!r}",
                step="systemd",
                obj=unit,
                hint="journalctl has systemd's own words on it",
            )

    def stop(self, unit: str) -> None:
        """Stop *unit* and let systemd forget it; one that is gone is fine."""
        job = self.begin_stop(unit)
        if job:
            self._job_result(job, unit)  # whatever it says: what is left fails at the removal of the cgroup
            self.reset_failed(unit)

    def begin_stop(self, unit: str) -> str:
        """Have systemd stop *unit*, not waiting: the job, ``""`` for a unit that is gone."""
        try:
            return str(self._call("StopUnit", "ss", (unit, "replace"), reply="o"))
        except SystemdError as error:
            if error.name != NO_SUCH_UNIT:
                raise
            return ""

    def reset_failed(self, unit: str) -> None:
        """Forget that *unit* failed, so that nothing keeps it loaded; one that is gone is fine."""
        try:
            self._call("ResetFailedUnit", "s", (unit,))
        except SystemdError as error:
            if error.name != NO_SUCH_UNIT:
                raise

    def set_properties(self, unit: str, properties: Iterable[Property], *, persistent: bool = False) -> None:
        """Change *unit* until the next boot, or for good (systemctl set-property, with and without --runtime)."""
        self._call("SetUnitProperties", "sba(sv)", (unit, not persistent, _variants(properties)))

    def load(self, unit: str) -> bytes:
        """The object of *unit*, read from its files if it was not in memory; also where there are no such files."""
        path: str = self._call("LoadUnit", "s", (unit,), reply="o")
        return path.encode()

    def property(self, path: bytes, kind: str, name: str) -> Any:
        """Property *name* of the object of a unit; *kind* is ``"Unit"`` for what all have, or ``"Service"``, ….

        Text, numbers, bytes for ``ay``, lists and tuples. Raises SystemdError for one that this version lacks.
        """
        return self._property(path, _SERVICE + b"." + kind.encode(), name)

    def owner(self, cgroup: str) -> tuple[str, bytes] | None:
        """(name, object) of the unit that *cgroup* belongs to, its own or one inside of it; None for nobody's."""
        try:
            path = self._call("GetUnitByControlGroup", "s", (cgroup,), reply="o").encode()
        except SystemdError as error:
            if error.name != NO_SUCH_UNIT:
                raise
            return None
        return self.property(path, "Unit", "Id"), path

    def reload(self) -> None:
        """Let systemd read the files of all units anew; what they say of cgroups is in force afterwards."""
        self._call("Reload", "", ())

    def control_group(self, unit: str) -> str | None:
        """The cgroup of *unit*, ``""`` while it has none; None for a unit that is not loaded."""
        try:
            path = self._call("GetUnit", "s", (unit,), reply="o")
        except SystemdError as error:
            if error.name != NO_SUCH_UNIT:
                raise
            return None
        group: str = self.property(path.encode(), unit.rpartition(".")[2].capitalize(), "ControlGroup")
        return group

    def version(self) -> int:
        """systemd's version: 252 of ``"252.38-1~deb12u1"``."""
        text = self._property(_OBJECT, _MANAGER, "Version").lstrip("v")
        digits = text[: len(text) - len(text.lstrip("0123456789"))]
        if not digits:
            raise SystemdError(f"systemd tells a version without a number: {text!r}", step="systemd")
        return int(digits)

    # ---- below that

    def _connect(self) -> None:
        lib, bus = self._lib, ctypes.byref(self._bus)
        if os.path.exists(_PRIVATE):
            self._check(lib.sd_bus_new(bus), "reach systemd")
            self._check(lib.sd_bus_set_address(self._bus, f"unix:path={_PRIVATE}".encode()), "reach systemd")
            self._check(lib.sd_bus_start(self._bus), "reach systemd")
            return
        # By way of the message bus, which passes on only the signals that one asks for.
        self._check(lib.sd_bus_open_system(bus), "reach systemd by the system's message bus")
        self._call("AddMatch", "s", (_JOB_REMOVED,), to=_BUS)
        self._call("Subscribe", "", ())

    def _call(
        self,
        member: str,
        signature: str,
        arguments: Iterable[Any],
        *,
        reply: str = "",
        to: tuple[bytes, bytes, bytes] = (_SERVICE, _OBJECT, _MANAGER),
    ) -> Any:
        """Call *member* with *arguments* of *signature*; the answer's first value where *reply* is its type."""
        lib, message, answer, failure = self._lib, ctypes.c_void_p(), ctypes.c_void_p(), _Error()
        self._check(lib.sd_bus_message_new_method_call(self._bus, ctypes.byref(message), *to, member.encode()), member)
        try:
            for kind, value in zip(_types(signature), arguments):
                self._append(message, kind, value)
            timeout = int(_SECONDS * _MICROSECONDS)
            code = lib.sd_bus_call(self._bus, message, timeout, ctypes.byref(failure), ctypes.byref(answer))
            if code < 0:
                raise _refused(member, failure, -code)
            return self._read(answer, reply) if reply else None
        finally:
            lib.sd_bus_error_free(ctypes.byref(failure))
            lib.sd_bus_message_unref(answer)
            lib.sd_bus_message_unref(message)

    def _property(self, path: bytes, interface: bytes, name: str) -> Any:
        return self._call("Get", "ss", (interface.decode(), name), reply="v", to=(_SERVICE, path, _PROPERTIES))

    def _append(self, message: ctypes.c_void_p, kind: str, value: Any) -> None:
        """Append *value* of the one complete type *kind*; a variant is (type, value)."""
        lib = self._lib
        if kind in _BASIC:
            self._check(lib.sd_bus_message_append_basic(message, kind.encode(), ctypes.byref(_BASIC[kind](value))))
            return
        if kind in _TEXT:
            self._check(lib.sd_bus_message_append_basic(message, kind.encode(), ctypes.c_char_p(value.encode())))
            return
        if kind == "v":
            container, contents, parts = b"v", value[0], [value]
        elif kind[0] == "a":
            container, contents, parts = b"a", kind[1:], [(kind[1:], item) for item in value]
        else:
            container, contents = b"r", kind[1:-1]
            parts = list(zip(_types(contents), value))
        self._check(lib.sd_bus_message_open_container(message, container, contents.encode()))
        for part_kind, part in parts:
            self._append(message, part_kind, part)
        self._check(lib.sd_bus_message_close_container(message))

    def _read(self, message: ctypes.c_void_p, kind: str) -> Any:
        """The next value of *message*, of the one complete type *kind*."""
        lib = self._lib
        if kind in _BASIC or kind in _TEXT:
            value = ctypes.c_char_p() if kind in _TEXT else _BASIC[kind]()
            self._check(lib.sd_bus_message_read_basic(message, kind.encode(), ctypes.byref(value)), _READ)
            return value.value.decode() if isinstance(value.value, bytes) else value.value
        kind_of, contents = ctypes.c_char(), ctypes.c_char_p()
        self._check(lib.sd_bus_message_peek_type(message, ctypes.byref(kind_of), ctypes.byref(contents)), _READ)
        inside = (contents.value or b"").decode()
        self._check(lib.sd_bus_message_enter_container(message, kind_of, contents), _READ)
        found: Any
        if kind[0] == "a":
            found = []
            while self._check(lib.sd_bus_message_at_end(message, 0), _READ) == 0:
                found.append(self._read(message, inside))
            found = bytes(found) if inside == "y" else found
        else:
            found = tuple(self._read(message, part) for part in _types(inside))
        self._check(lib.sd_bus_message_exit_container(message), _READ)
        return found[0] if kind == "v" else found

    def _job_result(self, job: str, unit: str) -> str:
        """Wait until *job*, the one of *unit*, is gone; ``done``, ``failed``, ``canceled``, … as JobRemoved says."""
        deadline = time.monotonic() + _SECONDS
        while True:
            message = ctypes.c_void_p()
            busy = self._check(self._lib.sd_bus_process(self._bus, ctypes.byref(message)), f"wait for {unit}")
            try:
                if message and self._lib.sd_bus_message_is_signal(message, _MANAGER, b"JobRemoved") > 0:
                    _number, path, _unit, result = [self._read(message, kind) for kind in "uoss"]
                    if path == job:
                        return str(result)
            finally:
                self._lib.sd_bus_message_unref(message)
            left = deadline - time.monotonic()
            if left <= 0:
                raise SystemdError(
                    f"systemd did not finish its job for {unit} within {_SECONDS:.0f} s",
                    step="systemd",
                    obj=unit,
                    errno=errno.ETIMEDOUT,
                    hint="systemctl list-jobs shows what it waits for",
                )
            if not busy:
                self._check(self._lib.sd_bus_wait(self._bus, int(left * _MICROSECONDS)), f"wait for {unit}")

    def _check(self, code: int, doing: str = "write to systemd") -> int:
        """*code*, unless it is a negative errno."""
        if code < 0:
            raise SystemdError(f"cannot {doing}: {os.strerror(-code)}", step="systemd", errno=-code)
        return code


def _refused(member: str, failure: _Error, number: int) -> SystemdError:
    words = (failure.message or b"").decode(errors="replace") or os.strerror(number)
    error = SystemdError(f"systemd refused {member}: {words.rstrip('.')}", step="systemd", errno=number)
    error.name = (failure.name or b"").decode(errors="replace")
    return error


def _variants(properties: Iterable[Property]) -> list[tuple[str, tuple[str, Any]]]:
    return [(name, (signature, value)) for name, signature, value in properties]


def _types(signature: str) -> Iterator[str]:
    """The complete types in a D-Bus *signature*: ``"sa(sv)"`` as ``"s"``, ``"a(sv)"``."""
    start = depth = 0
    for position, letter in enumerate(signature):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and letter != "a":
            yield signature[start : position + 1]
            start = position + 1


def _load() -> ctypes.CDLL:
    """libsystemd with the prototypes set."""
    try:
        library = ctypes.CDLL(_SONAME)
    except OSError as error:
        raise SystemdError(
            f"cannot speak to systemd: {_SONAME} is not on this host ({error})",
            step="systemd",
            hint="Install the package libsystemd0 (Debian, Ubuntu, SUSE) or systemd-libs (Fedora, RHEL, Arch)",
        ) from error
    handle, out, text, letter = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_char
    failure, number = ctypes.POINTER(_Error), ctypes.c_int
    for name, result, arguments in (
        ("sd_bus_new", number, (out,)),
        ("sd_bus_set_address", number, (handle, text)),
        ("sd_bus_start", number, (handle,)),
        ("sd_bus_open_system", number, (out,)),
        ("sd_bus_flush_close_unref", handle, (handle,)),
        ("sd_bus_message_new_method_call", number, (handle, out, text, text, text, text)),
        ("sd_bus_message_append_basic", number, (handle, letter, handle)),
        ("sd_bus_message_open_container", number, (handle, letter, text)),
        ("sd_bus_message_close_container", number, (handle,)),
        ("sd_bus_call", number, (handle, handle, ctypes.c_uint64, failure, out)),
        ("sd_bus_message_read_basic", number, (handle, letter, handle)),
        ("sd_bus_message_is_signal", number, (handle, text, text)),
        ("sd_bus_message_unref", handle, (handle,)),
        ("sd_bus_process", number, (handle, out)),
        ("sd_bus_wait", number, (handle, ctypes.c_uint64)),
        ("sd_bus_error_free", None, (failure,)),
        ("sd_bus_message_peek_type", number, (handle, text, ctypes.POINTER(text))),
        ("sd_bus_message_enter_container", number, (handle, letter, text)),
        ("sd_bus_message_exit_container", number, (handle,)),
        ("sd_bus_message_at_end", number, (handle, number)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
