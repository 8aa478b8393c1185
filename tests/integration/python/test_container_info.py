# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at containers and at the host: oci_container_info's and oci_host_info's work."""

from __future__ import annotations

import os

from ansible_collections.agentless.oci.plugins.module_utils.cli import host_info
from ansible_collections.agentless.oci.plugins.module_utils.container import info
from conftest import WAIT


def test_containers_and_host(host, tmp_path):
    def names(**given):
        params = {"name": None, "status": None, "label": None, "root": host.root, **given}
        return [found["Name"] for found in info.containers(params)]

    nowhere = str(tmp_path / "none/there")
    assert names(root=nowhere) == []
    assert host_info.host({"root": nowhere})["containers"] == 0
    assert not os.path.exists(nowhere)
    made = host.run(name="shop-web", command=WAIT, env={"SECRET": "hunter2"}, labels={"tier": "web", "x": ""})
    host.run(name="shop-db", labels={"tier": "db"}, state="present")
    host.run(name="job", command=["true"], detach=False)
    assert names() == ["job", "shop-db", "shop-web"]
    assert names(name=["shop-*", "none"]) == ["shop-db", "shop-web"]
    assert names(name=[made["container"]["Id"][:9], "job"]) == ["job", "shop-web"]
    assert names(status=["running"]) == ["shop-web"]
    assert names(status=["created", "exited"]) == ["job", "shop-db"]
    assert names(label=["tier"]) == ["shop-db", "shop-web"]
    assert names(label=["tier=web", "x"]) == ["shop-web"]
    (found,) = info.containers({"name": ["shop-web"], "status": None, "label": None, "root": host.root})
    assert found == made["container"]
    assert "hunter2" not in str(found)
    seen = host_info.host({"root": host.root})
    assert (seen["images"], seen["containers"], seen["statuses"]) == (1, 3, {"created": 1, "exited": 1, "running": 1})
    assert (seen["kernel"], seen["root"]) == (os.uname().release, host.root)
    assert {"memory", "cpu"} <= set(seen["cgroup"]["controllers"])
    assert seen["features"]["ociVersionMax"].startswith("1.3")
    assert seen["size"] > seen["free"] > 0
