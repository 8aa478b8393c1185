# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers as hosts: the inventory plugin, by way of ansible-inventory and ansible."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from conftest import WAIT

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BIN = os.path.dirname(sys.executable)


def test_containers_become_hosts(host, tmp_path):
    def call(program, *arguments, **given):
        path = tmp_path / "test.oci_containers.yml"
        path.write_text(json.dumps({"plugin": "agentless.oci.oci_containers", "root": host.root, **given}))
        argv = [os.path.join(BIN, program), "-i", str(path), *arguments]
        done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr

    def hosts(**given):
        return json.loads(call("ansible-inventory", "--list", **given))

    host.run(name="web", command=WAIT, env={"SECRET": "hunter2"}, labels={"tier": "front", "trap": "{{ 6 * 7 }}"})
    host.run(name="ended", command=["true"], detach=False)
    composed = {"groups": {"busy": "'busybox' in oci_image"}, "compose": {"shown": "oci_status ~ '!'"}}
    found = hosts(keyed_groups=[{"prefix": "tier", "key": "oci_labels.tier"}], **composed)
    assert sorted(found["_meta"]["hostvars"]) == found["busy"]["hosts"] == found["tier_front"]["hosts"] == ["web"]
    variables = found["_meta"]["hostvars"]["web"]
    assert "running!" in str(variables["shown"])  # in which it may be marked as unsafe
    assert "agentless.oci.oci" in str(variables["ansible_connection"])
    assert "hunter2" not in str(found)
    assert sorted(hosts(status=["exited", "running"])["_meta"]["hostvars"]) == ["ended", "web"]
    for none in ({"name": ["x*"]}, {"image": ["redis*"]}, {"label": ["tier=back"]}):
        assert hosts(**none)["_meta"]["hostvars"] == {}
    assert "6 * 7" in call("ansible", "all", "-m", "debug", "-a", "var=oci_labels.trap")
    assert "compose me" in call("ansible", "all", "-m", "raw", "-a", "echo compose me")
    assert "cannot list the containers: nothing-here" in call("ansible-inventory", "--list", become_exe="nothing-here")
