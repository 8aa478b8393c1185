# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``aoci [GLOBAL OPTIONS] VERB …``, runc's for the runtime's verbs.

Each verb's module is imported only when it is called for: a runtime is started once per container, and what it
imports is what it costs.
"""

from __future__ import annotations

import os
import sys

from ..kernel.errors import Error
from ..kernel.lean import dumps
from ..runtime.errors import Unprotected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "0.1.0"

USAGE = """\
usage: aoci [GLOBAL OPTIONS] VERB …

A host's containers:
  containers              list the containers
  inspect NAME            all that is known of a container, as JSON
  logs [-f] [--tail N] [--since TIME] [-t] NAME
                          what a container wrote
  networks                list the networks, and which containers are connected to them
  volumes [--dangling]    list the volumes, and which containers use them
  stats [--no-stream] [--format table|json] [NAME]…
                          what containers use, live
  exec [-it] [-u USER] [-w DIR] [-e NAME=VALUE] NAME COMMAND …
                          run a program in a container
  top [--format table|json] NAME
                          the processes of a container
  cp [-aL] PATH NAME:PATH | NAME:PATH PATH
                          copy files into a container, or out of it; - is a tar archive
  images                  list the images
  pull [-q] [--creds USER[:PASSWORD]] [--authfile FILE] [--platform OS/ARCH] [--tls-verify=false]
    [--cert-dir PATH] [--mirror HOST]… [--verify KEY] [--require-digest] REF
                          fetch an image from a registry and unpack it
  rmi REF                 remove an image's name, and what nothing else needs
  check [--repair]        verify every blob and layer; pull and unpack again what is damaged
  save [-o PATH] REF …    write images to an archive
  load [-i PATH] [NAME]   bring the images of an archive
  boot [limits] [containers]
                          bring back what is to outlive a reboot; for the host's init to call

An OCI runtime (runtime-spec 1.3), for other tools:
  create [-b BUNDLE] [--pid-file FILE] [--console-socket PATH] [--preserve-fds N] [--no-pivot] [--no-new-keyring] ID
  start ID
  run [-d] [--keep] [options of create] ID
  state ID
  kill [--all] ID [SIGNAL]
  delete [-f] ID
  exec [-t] [-d] [-u UID[:GID]] [--cwd DIR] [-e NAME=VALUE] [-c CAP] [-p FILE] [--pid-file FILE] [--cgroup PATH]
    [--apparmor PROFILE] [--process-label LABEL] [--no-new-privs] [--preserve-fds N] ID COMMAND …
  list [-f table|json] [-q]      ps [-f table|json] ID [options of ps]
  pause ID      resume ID
  update [-r FILE|-] [--memory SIZE] [--cpu-quota N] … ID
  events [--stats] [--interval 5s] ID
  features      spec [-b BUNDLE]

Global options: --root DIR, --log FILE, --log-format text|json, --systemd-cgroup, --debug, --version

--root is the state directory (environment AGENTLESS_OCI_ROOT, default /var/lib/agentless-oci); for the runtime's
verbs it is the directory of the runtime's own state, as with other runtimes. --systemd-cgroup lets systemd make the
cgroups of create and run, and linux.cgroupsPath is then slice:prefix:name.
"""

# Verb → the module beside this one that carries it out, by its function run(argv, root)
_MODULES = {
    **dict.fromkeys(("create", "run"), "create_verbs"),
    **dict.fromkeys(("start", "state", "kill", "delete", "list"), "runtime_verbs"),
    "exec": "exec_verb",
    **dict.fromkeys(("pause", "resume", "ps", "update", "features", "spec"), "more_verbs"),
    "events": "events_verb",
    **dict.fromkeys(("containers", "inspect", "logs"), "containers"),
    "stats": "stats",
    "cp": "cp_verb",
    "top": "top_verb",
    **dict.fromkeys(("images", "rmi"), "images"),
    **dict.fromkeys(("save", "load"), "archives"),
    "pull": "pull_verb",
    "networks": "networks",
    "volumes": "volumes",
    "check": "check_verb",
    "boot": "boot_verb",
    "module": "module_verb",
}
_RUNTIME = ("create_verbs", "runtime_verbs", "exec_verb", "more_verbs", "events_verb")  # argparse helps the others
# What enters a container needs an executable that it cannot write to; what creates one, sometimes (programfile.py).
_PROTECTED = ("exec", "health-run", "monitor-server")
_VALUED = ("--root", "--log", "--log-format", "--cgroup-manager", "--rootless", "--criu")
_FLAGS = ("--debug", "--systemd-cgroup")
_HELP = ("help", "--help", "-h")


def main(argv: list[str]) -> int:
    """Run the command line *argv* (without the program's name); the exit code."""
    try:
        options, rest = _global_options(argv)
    except Error as error:
        sys.stderr.write(f"aoci: {error}\n")
        return 1
    _log.update(path=options.get("--log", ""), form=options.get("--log-format", "text"))
    if not rest or rest[0] in _HELP or (_MODULES.get(rest[0]) in _RUNTIME and rest[1:2] in (["--help"], ["-h"])):
        sys.stdout.write(USAGE)
        return 0
    verb = rest[0]
    if verb in ("version", "--version", "-v"):
        sys.stdout.write(f"aoci version {VERSION}\nspec: 1.3.0\n")
        return 0
    try:
        if _systemd_cgroup(options) and verb in ("create", "run"):
            rest.insert(1, "--systemd-cgroup")  # the only verbs that need it: the state remembers it for the others
        if verb in _PROTECTED:
            _protect(argv)
        try:
            return _verb(verb)(rest, options.get("--root"))
        except Unprotected:
            _protect(argv)
    except (Error, OSError) as error:
        report(error, verb)
    except MemoryError:
        report(Error("there is not enough memory", step=verb), verb)
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:  # of argparse: help was asked for, or the options are wrong, which it has said
        return end.code if isinstance(end.code, int) else 1
    return 1


_log = {"path": "", "form": "text"}


def report(error: Error | OSError, verb: str) -> None:
    """Say what went wrong: on stderr in one line, and in the file of --log."""
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        message = f"{verb}: {error.strerror}{where}"
    else:
        message = " ".join(str(error).split("\n"))
    sys.stderr.write(f"aoci: {message}\n")
    _note("error", message)


def _note(level: str, message: str) -> None:
    """Write *message* to the file of --log."""
    if not _log["path"]:
        return
    import time

    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    quoted = dumps(message)
    if _log["form"] == "json":
        line = f'{{"level": "{level}", "msg": {quoted}, "time": "{stamp}"}}'
    else:
        line = f'time="{stamp}" level={level} msg={quoted}'
    try:
        with open(_log["path"], "a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as failure:
        sys.stderr.write(f"aoci: cannot write the log {_log['path']}: {failure.strerror}\n")


def state_directory(root: str | None) -> str:
    """The directory of the runtime's own state: --root, or the one below the default state directory."""
    if root:
        return os.path.abspath(root)
    from ..statedir import StateDir

    return StateDir().runtime


def warn(warnings: list[str]) -> None:
    """Say on stderr, and in the file of --log, what did not keep the work from being done."""
    for warning in warnings:
        sys.stderr.write(f"aoci: warning: {warning}\n")
        _note("warning", warning)


def _systemd_cgroup(options: dict[str, str]) -> bool:
    """Whether systemd is to make the cgroup, as runc's option or crun's says. Raises Error."""
    manager = options.get("--cgroup-manager", "cgroupfs")
    if manager not in ("cgroupfs", "systemd"):
        raise Error(f"there is no cgroup manager {manager!r}", hint="There are cgroupfs and systemd")
    return "--systemd-cgroup" in options or manager == "systemd"


def _verb(verb: str) -> Callable[[list[str], str | None], int]:
    """The function that carries out *verb*. Raises Error for one there is not."""
    if verb == "monitor-start":
        from ..container.start import run as monitor_start

        return monitor_start
    if verb == "monitor-server":
        from ..container.forkserver import run as monitor_server

        return monitor_server
    if verb == "unit-start":
        from ..container.unitstart import run as unit_start

        return unit_start
    if verb == "unit-attend":
        from ..container.unitstart import attend

        return attend
    if verb in ("unit-stop", "unit-ended"):
        from ..container import unitended

        return unitended.stop if verb == "unit-stop" else unitended.ended
    if verb == "network-release":
        from ..container.networking import run as network_release

        return network_release
    if verb in ("other-run", "other-delete"):
        from ..container.runtimes import run as other_runtime

        return other_runtime
    if verb == "health-run":
        from ..container.healthrun import run as health_run

        return health_run
    if verb not in _MODULES:
        raise Error(f"there is no verb {verb!r}", hint="'aoci help' lists them")
    package = __name__.rpartition(".")[0]
    module = __import__(f"{package}.{_MODULES[verb]}", fromlist=["run"])
    run: Callable[[list[str], str | None], int] = module.run
    return run


def _global_options(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options before the verb (value "" for a flag), and what follows. Raises Error."""
    options: dict[str, str] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] not in ("--version", "-v", "--help", "-h"):
        name, equals, value = rest.pop(0).partition("=")
        if name in _FLAGS:
            if value != "false":
                options[name] = ""
        elif name in _VALUED:
            if not equals and not rest:
                raise Error(f"{name} needs a value")
            options[name] = value if equals else rest.pop(0)
        else:
            raise Error(f"there is no option {name}", hint="'aoci help' lists them")
    if options.get("--log-format", "text") not in ("text", "json"):
        raise Error(f"--log-format takes text or json, not {options['--log-format']!r}")
    return options, rest


def _protect(argv: list[str]) -> None:
    """Start over from a read-only executable, unless that has been done."""
    from ..kernel import selfexe

    if not selfexe.is_protected():
        entry = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "entry.py")
        selfexe.exec_protected(["-I", "-S", entry, *argv], dict(os.environ))
