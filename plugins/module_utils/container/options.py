# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a container, in one table.

Each row says all there is to know about one option: its names, its type, how a value becomes canonical, what
happens when it changes. The argument spec, normalisation, comparison, diff and the test of the documentation are
derived from these rows.

A canonical value is what JSON can hold, with everything that does not matter (the order of a set, ``100m``
against ``104857600``) taken out and nothing else altered: two values mean the same exactly when they are equal.
"""

from __future__ import annotations

from ..image.options import REGISTRY
from . import (
    foreign,
    healthvalues,
    limitvalues,
    logoptions,
    mountvalues,
    netmode,
    netvalues,
    secretvalues,
    securityvalues,
    spellings,
    updatevalues,
    values,
)
from .errors import ContainerError
from .optionrow import DICT, LIMITS, LIST, MONITOR, NETWORK, RECORD, SET, Option
from .optionrow import option as _option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_NETWORK_SUBOPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "ipv4_address": {"type": "str"},
    "ipv6_address": {"type": "str"},
    "aliases": {"type": "list", "elements": "str"},
    "mac_address": {"type": "str"},
}


def _rates(name: str, canonical: Callable[[Any], Any]) -> Option:
    return _option(name, "list", canonical, LIMITS, SET, elements="raw", default=[], key="path")


_ROWS = (
    # process
    _option("command", "raw", values.argv, compare=LIST, default=[]),
    _option("entrypoint", "raw", values.entrypoint, compare=LIST),
    _option("env", "dict", values.string_dict, compare=DICT, default={}),
    _option("unsetenv", "list", values.string_set, compare=SET, elements="str", default=[]),
    _option("unsetenv_all", "bool", bool, default=False),
    _option("user", "str", values.text, default=""),
    _option("groups", "list", values.string_set, compare=SET, elements="str", aliases=("group_add",), default=[]),
    _option("hostname", "str", values.hostname),
    _option("domainname", "str", values.hostname),
    _option("working_dir", "str", values.absolute_path, aliases=("workdir",)),
    _option("umask", "str", limitvalues.umask, default="0022"),
    _option("labels", "dict", values.string_dict, RECORD, DICT, aliases=("label",), default={}),
    _option("annotations", "dict", values.string_dict, compare=DICT, aliases=("annotation",), default={}),
    _option("interactive", "bool", bool, default=False),
    _option("tty", "bool", bool, default=False),
    _option("init", "bool", bool, default=False),
    _option("runtime", "str", values.runtime, default=""),
    # namespaces
    _option("network_mode", "raw", netvalues.network_mode, aliases=("network", "net"), default=netmode.DEFAULT_MODE),
    _option("pid_mode", "str", values.pid_namespace, aliases=("pid",), default="private"),
    _option("ipc_mode", "str", values.ipc_namespace, aliases=("ipc",), default="shareable"),
    _option("uts", "str", values.namespace, default="private"),
    _option(
        "userns_mode",
        "str",
        values.user_namespace,
        aliases=("userns",),
        choices=("auto", "private", "host"),
        default="host",
    ),
    _option("cgroupns_mode", "str", values.namespace, aliases=("cgroupns",), default="private"),
    # network
    _option(
        "networks",
        "list",
        netvalues.networks,
        NETWORK,
        SET,
        elements="dict",
        default=[],
        suboptions=_NETWORK_SUBOPTIONS,
        key="name",
    ),
    _option(
        "published_ports",
        "list",
        netvalues.published_ports,
        NETWORK,
        SET,
        elements="str",
        aliases=("ports", "publish", "published"),
        default=[],
    ),
    _option("publish_all_ports", "bool", bool, NETWORK, aliases=("publish_all",), default=False),
    _option(
        "exposed_ports",
        "list",
        netvalues.exposed_ports,
        NETWORK,
        SET,
        elements="str",
        aliases=("exposed", "expose"),
        default=[],
    ),
    _option("dns_servers", "list", netvalues.addresses, NETWORK, LIST, elements="str", aliases=("dns",), default=[]),
    _option("dns_opts", "list", netvalues.words, NETWORK, LIST, elements="str", aliases=("dns_option",), default=[]),
    _option(
        "dns_search_domains",
        "list",
        netvalues.words,
        NETWORK,
        LIST,
        elements="str",
        aliases=("dns_search",),
        default=[],
    ),
    _option("etc_hosts", "raw", netvalues.etc_hosts, NETWORK, DICT, aliases=("add_hosts", "extra_hosts"), default={}),
    _option("no_hosts", "bool", bool, default=False),
    _option("mac_address", "str", netvalues.mac_address, NETWORK),
    # resources
    _option("memory", "str", values.size, LIMITS),
    _option("memory_reservation", "str", values.size, LIMITS),
    _option("memory_swap", "str", values.size_or_unlimited, LIMITS),
    _option("memory_swappiness", "int", values.integer(0, 100), LIMITS),
    _option("oom_killer", "bool", bool, LIMITS, aliases=("oom_kill_disable",), default=False),
    _option("cpus", "float", values.cpus, LIMITS),
    _option("cpu_period", "int", values.integer(1000, 1_000_000), LIMITS),
    _option("cpu_quota", "int", values.cpu_quota, LIMITS),
    _option("cpu_shares", "int", values.integer(2, 262144), LIMITS),
    _option("cpu_rt_period", "int", values.integer(1, 1_000_000), LIMITS),
    _option("cpu_rt_runtime", "int", values.integer(0, 1_000_000), LIMITS),
    _option("cpuset_cpus", "str", values.cpuset, LIMITS),
    _option("cpuset_mems", "str", values.cpuset, LIMITS),
    _option("pids_limit", "int", values.pids_limit, LIMITS, default=-1),
    _option("blkio_weight", "int", values.integer(10, 1000), LIMITS),
    _option("blkio_weight_device", "raw", limitvalues.weights, LIMITS, SET, default=[], key="path"),
    _rates("device_read_bps", limitvalues.byte_rates),
    _rates("device_write_bps", limitvalues.byte_rates),
    _rates("device_read_iops", limitvalues.rates),
    _rates("device_write_iops", limitvalues.rates),
    _option("cgroup_conf", "dict", limitvalues.control_files, LIMITS, DICT, default={}),
    _option("cgroup_parent", "str", limitvalues.cgroup_parent, default="/agentless-oci"),
    _option("oom_score_adj", "int", values.integer(-1000, 1000), default=0),
    _option("shm_size", "str", values.size, default=64 << 20),
    _option(
        "ulimits", "list", values.ulimits, compare=SET, elements="str", aliases=("ulimit",), default=[], key="name"
    ),
    _option("sysctls", "dict", values.sysctls, compare=DICT, aliases=("sysctl",), default={}),
    _option(
        "devices", "list", values.devices, compare=SET, elements="str", aliases=("device",), default=[], key="target"
    ),
    _option(
        "device_cgroup_rules",
        "list",
        limitvalues.device_rules,
        LIMITS,
        SET,
        elements="str",
        aliases=("device_cgroup_rule",),
        default=[],
    ),
    # mounts
    _option(
        "volumes",
        "list",
        mountvalues.volumes,
        compare=SET,
        elements="str",
        aliases=("volume",),
        default=[],
        key="target",
    ),
    _option("volumes_from", "list", mountvalues.volumes_from, compare=SET, elements="str", default=[], key="container"),
    _option(
        "mounts",
        "list",
        mountvalues.mounts,
        compare=SET,
        elements="dict",
        default=[],
        aliases=("mount",),
        suboptions=mountvalues.SUBOPTIONS,
        key="target",
    ),
    _option("tmpfs", "raw", mountvalues.tmpfs, compare=SET, default=[], key="target"),
    _option("read_only", "bool", bool, default=False),
    _option(
        "secrets",
        "list",
        secretvalues.secrets,
        compare=SET,
        elements="dict",
        default=[],
        suboptions=secretvalues.SUBOPTIONS,
        key="name",
    ),
    # security
    _option(
        "capabilities",
        "list",
        securityvalues.capabilities,
        compare=SET,
        elements="str",
        aliases=("cap_add",),
        default=[],
    ),
    _option("cap_drop", "list", securityvalues.capabilities, compare=SET, elements="str", default=[]),
    _option("privileged", "bool", bool, default=False),
    _option(
        "security_opts",
        "list",
        securityvalues.security_opts,
        compare=SET,
        elements="str",
        aliases=("security_opt",),
        default=[],
    ),
    # life
    _option("stop_signal", "str", values.signal_name, MONITOR),
    _option("stop_timeout", "int", values.integer(0, 86400), MONITOR, default=10),
    _option("healthcheck", "raw", healthvalues.healthcheck, MONITOR, DICT, aliases=("health_cmd",)),
    _option(
        "on_unhealthy",
        "str",
        str,
        MONITOR,
        aliases=("healthcheck_failure_action", "health_on_failure"),
        choices=("none", "restart", "kill", "stop"),
        default="none",
    ),
    _option(
        "log_driver",
        "str",
        values.choice(*logoptions.DRIVERS, synonyms={"local": logoptions.K8S_FILE}),
        MONITOR,
        choices=(*logoptions.DRIVERS, "local"),
        default=logoptions.K8S_FILE,
    ),
    _option("log_options", "dict", logoptions.log_options, MONITOR, DICT, aliases=("log_opt",), default={}),
    _option(
        "restart_policy",
        "str",
        values.choice("no", "on-failure", "always", "unless-stopped", synonyms={"False": "no", "never": "no"}),
        MONITOR,
        default="no",
    ),
    _option("restart_retries", "int", values.integer(0, 1_000_000), MONITOR, default=0),
    _option("auto_remove", "bool", bool, RECORD, aliases=("rm", "remove"), default=False),
)

TABLE: dict[str, Option] = {row.name: row for row in _ROWS}

# Options of a task, not of the container: they say what to do and how, and are recorded nowhere.
TASK: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": ["absent", "present", "created", "started", "stopped", "healthy"],
        "default": "started",
    },
    "image": {"type": "str"},
    "image_name_mismatch": {"type": "str", "choices": ["recreate", "ignore"]},
    "pull": {"type": "raw", "default": "missing"},
    "platform": {"type": "str"},
    "recreate": {"type": "bool", "default": False},
    "restart": {"type": "bool", "default": False, "aliases": ["force_restart"]},
    "paused": {"type": "bool"},
    "detach": {"type": "bool", "default": True},
    "healthy_wait_timeout": {"type": "float", "default": 300.0},
    "stop_time": {"type": "float", "aliases": ["delete_time"]},
    "kill_signal": {"type": "str"},
    "force_kill": {"type": "bool", "default": False, "aliases": ["forcekill"]},
    "comparisons": {"type": "dict"},
    "keep_volumes": {"type": "bool", "default": True},
    "update": updatevalues.OPTION,
}

# The registry's and the state directory's options have documentation fragments of their own.
SHARED: dict[str, dict[str, Any]] = {
    **REGISTRY,
    **healthvalues.FLAT,
    **spellings.SPEC,
    "root": {"type": "path"},
}


def argument_spec() -> dict[str, dict[str, Any]]:
    """What AnsibleModule takes. Options of the container have no defaults: leaving one out must be visible."""
    spec = {**TASK, **SHARED, **foreign.argument_spec()}
    for row in TABLE.values():
        entry: dict[str, Any] = {"type": row.type}
        if row.aliases:
            entry["aliases"] = list(row.aliases)
        if row.choices:
            entry["choices"] = list(row.choices)
        if row.elements:
            entry["elements"] = row.elements
        if row.suboptions is not None:
            entry["options"] = row.suboptions
        spec[row.name] = entry
    spec["secrets"]["no_log"] = False  # what is secret in it says so itself
    return spec


def normalise(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical values of the container's options that *parameters* declares.

    An option that is absent or None is left out. Raises ContainerError that names the option.
    """
    declared = {}
    for name, row in TABLE.items():
        value = parameters.get(name)
        try:
            if name == "healthcheck":
                value = healthvalues.folded(parameters)
            if value is None:
                continue
            declared[name] = row.canonical(value)
        except ValueError as error:
            raise ContainerError(f"{name}: {error}", step="options", obj=name) from error
    return declared


def without_defaults(declared: Mapping[str, Any]) -> dict[str, Any]:
    """*declared* less the values that mean the same as leaving the option out."""
    return {name: value for name, value in declared.items() if value != TABLE[name].default}
