# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import restart


@pytest.mark.parametrize(
    ("policy", "exit_code", "restarts", "retries", "stopped", "again"),
    [
        ("no", 0, 0, 0, False, False),
        ("no", 1, 0, 0, False, False),
        ("on-failure", 0, 0, 0, False, False),
        ("on-failure", 1, 0, 0, False, True),
        ("on-failure", 137, 99, 0, False, True),
        ("on-failure", 1, 2, 3, False, True),
        ("on-failure", 1, 3, 3, False, False),
        ("always", 0, 5, 0, False, True),
        ("always", 1, 5, 3, False, True),
        ("unless-stopped", 0, 0, 0, False, True),
        ("always", 0, 0, 0, True, False),
        ("unless-stopped", 1, 0, 0, True, False),
        ("on-failure", 1, 0, 0, True, False),
        ("", 1, 0, 0, False, False),
    ],
)
def test_should_restart(policy, exit_code, restarts, retries, stopped, again):
    assert restart.should_restart(policy, exit_code, restarts, retries, stopped) is again


def test_the_delay_doubles_up_to_a_minute():
    assert [restart.delay(count) for count in (0, 1, 2, 3)] == [0.1, 0.2, 0.4, 0.8]
    assert restart.delay(9) == pytest.approx(51.2)
    assert restart.delay(10) == restart.delay(10_000) == 60.0
