# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task pays for: the parts of the core that it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import records

IMAGE = "localhost/tests/busybox:1"
WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']

# What a task needs only where something is to be done: the registry's client, the unpacker, starting, removing.
COSTLY = (
    *("image.pull", "image.registry", "image.transport", "image.unpack", "image.importer"),
    *("image.workers", "image.inflate", "container.launch", "container.start", "container.stop", "container.apply"),
    *("container.bundle", "container.seccomp", "runtime.lifecycle", "runtime.create", "runtime.libseccomp"),
)
IMPORTED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.container.module import Task
actions = Task(json.load(sys.stdin), entry.__file__).run()["actions"]
print(json.dumps([actions, [name[5:] for name in sys.modules if name.startswith("aoci.")], list(sys.modules)]))
"""


def imported(host, **given):
    """The task's actions, the modules of the core it has imported, and all."""
    core = os.path.dirname(os.path.dirname(os.path.abspath(records.__file__)))
    parameters = json.dumps(host.parameters(image=IMAGE, command=WAIT, **given))
    argv = host.enter(sys.executable, "-I", "-S", "-c", IMPORTED, core)
    return json.loads(subprocess.run(argv, input=parameters, check=True, capture_output=True, text=True).stdout)


def test_a_task_without_a_change_imports_nothing_that_it_does_not_need(host):
    actions, core, _all = imported(host)
    assert actions == ["created container web", "started"]
    assert "container.apply" in core  # so the names above are spelled right
    actions, core, everything = imported(host)
    assert actions == []
    assert set(core) & set(COSTLY) == set()
    assert set(everything) & {"requests", "http.client", "tarfile", "subprocess", "threading", "zlib"} == set()


def test_with_volumes_and_secrets_nothing_more_is_imported_that_is_costly(host):
    given = {"volumes": ["data:/data", "/anonymous"], "secrets": [{"name": "key", "content": "x"}]}
    assert imported(host, **given)[0] == ["created volume data", "created container web", "started"]
    actions, core, everything = imported(host, **given)
    assert actions == []
    assert set(core) & {*COSTLY, "runtime.copyup", "kernel.idmap", "kernel.removal"} == set()
    assert set(everything) & {"shutil", "socket", "base64", "subprocess", "tempfile"} == set()


def test_on_a_network_nothing_more_is_imported_than_what_looks_at_it(net):
    assert imported(net, published_ports=["8080:80"])[0] == ["created container web", "started"]
    actions, core, everything = imported(net, published_ports=["8080:80"])
    assert actions == []
    looking = {"network", "network.conflist", "network.errors", "network.look", "network.networks", "network.record"}
    assert {name for name in core if name.startswith("network")} == looking
    assert set(core) & {*COSTLY, "kernel.rtnetlink"} == set()
    assert set(everything) & {"socket", "ipaddress", "subprocess"} == set()


@pytest.mark.parametrize("mode", ["none", "host"])
def test_without_networks_nothing_of_the_network_layer_is_imported(host, mode):
    for expected in (["created container web", "started"], []):
        actions, core, _all = imported(host, network_mode=mode)
        assert actions == expected
        assert [name for name in core if name.startswith("network.") or name == "container.networking"] == []
    document = os.path.join(host.root, "containers/web/network.json")
    assert not os.path.exists(document)  # so the monitor, too, has nothing to give back
