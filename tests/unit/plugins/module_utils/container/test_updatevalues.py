# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option update, and what cannot run beside its successor."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import update, updatevalues
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.container.updatevalues import Wishes


@pytest.mark.parametrize(
    ("value", "wishes"),
    [
        (None, Wishes("stop-first", 0.0, "rollback")),
        ({}, Wishes("stop-first", 0.0, "rollback")),
        ({"order": "start-first", "wait_healthy": "1m30s"}, Wishes("start-first", 90.0, "rollback")),
        ({"wait_healthy": "500ms", "on_failure": "continue"}, Wishes("stop-first", 0.5, "continue")),
        ({"wait_healthy": "5", "on_failure": None}, Wishes("stop-first", 5.0, "rollback")),
    ],
)
def test_values(value, wishes):
    assert updatevalues.wishes(value) == wishes


@pytest.mark.parametrize("value", ["soon", "-1s", "5 s", ""])
def test_wrong_durations(value):
    if not value:
        assert updatevalues.wishes({"wait_healthy": value}).seconds == 0
        return
    with pytest.raises(ContainerError, match="update: wait_healthy"):
        updatevalues.wishes({"wait_healthy": value})


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        ({}, {}, ""),
        ({"published_ports": [":80:80/tcp"]}, {"published_ports": [":80:81/tcp"]}, "port 80/tcp"),
        ({"published_ports": ["127.0.0.1:80:80/tcp"]}, {"published_ports": [":80:80/tcp"]}, "port 80/tcp"),
        ({"published_ports": [":80:80/tcp"]}, {"published_ports": [":81:80/tcp"]}, ""),
        ({"published_ports": ["::80/tcp"]}, {"published_ports": ["::80/tcp"]}, ""),
        (
            {"networks": [{"name": "n", "ipv4_address": "10.0.0.2"}]},
            {"networks": [{"name": "n", "ipv4_address": "10.0.0.2"}]},
            "n: 10.0.0.2",
        ),
        ({"networks": [{"name": "n"}]}, {"networks": [{"name": "n"}]}, ""),
        (
            {"networks": [{"name": "n"}], "mac_address": "02:00:00:00:00:01"},
            {"networks": [{"name": "n"}], "mac_address": "02:00:00:00:00:01"},
            "02:00:00:00:00:01",
        ),
        ({"network_mode": "host"}, {"network_mode": "host"}, ""),
    ],
)
def test_what_both_want_is_refused(old, new, both):
    if both:
        with pytest.raises(ContainerError, match=both):
            update.check_side_by_side({"options": old}, {"options": new}, ports_move=False)
    else:
        update.check_side_by_side({"options": old}, {"options": new}, ports_move=False)


def test_ports_that_can_be_handed_over_are_not_in_the_way():
    spec = {"options": {"published_ports": [":80:80/tcp"], "networks": [{"name": "n", "ipv4_address": "10.0.0.2"}]}}
    with pytest.raises(ContainerError, match=r"n: 10\.0\.0\.2"):
        update.check_side_by_side(spec, spec, ports_move=True)
    del spec["options"]["networks"]
    update.check_side_by_side(spec, spec, ports_move=True)
