# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical spec of a container: what it was declared to be, recorded beside it as ``spec.json``.

    version   of this layout
    id        64 hexadecimal digits
    name      the container's name
    created   RFC 3339
    image     name as declared, id (digest of its config), digest (of its manifest), config (the image config's
              ``config`` object: Env, Cmd, Entrypoint, User, WorkingDir, Labels, StopSignal …)
    layers    the directories of the image's layers, base first
    volumes, anonymous, inherited  of volumes (container/mountset.py); they are there where there is something to say
    first_host_id  what its id 0 is outside, in a user namespace of its own (container/userns.py); else it is not there
    options   the declared options in canonical form, less those that say what leaving them out says

Defaults are not recorded: a later version with other defaults must not see a difference where nobody made one.
"""

from __future__ import annotations

from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of whoever says nothing else
VERSION = 2  # in 1 a container without network_mode, networks and ports had no network (netmode.settle)


def new_spec(
    container_id: str,
    name: str,
    created: str,
    image: Mapping[str, Any],
    layers: list[str],
    options: Mapping[str, Any],
    first_host_id: int = 0,
    volumes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A spec to be recorded; *image* as described above, *options* canonical, *volumes* as keys of their own."""
    spec: dict[str, Any] = {
        "version": VERSION,
        "id": container_id,
        "name": name,
        "created": created,
        "image": dict(image),
        "layers": list(layers),
        "options": dict(options),
        **(volumes or {}),
    }
    if first_host_id:
        spec["first_host_id"] = first_host_id
    return spec


def desired_options(declared: Mapping[str, Any], recorded: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """The options a container shall have.

    A task that names an image describes the *whole* container: an option it leaves out goes back to its default.
    A task that names none (``name: x, memory: 200m``) changes what it names and leaves the rest as *recorded*.
    """
    from .options import without_defaults

    return without_defaults(dict(declared) if whole else {**recorded, **declared})


# -- what the running container is made of, from declared options and the image's config ------------------------


def process_args(options: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """The command line: entrypoint and command, as Docker combines them (an own entrypoint drops the image's Cmd)."""
    if "entrypoint" in options:
        return [*options["entrypoint"], *options.get("command", [])]
    return [*(config.get("Entrypoint") or []), *(options.get("command") or config.get("Cmd") or [])]


def joined(options: Mapping[str, Any]) -> list[str]:
    """Those of ``pid_mode`` and ``ipc_mode`` by which the container shares what another one has."""
    return [name for name in ("pid_mode", "ipc_mode") if str(options.get(name, "")).startswith("container:")]


def check_shares_ipc(name: str, options: Mapping[str, Any]) -> None:
    """Raise ContainerError unless others may join the IPC of the container *name* with *options*."""
    mode = setting(options, "ipc_mode")
    if mode in ("private", "none"):
        raise ContainerError(
            f"ipc_mode: container {name} keeps its IPC to itself (ipc_mode: {mode})",
            step="ipc_mode",
            obj=name,
            hint="Declare ipc_mode: shareable for it, or leave the option out there",
        )


def hostname(spec: Mapping[str, Any]) -> str:
    """The declared host name, else the beginning of the id as with Docker."""
    return str(spec["options"].get("hostname") or spec["id"][:12])


def environment(options: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """The image's environment, less what is unset, with the declared one on top."""
    result = {}
    for item in config.get("Env") or () if not options.get("unsetenv_all") else ():
        name, _equals, value = item.partition("=")
        if name not in options.get("unsetenv", ()):
            result[name] = value
    result.update(options.get("env", {}))
    return result


def labels(options: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """The image's labels with the declared ones on top."""
    return {**(config.get("Labels") or {}), **options.get("labels", {})}


def stop_signal(options: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The declared signal, the image's, or SIGTERM."""
    return str(options.get("stop_signal") or config.get("StopSignal") or "SIGTERM")


def setting(options: Mapping[str, Any], name: str) -> Any:
    """The value of option *name*, its default where it is left out."""
    from .options import TABLE  # which a monitor, that asks for nothing of it, would have to carry

    return options.get(name, TABLE[name].default)
