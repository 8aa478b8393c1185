# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import spec

IMAGE = {"Entrypoint": ["/entry"], "Cmd": ["serve"], "Env": ["A=1", "B=x=y"], "Labels": {"l": "image", "m": "image"}}


@pytest.mark.parametrize(
    ("options", "image", "args"),
    [
        ({}, IMAGE, ["/entry", "serve"]),
        ({"command": ["work"]}, IMAGE, ["/entry", "work"]),
        ({"entrypoint": ["sh"]}, IMAGE, ["sh"]),
        ({"entrypoint": ["sh"], "command": ["-c", "x"]}, IMAGE, ["sh", "-c", "x"]),
        ({"entrypoint": [], "command": ["ls"]}, IMAGE, ["ls"]),
        ({"entrypoint": []}, IMAGE, []),
        ({}, {"Cmd": ["sh"]}, ["sh"]),
        ({}, {"Entrypoint": None, "Cmd": None}, []),
    ],
)
def test_the_command_line(options, image, args):
    assert spec.process_args(options, image) == args


def test_environment_and_labels_lie_on_top_of_the_images():
    assert spec.environment({"env": {"A": "2", "C": ""}}, IMAGE) == {"A": "2", "B": "x=y", "C": ""}
    assert spec.environment({"unsetenv": ["A"], "env": {"C": "1"}}, IMAGE) == {"B": "x=y", "C": "1"}
    assert spec.environment({"unsetenv_all": True, "env": {"C": "1"}}, IMAGE) == {"C": "1"}
    assert spec.labels({"labels": {"l": "own"}}, IMAGE) == {"l": "own", "m": "image"}


@pytest.mark.parametrize(
    ("options", "image", "signal"),
    [({"stop_signal": "SIGINT"}, {"StopSignal": "SIGQUIT"}, "SIGINT"), ({}, {"StopSignal": "SIGQUIT"}, "SIGQUIT")],
)
def test_the_stop_signal(options, image, signal):
    assert spec.stop_signal(options, image) == signal
    assert spec.stop_signal({}, {}) == "SIGTERM"


@pytest.mark.parametrize(
    ("declared", "recorded", "whole", "desired"),
    [
        ({"memory": 5}, {"memory": 3, "labels": {"a": "b"}}, True, {"memory": 5}),
        ({"memory": 5}, {"memory": 3, "labels": {"a": "b"}}, False, {"memory": 5, "labels": {"a": "b"}}),
        ({"memory": None}, {"memory": 3}, False, {}),
        ({"restart_policy": "no"}, {"restart_policy": "always"}, False, {}),
        ({}, {"memory": 3}, False, {"memory": 3}),
    ],
)
def test_a_task_with_an_image_describes_all_of_it_another_only_what_it_names(declared, recorded, whole, desired):
    assert spec.desired_options(declared, recorded, whole=whole) == desired
