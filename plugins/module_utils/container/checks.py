# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that contradict each other, or ask for more than there is: said in one message, before anything changes."""

from __future__ import annotations

import os

from ..cgroup.units import format_bytes
from . import logoptions, netchecks, userns
from .errors import ContainerError
from .resources import option_of
from .spec import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..cgroup.validate import Machine

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")

# Whose System V IPC and /dev/shm a container has that has none of its own, by its ipc_mode.
_OTHERS_SHM = {"host": "the host", "container": "the other container"}
# What is made for the container anyway, and the options that say what is in it.
_OWN_FILES = {
    "/etc/hosts": ("etc_hosts",),
    "/etc/resolv.conf": ("dns_servers", "dns_opts", "dns_search_domains"),
    "/dev/shm": ("shm_size",),
}


def check_name(name: str) -> None:
    """Raise ContainerError unless *name* can be a container's: what Docker allows, and short enough for a file."""
    if not name or len(name) > 128 or not name[0].isalnum() or not name.isascii() or set(name) - _NAME_CHARACTERS:
        raise ContainerError(
            f"{name!r} cannot be the name of a container",
            step="options",
            obj=name,
            hint="Use at most 128 letters, digits, '_', '.' and '-', beginning with a letter or digit",
        )


def check_task(task: Mapping[str, Any]) -> None:
    """Raise ContainerError where what the task is to do contradicts itself. *task* holds the options of TASK."""
    state = task["state"]
    for name in ("restart", "recreate"):
        if task.get(name) and state == "absent":
            _contradiction(f"{name}: true", f"state: {state}")
    if task.get("restart") and state == "stopped":
        _contradiction("restart: true", "state: stopped")
    if task.get("detach") is False and state != "started":
        _contradiction("detach: false", f"state: {state}", "there is no output to wait for")
    if task.get("paused") and state in ("absent", "stopped", "healthy"):
        _contradiction("paused: true", f"state: {state}", "only a container that runs can stand still")
    if task.get("paused") and task.get("detach") is False:
        _contradiction("paused: true", "detach: false", "the container would never come to its end")
    check = task.get("healthcheck")
    if state == "healthy" and isinstance(check, dict) and check.get("test") in (["NONE"], "NONE", "none"):
        _contradiction("state: healthy", "healthcheck: NONE", "there is no check that could succeed")
    for name in ("stop_time", "healthy_wait_timeout"):
        if (task.get(name) or 0) < 0:
            raise ContainerError(f"{name}: {task[name]:g} is less than 0", step="options", obj=name)
    if task.get("kill_signal"):
        from .values import signal_name

        try:
            signal_name(task["kill_signal"])
        except ValueError as error:
            raise ContainerError(f"kill_signal: {error}", step="options", obj="kill_signal") from error


def check_options(options: Mapping[str, Any], *, detach: bool = True) -> None:
    """Raise ContainerError where canonical *options*, taken together, make no sense."""
    _check_processor(options)
    _check_memory(options)
    _check_files(options)
    _check_environment(options)
    _check_mounts(options)
    netchecks.check(options)
    logoptions.check(options)
    both = [name for name in options.get("capabilities", ()) if name in options.get("cap_drop", ()) and name != "ALL"]
    if both:
        _contradiction(f"capabilities: {', '.join(both)}", "cap_drop of the same")
    policy = options.get("restart_policy", "no")
    if "restart_retries" in options and policy != "on-failure":
        _contradiction("restart_retries", f"restart_policy: {policy}", "only on-failure counts its attempts")
    if options.get("auto_remove") and policy != "no":
        _contradiction("auto_remove: true", f"restart_policy: {policy}")
    if not detach and policy in ("always", "unless-stopped"):
        _contradiction("detach: false", f"restart_policy: {policy}", "the container would never come to its end")
    for name in ("hostname", "domainname"):
        if name in options and options.get("uts") == "host":
            _contradiction(name, "uts: host", "it would rename the host")
    if options.get("userns_mode") == "private":
        _check_userns(options)
    ipc = options.get("ipc_mode", "").partition(":")[0]
    for name in options.get("sysctls", ()):
        if name.startswith("net.") and options.get("network_mode") == "host":
            _contradiction(f"sysctls: {name}", "network_mode: host", "it would change the host")
        if name.startswith(("kernel.", "fs.mqueue.")) and ipc in _OTHERS_SHM:
            _contradiction(
                f"sysctls: {name}", f"ipc_mode: {options['ipc_mode']}", f"it would change {_OTHERS_SHM[ipc]}"
            )
    if options.get("on_unhealthy") and options.get("healthcheck", {}).get("test") == ["NONE"]:
        _contradiction(f"on_unhealthy: {options['on_unhealthy']}", "healthcheck: NONE", "nothing finds that out")
    if options.get("init") and options.get("pid_mode", "").startswith("container:"):
        _contradiction("init: true", f"pid_mode: {options['pid_mode']}", "process 1 is the other one's")
    if "shm_size" in options and ipc in _OTHERS_SHM:
        _contradiction("shm_size", f"ipc_mode: {options['ipc_mode']}", f"the /dev/shm of {_OTHERS_SHM[ipc]} is used")
    if "shm_size" in options and ipc == "none":
        _contradiction("shm_size", "ipc_mode: none", "it has no /dev/shm")


def _check_userns(options: Mapping[str, Any]) -> None:
    """What a user namespace has no power over, or the kernel does not let it mount."""
    for name in ("network_mode", "pid_mode", "ipc_mode"):
        if options.get(name) == "host":
            _contradiction(f"{name}: host", "userns_mode: private", "the kernel keeps what the host owns from it")
    for name in joined(options):
        _contradiction(f"{name}: {options[name]}", "userns_mode: private", "it has no power over the other's")
    if options.get("privileged"):
        _contradiction("privileged: true", "userns_mode: private", "it is root of its own namespace only")
    for entry in options.get("secrets", ()):
        if max(entry["uid"], entry["gid"]) >= userns.SIZE:
            _contradiction(f"secrets: {entry['name']}: its owner", "userns_mode: private", "which has no such id")


def _check_processor(options: Mapping[str, Any]) -> None:
    for name in ("cpu_quota", "cpu_period"):
        if "cpus" in options and name in options:
            _contradiction("cpus", name, "both set the same limit")
    runtime, period = options.get("cpu_rt_runtime", 0), options.get("cpu_rt_period", 1_000_000)
    if runtime > period:
        _contradiction(f"cpu_rt_runtime: {runtime}", f"cpu_rt_period: {period}", "it is a part of that")


def _check_memory(options: Mapping[str, Any]) -> None:
    memory, swap = options.get("memory"), options.get("memory_swap")
    if swap is not None and swap != -1:
        if memory is None:
            _contradiction("memory_swap", "no memory", "it is the limit of memory and swap together")
        elif swap < memory:
            _contradiction(f"memory_swap: {swap}", f"memory: {memory}", "it is the limit of memory and swap together")
    if memory is not None and options.get("memory_reservation", 0) > memory:
        _contradiction(f"memory_reservation: {options['memory_reservation']}", f"memory: {memory}")

    for file in options.get("cgroup_conf", ()):
        name = option_of(file)
        if name != file and name in options:
            _contradiction(f"cgroup_conf: {file}", name, "both set the same limit")


def _check_environment(options: Mapping[str, Any]) -> None:
    unset = options.get("unsetenv", ())
    both = [name for name in unset if name in options.get("env", {})]
    if both:
        _contradiction(f"unsetenv: {', '.join(both)}", "env of the same")
    if unset and options.get("unsetenv_all"):
        _contradiction("unsetenv", "unsetenv_all: true", "that takes all of the image's away")


def _check_files(options: Mapping[str, Any]) -> None:
    """What would be written into a file, or said of one, that the container does not get from us."""
    if options.get("no_hosts") and options.get("etc_hosts"):
        _contradiction("etc_hosts", "no_hosts: true", "the file is the image's")
    names = ("volumes", "mounts", "tmpfs")
    mounted = {mount["target"]: name for name in names for mount in options.get(name, ())}
    for target, ours in _OWN_FILES.items():
        for name in ours:
            if target in mounted and options.get(name):
                _contradiction(name, f"{mounted[target]}: {target}", "what is mounted there is used instead")


def _check_mounts(options: Mapping[str, Any]) -> None:
    for volume in options.get("volumes", ()):
        if volume.get("idmap") and options.get("userns_mode") != "private":
            _contradiction(
                f"volumes: {volume['target']}: idmap", "userns_mode: host", "there are no owners to translate"
            )
    taken: dict[str, str] = {}
    for name in ("volumes", "mounts", "tmpfs", "secrets"):
        for mount in options.get(name, ()):
            other = taken.setdefault(mount["target"], name)
            if other != name:
                _contradiction(f"{other}: {mount['target']}", f"{name}: {mount['target']}")


def check_machine(options: Mapping[str, Any], memory_total: int, machine: Machine | None = None) -> None:
    """Raise for limits that no kernel takes or that are above this host: CgroupError, ContainerError.

    memory_total  bytes of memory the host has
    machine       its processors and memory nodes; looked up when not given
    """
    from ..cgroup.validate import validate
    from .resources import resources

    validate(resources(options), machine)
    for name in ("memory", "memory_reservation"):
        if (options.get(name) or 0) > memory_total:
            raise ContainerError(
                f"{name}: {format_bytes(options[name])} is more than the {format_bytes(memory_total)} this host has",
                step="limits",
                obj=name,
                hint="Declare less, or leave the option out for no limit",
            )


def check_makeable(options: Mapping[str, Any]) -> None:
    """Raise where this host lacks what starting such a container needs: ContainerError, RuntimeFault.

    The program of another runtime; one to be process 1; a seccomp filter that is right and can be made; devices; the
    kernel's security modules.
    """
    from ..kernel.capabilities import NAMES
    from . import initprogram, runtimes, seccomp
    from .bundle import effective_capabilities

    runtimes.find(options)
    initprogram.find(options, os.uname().machine)
    seccomp.check_on_host(options, effective_capabilities(options, [f"CAP_{name}" for name in NAMES]))
    if options.get("devices"):
        from .bundlefile import device

        for entry in options["devices"]:
            device(entry["source"])
    if any(item.startswith(("apparmor=", "label=")) for item in options.get("security_opts", ())):
        _check_labels(options)


def _check_labels(options: Mapping[str, Any]) -> None:
    from ..runtime import labels
    from ..runtime.errors import RuntimeFault
    from .bundle import label

    document: dict[str, Any] = {"process": {}, "linux": {}}
    label(options, document)
    try:
        labels.process_label(document)
    except RuntimeFault as error:
        reason = error.message.partition(": ")[2] or error.message
        raise ContainerError(
            f"security_opts: {reason}", step="options", obj="security_opts", hint="Leave apparmor= and label= out"
        ) from error


def _contradiction(first: str, second: str, why: str = "") -> None:
    reason = f": {why}" if why else ""
    raise ContainerError(
        f"{first} and {second} contradict each other{reason}", step="options", obj=first, hint="Leave one of them out"
    )
