# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of an image's files as one tar stream: what its layers show together, as ``docker export`` of a new container."""

from __future__ import annotations

import json
import os
import sys

from ..kernel import constants as c
from ..kernel import mounts, syscalls
from ..kernel.errors import Error
from ..kernel.files import write_all
from . import lower, tarwrite
from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_CHUNK = 1 << 20


def stream(layers: Sequence[str], place: str) -> Generator[bytes, None, None]:
    """The tar stream of the stack *layers* (directories, base first): the same files always give the same bytes.

    They are mounted in a process of its own, in a mount namespace that goes with it, on the directory *place*; nobody
    else sees that. Raises ImageError.
    """
    reading, writing = os.pipe()
    error_reading, error_writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.close(error_reading)
        _child(list(layers), place, writing, error_writing)
    os.close(writing)
    os.close(error_writing)
    try:
        while True:
            chunk = os.read(reading, _CHUNK)
            if not chunk:
                break
            yield chunk
        said = os.read(error_reading, 65536)
    finally:
        os.close(reading)  # a child that still writes ends by that
        os.close(error_reading)
        _pid, status = os.waitpid(child, 0)
    if said:
        raise ImageError(**json.loads(said))
    if status:
        raise ImageError("the process that reads the image's files died", step="archive", obj=place)


def _child(layers: list[str], place: str, out: int, complaints: int) -> None:
    """Mount, write and end; an error goes to *complaints* as ImageError's arguments."""
    code = 1
    try:
        syscalls.unshare(c.CLONE_NEWNS)
        syscalls.mount(None, "/", None, c.MS_REC | c.MS_SLAVE)
        syscalls.mount("tmpfs", place, "tmpfs", c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, "mode=700,size=64k")
        top, empty = os.path.join(place, "top"), os.path.join(place, "empty")
        os.mkdir(top)
        os.mkdir(empty)
        os.utime(empty, (0, 0))
        # An overlay without an upper directory has two lower ones at least; an image may have one layer, or none.
        stack = [empty, *layers] if layers else [empty, empty]
        if layers and lower.root_of(layers) != layers[-1]:
            above = os.path.join(place, "above")
            os.mkdir(above)
            lower.copy_root(lower.root_of(layers), above)
            stack.append(above)
        mounts.mount_overlay(top, stack)
        for chunk in tarwrite.stream(os.fsencode(top)):
            write_all(out, chunk)
        code = 0
    except BrokenPipeError:
        code = 0  # whoever reads has seen enough
    except KeyboardInterrupt:
        pass  # so has whoever asked
    except Error as error:
        _complain(complaints, error.message, error.hint)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _complain(complaints, f"cannot read the image's files: {error.strerror}{where}", "")
    except BaseException:  # noqa: BLE001  a fault of ours: shown as such, and the caller's clean-up is not run twice
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _complain(complaints: int, message: str, hint: str) -> None:
    write_all(complaints, json.dumps({"message": message, "step": "archive", "hint": hint}).encode())
