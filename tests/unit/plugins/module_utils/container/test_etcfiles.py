# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import etcfiles

REST = "search example.com\noptions edns0 trust-ad\n"
HOST = "nameserver 127.0.0.53\n" + REST


@pytest.mark.parametrize(
    ("options", "host", "stub", "kind", "text"),
    [
        ({}, HOST, "", "none", ""),
        ({}, "nameserver 192.0.2.1\n", "", "networks", "nameserver 192.0.2.1\n"),
        ({}, HOST, "nameserver 192.0.2.2\n", "networks", "nameserver 192.0.2.2\n" + REST),
        ({"dns_servers": ["192.0.2.3"]}, HOST, "", "networks", "nameserver 192.0.2.3\n" + REST),
        (
            {"dns_servers": ["192.0.2.3"], "dns_search_domains": ["."], "dns_opts": ["a"]},
            HOST,
            "",
            "networks",
            "nameserver 192.0.2.3\noptions a\n",
        ),
        ({"dns_opts": ["a"]}, "nameserver 127.0.0.1\n", "", "host", "nameserver 127.0.0.1\noptions a\n"),
    ],
)
def test_resolv_conf(options, host, stub, kind, text):
    assert etcfiles.resolv_conf(options, host, stub, kind) == text


def test_extra_hosts():
    options = {"etc_hosts": {"a": "192.0.2.1", "gate": "host-gateway"}}
    assert etcfiles.extra_hosts(options, "10.90.0.1") == "192.0.2.1\ta\n10.90.0.1\tgate\n"
    assert etcfiles.extra_hosts(options, "") == "192.0.2.1\ta\n"
