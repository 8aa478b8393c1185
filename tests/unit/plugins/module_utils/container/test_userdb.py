# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import userdb
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "app:x:1000:1001::/home/app:/bin/sh\n"
    "broken line\n"
    "1234:x:77:77::/odd:/bin/sh\n"
    "huge:x:4294967295:0::/:/bin/sh\n"
)
GROUP = "root:x:0:\napp:x:1001:\nextra:x:2000:root,app\nother:x:3000:bob\n"


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [
        ("", [], (0, 0, [2000], "/root")),
        ("root", [], (0, 0, [2000], "/root")),
        ("app", [], (1000, 1001, [2000], "/home/app")),
        ("1000", [], (1000, 1001, [2000], "/home/app")),
        ("app:other", [], (1000, 3000, [], "/home/app")),
        ("5000", [], (5000, 0, [], "/")),
        ("5000:6000", [], (5000, 6000, [], "/")),
        ("app:", [], (1000, 1001, [2000], "/home/app")),
        ("app", ["other", "4000", "app"], (1000, 1001, [2000, 3000, 4000], "/home/app")),
        ("1234", [], (77, 77, [], "/odd")),  # a name made of digits comes before a number, as with Docker
    ],
)
def test_resolve(user, groups, expected):
    assert userdb.resolve(user, groups, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    ("user", "groups", "reason"),
    [
        ("nobody", [], "the image has no user 'nobody'"),
        ("app:nogroup", [], "the image has no group 'nogroup'"),
        ("app", ["nogroup"], "the image has no group 'nogroup'"),
        ("4294967295", [], "is not the number of a user"),
        ("huge", [], "is not the number of a user"),
        ("0:4294967295", [], "is not the number of a group"),
        ("-1", [], "the image has no user"),
    ],
)
def test_what_the_image_does_not_know(user, groups, reason):
    with pytest.raises(ContainerError, match=reason):
        userdb.resolve(user, groups, PASSWD, GROUP)


def test_an_image_without_user_files():
    assert userdb.resolve("", [], "", "") == (0, 0, [], "/")
    assert userdb.resolve("7:8", [], "", "") == (7, 8, [], "/")
    with pytest.raises(ContainerError):
        userdb.resolve("root", [], "", "")
