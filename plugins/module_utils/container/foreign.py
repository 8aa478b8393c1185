# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of docker_container and podman_container that have no meaning here, each with the reason.

They are taken so that a playbook written for those runs with nothing but the module's name changed: what would do
nothing, or what happens here anyway, without a word; what is lost by leaving it away, with a warning; and what would
make another container than the one that was asked for is refused.
"""

from __future__ import annotations

from collections import namedtuple

from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SILENT, WARNED, REFUSED = "silent", "warned", "refused"

# why    a sentence
# fine   values that say what is so here anyway, as text in lower case
Foreign = namedtuple("Foreign", "name type verdict why fine aliases")

_ENGINE = "There is no engine whose client could be told so."
_FILES = "The result has the container's id and its processes; no file is written."
_FALSE, _TRUE = ("false",), ("true",)


def _row(name: str, type_: str, verdict: str, why: str, *fine: str, aliases: tuple[str, ...] = ()) -> Foreign:
    return Foreign(name, type_, verdict, why, fine, aliases)


_ROWS = (
    # docker_container's
    _row("api_version", "str", SILENT, _ENGINE, aliases=("docker_api_version",)),
    _row("client_cert", "path", SILENT, _ENGINE, aliases=("tls_client_cert", "cert_path")),
    _row("client_key", "path", SILENT, _ENGINE, aliases=("tls_client_key", "key_path")),
    _row(
        "command_handling", "str", WARNED, "A list is taken as it is, and a string split as a shell would.", "correct"
    ),
    _row("container_default_behavior", "str", SILENT, "An option that is left out has its default in any case."),
    _row("debug", "bool", SILENT, _ENGINE),
    _row("device_requests", "list", REFUSED, "There is no driver to ask; name the nodes in O(devices)."),
    _row(
        "docker_host",
        "str",
        REFUSED,
        "There is no daemon on another host; the container is made on the managed host itself.",
        "unix://",
        aliases=("docker_url",),
    ),
    _row("image_comparison", "str", SILENT, "What the task declares is compared, and nothing that the image brings."),
    _row("image_label_mismatch", "str", WARNED, "Labels of the image are never a difference.", "ignore"),
    _row("kernel_memory", "str", WARNED, "Linux no longer limits that apart; O(memory) counts it, too.", "0"),
    _row("links", "list", REFUSED, "Containers of one network know each other; use O(networks[].aliases)."),
    _row(
        "networks_cli_compatible",
        "bool",
        WARNED,
        "A container is connected to the networks that are named and to no other.",
        *_TRUE,
    ),
    _row("output_logs", "bool", SILENT, "With O(detach=false) the output is in the result in any case."),
    _row("pull_check_mode_behavior", "str", SILENT, "Check mode always says what a run would do."),
    _row("purge_networks", "bool", WARNED, "Networks that are no longer declared are always disconnected.", *_TRUE),
    _row("removal_wait_timeout", "float", SILENT, "When the task is over, a removed container is gone."),
    _row("storage_opts", "dict", REFUSED, "A container's files have no limit of their own.", "{}"),
    _row("timeout", "int", WARNED, "There is no daemon to wait for, and no longest time that a container may run."),
    _row("tls", "bool", SILENT, _ENGINE),
    _row("tls_hostname", "str", SILENT, _ENGINE),
    _row("use_ssh_client", "bool", SILENT, _ENGINE),
    _row("volume_driver", "str", REFUSED, "Named volumes are directories of the host.", "local"),
    # podman_container's
    _row("attach", "list", SILENT, "With O(detach=false) the output is in the result in any case."),
    _row("cgroups", "str", REFUSED, "Every container has a cgroup of its own.", "enabled", "no-conmon"),
    _row("chrootdirs", "str", REFUSED, "Files of the host get into a container by O(volumes) and O(mounts)."),
    _row("cidfile", "path", WARNED, _FILES),
    _row("cmd_args", "list", REFUSED, "There is no command line of an engine to add them to.", "[]"),
    _row("conmon_pidfile", "path", WARNED, _FILES),
    _row("decryption_key", "str", REFUSED, "Encrypted images cannot be read."),
    _row("delete_depend", "bool", WARNED, "A container is removed without those that use its network.", *_FALSE),
    _row("detach_keys", "str", SILENT, "A task never attaches a terminal."),
    _row("env_host", "bool", REFUSED, "The environment of a task is not the container's; use O(env).", *_FALSE),
    _row("env_merge", "dict", REFUSED, "Give the whole value in O(env).", "{}"),
    _row("executable", "str", SILENT, _ENGINE),
    _row("force_delete", "bool", WARNED, "A container that runs is stopped before it is removed.", *_TRUE),
    _row(
        "generate_systemd",
        "dict",
        WARNED,
        "O(restart_policy=always) brings the container back when the host has started, without a unit of its own.",
        "{}",
    ),
    _row("gidmap", "list", REFUSED, "Use O(userns_mode).", "[]"),
    _row("gpus", "str", REFUSED, "There is no driver to ask; name the nodes in O(devices)."),
    _row("group_entry", "str", REFUSED, "The image's /etc/group is left as it is."),
    _row("health_startup_cmd", "str", REFUSED, "Use C(start_period) and C(start_interval) of O(healthcheck)."),
    _row("health_startup_interval", "str", REFUSED, "Use C(start_interval) of O(healthcheck)."),
    _row("health_startup_retries", "int", REFUSED, "Use C(start_period) of O(healthcheck)."),
    _row("health_startup_success", "int", REFUSED, "Use C(start_period) of O(healthcheck)."),
    _row("health_startup_timeout", "str", REFUSED, "Use C(timeout) of O(healthcheck)."),
    _row("hooks_dir", "list", REFUSED, "Containers of this module have no hooks.", "[]"),
    _row("hostuser", "str", REFUSED, "The image's /etc/passwd is left as it is; O(user) takes numbers, too."),
    _row("http_proxy", "bool", WARNED, "Proxies are not passed on; name them in O(env).", *_FALSE),
    _row("image_volume", "str", REFUSED, "The image's volumes are anonymous ones.", "bind", "anonymous"),
    _row("init_ctr", "str", REFUSED, "There are no pods; use C(depends_on) of M(agentless.oci.oci_containers)."),
    _row("init_path", "str", WARNED, "O(init) finds its program by itself."),
    _row("log_level", "str", SILENT, _ENGINE),
    _row("passwd", "bool", SILENT, "The image's /etc/passwd is left as it is."),
    _row("passwd_entry", "str", REFUSED, "The image's /etc/passwd is left as it is."),
    _row("personality", "str", REFUSED, "Programs run with the personality of the host.", "linux"),
    _row("pid_file", "path", WARNED, _FILES),
    _row("pod", "str", REFUSED, "There are no pods; use O(network_mode) with V(container:NAME)."),
    _row("pod_id_file", "path", REFUSED, "There are no pods; use O(network_mode) with V(container:NAME)."),
    _row("preserve_fd", "list", REFUSED, "A task has no descriptors to hand over.", "[]"),
    _row("preserve_fds", "str", REFUSED, "A task has no descriptors to hand over.", "0"),
    _row("quadlet_dir", "path", SILENT, "There are no quadlets."),
    _row("quadlet_file_mode", "raw", SILENT, "There are no quadlets."),
    _row("quadlet_filename", "str", SILENT, "There are no quadlets."),
    _row("quadlet_options", "list", SILENT, "There are no quadlets."),
    _row("rdt_class", "str", REFUSED, "A class of resctrl is not for a single container to join."),
    _row("requires", "list", WARNED, "Use C(depends_on) of M(agentless.oci.oci_containers).", "[]"),
    _row("restart_time", "str", WARNED, "Restarts in a row wait longer and longer, from 0.1 to 60 seconds."),
    _row("retry", "int", SILENT, "A pull that fails goes on where it was in the next run."),
    _row("retry_delay", "str", SILENT, "A pull that fails goes on where it was in the next run."),
    _row("rmi", "bool", WARNED, "M(agentless.oci.oci_prune) removes images that no container uses.", *_FALSE),
    _row("rootfs", "bool", REFUSED, "M(agentless.oci.oci_image) makes an image of a directory.", *_FALSE),
    _row("sdnotify", "str", WARNED, "O(state=healthy) waits for the health check instead.", "ignore", "conmon"),
    _row("seccomp_policy", "str", REFUSED, "Use O(security_opts).", "default"),
    _row("shm_size_systemd", "str", WARNED, "Give /run and the like a size in O(tmpfs)."),
    _row("sig_proxy", "bool", SILENT, "A task never attaches a terminal."),
    _row("subgidname", "str", REFUSED, "Use O(userns_mode)."),
    _row("subuidname", "str", REFUSED, "Use O(userns_mode)."),
    _row(
        "systemd",
        "str",
        WARNED,
        "A systemd in the container needs O(tmpfs) on /run, /run/lock and /tmp, and O(stop_signal=SIGRTMIN+3).",
        *_FALSE,
    ),
    _row("uidmap", "list", REFUSED, "Use O(userns_mode).", "[]"),
)

_NOT_SECRET = ("client_key", "detach_keys", "passwd_entry")

TABLE: dict[str, Foreign] = {row.name: row for row in _ROWS}


def argument_spec() -> dict[str, dict[str, Any]]:
    """The options as AnsibleModule takes them."""
    spec: dict[str, dict[str, Any]] = {}
    for row in TABLE.values():
        spec[row.name] = {"type": row.type}
        if row.type == "list":
            spec[row.name]["elements"] = "raw"
        if row.aliases:
            spec[row.name]["aliases"] = list(row.aliases)
        if row.name in _NOT_SECRET:  # though Ansible takes it for one by its name
            spec[row.name]["no_log"] = False
    spec["decryption_key"]["no_log"] = True
    return spec


def check(parameters: Mapping[str, Any]) -> list[str]:
    """The warnings for what *parameters* give of these options. Raises ContainerError for what is refused."""
    warnings = []
    for name, row in TABLE.items():
        given = parameters.get(name)
        if given is None or row.verdict == SILENT or _is_fine(given, row.fine):
            continue
        why = plain(row.why)
        if row.verdict == REFUSED:
            raise ContainerError(f"{name} is not supported", step="options", obj=name, hint=why)
        warnings.append(f"{name} has no effect: {why[:1].lower()}{why[1:].rstrip('.')}")
    return warnings


def _is_fine(given: object, fine: tuple[str, ...]) -> bool:
    said = str(given).lower()
    return any(said.startswith(word) if word.endswith("://") else said == word for word in fine)


def plain(text: str) -> str:
    """A sentence of the documentation without its markup: ``O(env)`` is env."""
    import re

    return re.sub(r"\b[OCVM]\(([^)]*)\)", lambda found: found[1].replace("agentless.oci.", "").replace("=", ": "), text)
