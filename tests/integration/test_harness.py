# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' own tools: were they blind, every test that leans on them would pass for nothing."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import leftovers
import pytest


def _status(url, *, auth="", ca=None):
    request = urllib.request.Request(url)
    if auth:
        request.add_header("Authorization", "Basic " + base64.b64encode(auth.encode()).decode())
    context = ssl.create_default_context(cafile=ca) if ca else None
    try:
        return urllib.request.urlopen(request, context=context, timeout=120).status
    except urllib.error.HTTPError as error:
        return error.code


def test_registry_asks_for_the_password(make_registry):
    registry = make_registry(auth="me:secret")
    assert _status(registry.url + "/v2/") == 401
    assert _status(registry.url + "/v2/", auth="me:wrong") == 401
    assert _status(registry.url + "/v2/", auth="me:secret") == 200


def test_registry_speaks_tls_under_its_own_ca(make_registry):
    registry = make_registry(tls=True)
    assert _status(registry.url + "/v2/", ca=registry.ca) == 200
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        _status(registry.url + "/v2/")


def test_sweep_sees_and_ends_processes_mounts_and_cgroups(tmp_path):
    state = tmp_path / "state"
    identifier = "ab" * 32
    (state / "containers" / f".{identifier}").mkdir(parents=True)
    (state / "mnt").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(state / "mnt")], check=True)
    groups = [path for path in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if os.path.exists(path + "/cgroup.procs")]
    group = os.path.join(groups[0], "agentless-oci", f"x-{identifier[:12]}")
    os.makedirs(group)
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={"AGENTLESS_OCI_ROOT": str(state)}
    )
    bystander = subprocess.Popen(["sleep", "600"], env={"X": str(state) + "-other"})
    time.sleep(0.1)
    try:
        kinds = [line.split(" ")[0] for line in leftovers.find(str(state))]
        assert sorted(kinds) == ["cgroup", "mount", "process"]
        leftovers.sweep(str(state))
        assert process.wait(120) == -9
        assert bystander.poll() is None
        assert not os.path.exists(group)
        assert not state.exists()
        assert list(leftovers.find(str(state))) == []
    finally:
        leftovers.sweep(str(state))
        process.kill()
        bystander.kill()
        bystander.wait()
