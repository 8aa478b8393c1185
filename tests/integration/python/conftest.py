# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of containers.

host   a Host with a small image in a state directory of its own; afterwards nothing of a container may be left.
       AGENTLESS_OCI_TEST_RUNTIME in the environment names another runtime for all its containers
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import busybox_rootfs
import leftovers
import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.container import module, options, subids
from ansible_collections.agentless.oci.plugins.module_utils.image import ensure
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from waiting import until

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # for what test files share

IMAGE = "localhost/tests/busybox:1"
_USELESS = {}  # another runtime → why it cannot be used on this machine, "" where it can
CONFIG = {"command": ["sleep", "1000"], "env": {"PATH": "/bin", "FROM_IMAGE": "yes"}}
# The first id, here, of the first container with a user namespace of its own.
_FILES = [Path("/etc/subuid"), Path("/etc/subgid")]
FIRST = subids.choose([], subids.pool(*(path.read_text("utf-8") if path.exists() else "" for path in _FILES)))
# Ends at once when asked to, unlike a plain sleep as process 1.
WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


class Host:
    """What a task sees: runs oci_container's work in this process, on a state directory of its own."""

    # Of the containers whose task does not say: few tests are about networks, and this machine's own is none of theirs.
    network_mode = "none"

    def __init__(self, root: str, rootfs: str) -> None:
        self.root = root
        self.rootfs = rootfs
        self.state = StateDir(root)
        self.given = {}  # options that every task gives
        if os.environ.get("AGENTLESS_OCI_TEST_RUNTIME"):
            self.given["runtime"] = os.environ["AGENTLESS_OCI_TEST_RUNTIME"]
        self.image()

    def image(self, name=IMAGE, **config):
        """Import the small root file system under *name*."""
        store = Store(self.state)
        source = {"rootfs": self.rootfs, "config": {**CONFIG, **config}}
        return ensure.apply(ensure.plan(ensure.ImageRequest(name, source=source), store), store)

    def parameters(self, **given):
        known = {name: entry.get("default") for name, entry in options.argument_spec().items()}
        made = {**known, "name": "web", "root": self.root, **self.given, **given}
        if made["image"] and not made["network_mode"]:
            made["network_mode"] = self.network_mode
        return made

    def task(self, *, check=False, **given):
        """The result of one task; Error when it fails."""
        result = module.Task(self.parameters(**given), entry.__file__, check_mode=check).run()
        assert result["changed"] is bool(result["actions"])
        return result

    def run(self, *, check=False, **given):
        """The same with the small image."""
        return self.task(check=check, **{"image": IMAGE, **given})

    def enter(self, *command):
        """*command* as it runs on the host."""
        return list(command)

    def output(self, *command, **given):
        """What a container prints that runs *command* to its end and is removed."""
        result = self.run(name="once", command=list(command), detach=False, auto_remove=True, **given)
        assert result["rc"] == 0, result["stderr"]
        return result["stdout"]

    def shell(self, script, **given):
        return self.output("sh", "-c", script, **given)

    def aoci(self, *arguments, check=True):
        argv = [sys.executable, "-I", "-S", entry.__file__, "--root", self.root, *arguments]
        return subprocess.run(argv, check=check, capture_output=True, text=True, timeout=120)

    def status(self, name="web"):
        return self.task(name=name, state="present", check=True)["container"]["State"]

    def until(self, condition):
        """Wait until *condition* holds; fail when it never does."""
        until(condition, lambda: subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=False).stdout)

    def ended(self, name="web"):
        self.until(lambda: self.status(name)["Status"] == "exited" and not self.status(name)["MonitorPid"])

    def log(self, name="web"):
        """The current file of the log; the monitor begins it a moment after the container."""
        try:
            with open(os.path.join(self.root, "containers", name, "log/container.log"), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def kill(self, pid, number=9):
        """Kill by hand, and see it gone."""
        os.kill(pid, number)
        self.until(lambda: not alive(pid))

    def clean(self):
        """Whether nothing of any container is left; what is."""
        found = list(leftovers.find(self.root))
        for directory in ("containers", "images/pins", "run/runtime"):
            path = os.path.join(self.root, directory)
            found += [os.path.join(path, name) for name in _visible(path)]
        # Volumes may stay, but no half of one; and secrets go with the last container that has any.
        volumes = self.state.volumes
        found += [name for name in (os.listdir(volumes) if os.path.isdir(volumes) else ()) if name.startswith(".")]
        found += [path for path in (os.path.join(self.root, "run/secrets"),) if os.path.exists(path)]
        locks = os.path.join(self.root, "run/locks")
        found += [name for name in (os.listdir(locks) if os.path.isdir(locks) else ()) if name.startswith("container-")]
        return found


def _visible(path):
    """What is in a directory; containers come and go there, what has a hidden name may stay (compiled filters)."""
    hidden = (".seccomp",) if path.endswith("run/runtime") else ()
    return [name for name in os.listdir(path) if name not in hidden] if os.path.isdir(path) else []


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):  # gone, or gone between open and read
        return False


@pytest.fixture
def proxy(registry):
    """Stands before the registry, counts what is asked, and misbehaves as it is told."""
    from faulty_proxy import FaultyProxy

    with FaultyProxy(registry.address) as running:
        yield running


@pytest.fixture
def raw(registry):
    """The registry, spoken to without any of the code that is tested."""
    from image_sources import Raw

    return Raw(registry.address)


@pytest.fixture
def nobody_is_logged_in(monkeypatch, tmp_path):
    """No login and no proxy of the tester's own."""
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "no-such-auth.json"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def tokens(tmp_path):
    """A token server, by which the tests' user may do what he likes with team/app."""
    from registry_logins import PASSWORD, USER
    from token_server import TokenServer

    server = TokenServer(str(tmp_path / "tokens"))
    server.users[USER] = PASSWORD
    server.rights[USER, "team/app"] = "pull,push"
    yield server
    server.close()


@pytest.fixture
def guarded(tokens, make_registry):
    """A registry that wants tokens, with an image team/app:1 in it; a proxy stands before it."""
    import random

    from faulty_proxy import FaultyProxy
    from image_sources import Raw
    from oci_layout import member
    from registry_logins import USER

    registry = make_registry(token=tokens.registry_options())
    with FaultyProxy(registry.address) as running:
        token = tokens.token(USER, ["repository:team/app:pull,push"])
        layer = [member("file", content=random.Random(5).randbytes(3_000_000))]
        Raw(registry.address, {"Authorization": f"Bearer {token}"}).image("team/app", [layer], "1")
        yield running


@pytest.fixture
def images(state_dir, tmp_path):
    """A store whose images are made here."""
    from image_store import Images

    return Images(state_dir, tmp_path)


@pytest.fixture(scope="session")
def rootfs(session_dir):
    """What images are made of: no directories in it that tests of the runtime have mounted something on."""
    path = os.path.join(session_dir, "image-rootfs")
    busybox_rootfs.build(path)
    return path


@pytest.fixture
def host(state_dir, rootfs):
    made = Host(state_dir, rootfs)
    yield made
    for name in (
        [name for name in os.listdir(made.state.containers) if not name.startswith(".")]
        if os.path.isdir(made.state.containers)
        else ()
    ):
        made.task(name=name, state="absent", force_kill=True)
    assert made.clean() == []


@pytest.fixture
def usable_runtime(request):
    """A function that gives back the name of another runtime, or skips the test with the reason why it is of no use.

    It is tried once in a run, on the test's own host: another one of the same state directory would end its containers.
    """
    host = request.getfixturevalue("net" if "net" in request.fixturenames else "host")

    def check(name):
        if not shutil.which(name):
            pytest.skip(f"needs {name}")
        if name not in _USELESS:
            _USELESS[name] = ""
            try:
                host.shell("true", runtime=name, network_mode="none")
            except Error as error:
                if "hybrid" not in str(error):
                    raise
                _USELESS[name] = str(error)
        if _USELESS[name]:
            pytest.skip(_USELESS[name])
        return name

    return check


@pytest.fixture
def net(state_dir, rootfs):
    """A host with a network of its own: see nethost.py."""
    import nethost

    reason = nethost.missing()
    if reason:
        pytest.skip(reason)
    made = nethost.NetHost(state_dir, rootfs)
    try:
        yield made
        known = os.listdir(made.state.containers) if os.path.isdir(made.state.containers) else ()
        for name in sorted(name for name in known if not name.startswith(".")):
            made.task(name=name, state="absent", force_kill=True)
        assert made.clean() == []
    finally:
        leftovers.sweep(state_dir)
        made.end()
