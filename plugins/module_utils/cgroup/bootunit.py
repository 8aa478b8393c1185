# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs ``boot STAGE`` when the machine starts: a unit of ours under systemd for each stage.

It calls the core through the link ``core`` of the state directory (corelink.py): copies come and go with the versions
of the collection, the link stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys

from ..corelink import link, point
from ..kernel.files import fsync_directory, read_text, write_atomic
from ..statedir import DEFAULT_ROOT
from .systemd import BOOTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..statedir import StateDir

LIMITS, CONTAINERS = "limits", "containers"  # the stages

_UNITS = "/etc/systemd/system"
# Stage → the target that wants its unit.
_TARGET = {LIMITS: "sysinit.target", CONTAINERS: "multi-user.target"}
_STABLE = "/usr/bin/python3"


def interpreter() -> str:
    """The path of this Python for what runs later: an upgrade of the distribution brings another under that name."""
    stable = os.path.exists(_STABLE) and os.path.samefile(sys.executable, _STABLE)
    return _STABLE if stable else sys.executable


def command(state: StateDir) -> list[str]:
    """What is to run when the machine starts: ``[python, "-I", "-S", "…/core/entry.py", "boot"]``."""
    where = [] if state.root == DEFAULT_ROOT else ["--root", state.root]
    return [interpreter(), "-I", "-S", os.path.join(state.core, "entry.py"), *where, "boot"]


def unit(state: StateDir, stage: str = LIMITS) -> str:
    """The name of the unit; each state directory has its own."""
    if state.root == DEFAULT_ROOT:
        return f"agentless-oci-{stage}.service"
    return f"agentless-oci-{stage}-{hashlib.sha256(os.fsencode(state.root)).hexdigest()[:12]}.service"


def named(state: StateDir, stage: str = LIMITS) -> str:
    """What :func:`install` makes, in the words of a report."""
    return unit(state, stage) if os.path.isdir(BOOTED) else f"{state.core}, for this host's init to call"


def unit_text(state: StateDir, stage: str = LIMITS) -> str:
    """The unit's file."""
    words = " ".join(_quoted(word) for word in [*command(state), stage])
    return (_limits_text if stage == LIMITS else _containers_text)(state, words)


def _containers_text(state: StateDir, words: str) -> str:
    """It runs with the services; each container that it starts has a service of its own."""
    return f"""\
# Made by agentless.oci.oci_container for restart_policy always and unless-stopped.
[Unit]
Description=Containers that start with the host
RequiresMountsFor={_quoted(state.root)}
After=network.target {unit(state, LIMITS)}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={words}

[Install]
WantedBy={_TARGET[CONTAINERS]}
"""


def _limits_text(state: StateDir, words: str) -> str:
    """It runs before sysinit.target, and so before all services but those of the early boot."""
    return f"""\
# Made by agentless.oci.cgroup_limit for its persistent limits, and removed with the last of them.
[Unit]
Description=Persistent limits of control groups
DefaultDependencies=no
RequiresMountsFor={_quoted(state.root)}
Before={_TARGET[LIMITS]} shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart={words}

[Install]
WantedBy={_TARGET[LIMITS]}
"""


def _quoted(word: str) -> str:
    """*word* as systemd.service(5) wants it."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'


def wanted(state: StateDir, core: str, stage: str = LIMITS) -> bool:
    """Whether something is missing of what :func:`install` makes; under another init only the link is."""
    if core and not os.path.exists(os.path.join(state.core, "entry.py")):
        return True
    if not os.path.isdir(BOOTED):
        return False
    file, enabled = _files(state, stage)
    try:
        return read_text(file) != unit_text(state, stage) or os.readlink(enabled) != file
    except FileNotFoundError:
        return True


def install(state: StateDir, core: str, stage: str = LIMITS) -> None:
    """Have :func:`command` run at every boot from *core*, the host's copy. Durable; raises OSError."""
    if core and not os.path.exists(os.path.join(state.core, "entry.py")):
        point(state, core)
    if os.path.isdir(BOOTED):
        file, enabled = _files(state, stage)
        write_atomic(file, unit_text(state, stage).encode(), 0o644)
        os.makedirs(os.path.dirname(enabled), mode=0o755, exist_ok=True)
        link(file, enabled)
        fsync_directory(_UNITS)


def present(state: StateDir, stage: str = LIMITS) -> bool:
    """Whether there is a unit to remove."""
    return any(os.path.lexists(path) for path in _files(state, stage))


def remove(state: StateDir, stage: str = LIMITS) -> None:
    """The end of :func:`install`'s unit."""
    for path in reversed(_files(state, stage)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            fsync_directory(os.path.dirname(path))


def _files(state: StateDir, stage: str) -> tuple[str, str]:
    """The unit, and the link that enables it."""
    name = unit(state, stage)
    return f"{_UNITS}/{name}", f"{_UNITS}/{_TARGET[stage]}.wants/{name}"
