# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in a result that is kept on the host: out of it, just as Ansible takes them out."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.agentless.oci.plugins.module_utils.cli.censor import censored


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("hunter2", "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"),
        ("it is hunter2 of 4711", "it is ******** of ********"),
        ({"a": ["x", {"b": "hunter2"}]}, {"a": ["x", {"b": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}]}),
        ({"hunter2": 1}, {"hunter2": 1}),
        (4711, "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"),
        (147110, "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"),
        (47.5, 47.5),
        (True, True),
        (None, None),
        ([1, "two"], [1, "two"]),
    ],
)
def test_as_ansible_does_it(value, left):
    secrets = ["hunter2", "4711", "True"]
    assert censored(value, secrets) == left
    assert remove_values(value, secrets) == left
    assert censored(value, []) == value


def test_a_secret_within_another_leaves_nothing_of_it():
    assert censored("it is hunter2-more", ["hunter2", "hunter2-more"]) == "it is ********"
