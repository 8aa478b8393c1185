# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is known of a container, in the shape that users of ``docker inspect`` know."""

from __future__ import annotations

import os

from . import health, logoptions, mountinspect, netmode, records, spec
from .netinspect import network_settings
from .stamps import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .observe import Observed
    from .records import Record

_STATUS = {"created": "created", "stopped": "exited"}


def inspect(
    record: Record, observed: Observed, *, mask: bool = False, settled: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The dictionary of one container; with *mask* values of environment variables are not shown.

    *settled* is what :func:`settle` has said of it already.
    """
    status = records.read_status(record)
    found = dict(settled or settle(record, mask=mask))
    found["RestartCount"] = status.get("restart_count", 0)
    found["State"] = _state(observed, status, _health(record, observed))
    found["NetworkSettings"] = network_settings(
        record, found["Config"]["ExposedPorts"], observed.status in ("running", "paused", "restarting")
    )
    return found


def settle(record: Record, *, mask: bool) -> dict[str, Any]:
    """What of :func:`inspect` is so whether the container runs or not; the places of the rest are kept."""
    options, image = record.spec["options"], record.spec["image"]
    return {
        "Id": record.id,
        "Name": record.name,
        "Created": record.spec["created"],
        "Image": image["id"],
        "ImageDigest": image["digest"],
        "LogPath": os.path.join(record.path, "log/container.log")
        if spec.setting(options, "log_driver") in logoptions.FILES
        else "",
        "RestartCount": 0,
        "State": {},
        "Config": _config(record.spec, mask),
        "HostConfig": _host_config(options),
        "Mounts": mountinspect.mounts(record),
        "NetworkSettings": {},
    }


def _health(record: Record, observed: Observed) -> dict[str, Any]:
    """``State.Health``; nothing where nothing was to be checked."""
    if health.effective(record.spec["options"], record.spec["image"]["config"]) is None:
        return {}
    found = health.read(record)
    if found and observed.status not in ("running", "paused"):
        found["Status"] = "unhealthy"
    return found


def _state(observed: Observed, status: Mapping[str, Any], checked: Mapping[str, Any]) -> dict[str, Any]:
    if not status:
        name = "created" if observed.status in ("created", "stopped") else observed.status
    else:
        name = _STATUS.get(observed.status, observed.status)
    running = observed.status in ("running", "paused", "restarting")
    return {
        "Status": name,
        "Running": running,
        "Paused": observed.status == "paused",
        "Restarting": observed.status == "restarting",
        "OOMKilled": status.get("oom_killed", False),
        "Pid": observed.pid,
        "MonitorPid": observed.monitor,
        "ExitCode": 0 if running else status.get("exit_code", 0),
        "StartedAt": status.get("started_at", NEVER),
        "FinishedAt": status.get("finished_at", NEVER),
        **({"Health": checked} if checked else {}),
    }


def _config(document: Mapping[str, Any], mask: bool) -> dict[str, Any]:
    from .plan import MASK

    options, image = document["options"], document["image"]
    config = image["config"]
    environment = spec.environment(options, config)
    check = health.effective(options, config)
    return {
        "Image": image["name"],
        "Hostname": spec.hostname(document),
        "Domainname": options.get("domainname", ""),
        "User": options.get("user") or config.get("User") or "",
        "Cmd": options.get("command") or (None if "entrypoint" in options else config.get("Cmd")),
        "Entrypoint": options.get("entrypoint", config.get("Entrypoint")),
        "Env": [
            f"{name}={MASK if mask and name in options.get('env', {}) else value}"
            for name, value in environment.items()
        ],
        "Labels": spec.labels(options, config),
        "Volumes": mountinspect.volumes(options, config),
        "Secrets": mountinspect.secrets(options),
        "WorkingDir": options.get("working_dir") or config.get("WorkingDir") or "/",
        "ExposedPorts": {
            **(config.get("ExposedPorts") or {}),
            **{port.rpartition(":")[2]: {} for port in options.get("published_ports", ())},
            **{port: {} for port in options.get("exposed_ports", ())},
        },
        "OpenStdin": options.get("interactive", False),
        "Tty": options.get("tty", False),
        "StopSignal": spec.stop_signal(options, config),
        "StopTimeout": spec.setting(options, "stop_timeout"),
        **({"Healthcheck": health.docker_form(check)} if check else {}),
    }


def _host_config(options: Mapping[str, Any]) -> dict[str, Any]:
    period = options.get("cpu_period", 0)
    return {
        "Memory": options.get("memory", 0),
        "MemoryReservation": options.get("memory_reservation", 0),
        "MemorySwap": options.get("memory_swap", 0),
        "MemorySwappiness": options.get("memory_swappiness"),
        "NanoCpus": int(options.get("cpus", 0) * 10**9),
        "CpuPeriod": period,
        "CpuQuota": options.get("cpu_quota", 0),
        "CpuShares": options.get("cpu_shares", 0),
        "CpusetCpus": options.get("cpuset_cpus", ""),
        "CpusetMems": options.get("cpuset_mems", ""),
        "PidsLimit": spec.setting(options, "pids_limit"),
        "BlkioWeight": options.get("blkio_weight", 0),
        "OomScoreAdj": options.get("oom_score_adj", 0),
        "ShmSize": spec.setting(options, "shm_size"),
        "Ulimits": [
            {"Name": limit["name"], "Soft": limit["soft"], "Hard": limit["hard"]}
            for limit in options.get("ulimits", [])
        ],
        "Sysctls": options.get("sysctls", {}),
        "Devices": [
            {
                "PathOnHost": device["source"],
                "PathInContainer": device["target"],
                "CgroupPermissions": device["permissions"],
            }
            for device in options.get("devices", [])
        ],
        "Init": options.get("init", False),
        "Runtime": options.get("runtime") or "aoci",
        "NetworkMode": netmode.mode(options),
        "PortBindings": _port_bindings(options),
        "Dns": options.get("dns_servers", []),
        "DnsOptions": options.get("dns_opts", []),
        "DnsSearch": options.get("dns_search_domains", []),
        "ExtraHosts": [f"{name}:{address}" for name, address in options.get("etc_hosts", {}).items()],
        "PidMode": _mode(options, "pid_mode"),
        "IpcMode": spec.setting(options, "ipc_mode"),
        "UTSMode": _mode(options, "uts"),
        "UsernsMode": spec.setting(options, "userns_mode"),
        "CgroupnsMode": spec.setting(options, "cgroupns_mode"),
        **mountinspect.host_config(options),
        "ReadonlyRootfs": options.get("read_only", False),
        "Privileged": options.get("privileged", False),
        "CapAdd": options.get("capabilities", []),
        "CapDrop": options.get("cap_drop", []),
        "GroupAdd": options.get("groups", []),
        "SecurityOpt": options.get("security_opts", []),
        "RestartPolicy": {
            "Name": spec.setting(options, "restart_policy"),
            "MaximumRetryCount": options.get("restart_retries", 0),
        },
        "AutoRemove": options.get("auto_remove", False),
        "LogConfig": {
            "Type": spec.setting(options, "log_driver"),
            "Config": {name: str(value) for name, value in options.get("log_options", {}).items()},
        },
    }


def _port_bindings(options: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for port in netmode.ports(options):
        binding = {"HostIp": port["ip"], "HostPort": port["host"]}
        found.setdefault(f"{port['container']}/{port['protocol']}", []).append(binding)
    return found


def _mode(options: Mapping[str, Any], name: str) -> str:
    """As Docker shows a namespace: "host", another container, or nothing for one of the container's own."""
    mode = options.get(name, "private")
    return "" if mode == "private" else str(mode)
