# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import foreign, options, spellings
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError


def folded(**given):
    """What changes of the parameters, less what has been used up."""
    found, _said = spellings.folded(given)
    again, _said = spellings.folded(found)
    assert again == found, "folding what is folded changes something"
    del found["pull"]
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"state": "created"}, {"state": "present"}),
        ({"arch": "arm64"}, {"platform": "linux/arm64"}),
        ({"os": "linux", "arch": "arm", "variant": "v7"}, {"platform": "linux/arm/v7"}),
        ({"ignore_image": True}, {"comparisons": {"image": "ignore"}}),
        ({"image_strict": True}, {"image_name_mismatch": "recreate"}),
        ({"tmpfs": {"/run": "size=1m", "/x": ""}}, {"tmpfs": ["/run:size=1m", "/x"]}),
        ({"tmpfs": "/run"}, {"tmpfs": ["/run"]}),
        ({"no_healthcheck": True}, {"healthcheck": {"test": ["NONE"]}}),
        ({"restart_policy": "on-failure:3"}, {"restart_policy": "on-failure", "restart_retries": 3}),
        ({"restart_policy": "always"}, {"restart_policy": "always", "restart_retries": 0}),
        ({"cleanup": True, "detach": False}, {"auto_remove": True, "detach": False}),
        ({"cleanup": True}, {"cleanup": True}),
        ({"delete_volumes": True, "keep_volumes": True}, {"keep_volumes": False}),
        (
            {"ip": "10.0.0.2"},
            {"networks": [{"name": "bridge", "aliases": [], "ipv4_address": "10.0.0.2", "ipv6_address": None}]},
        ),
        (
            {"network_mode": ["a", "b"], "network_aliases": ["x"], "ip6": "fd00::2"},
            {
                "network_mode": ["a", "b"],
                "networks": [
                    {"name": "a", "aliases": ["x"], "ipv4_address": None, "ipv6_address": "fd00::2"},
                    {"name": "b", "aliases": ["x"]},
                ],
            },
        ),
        (
            {"networks": [{"name": "a", "aliases": ["y"]}], "network_aliases": ["x"]},
            {"networks": [{"name": "a", "aliases": ["y", "x"], "ipv4_address": None, "ipv6_address": None}]},
        ),
        (
            {"network_mode": ["a:ip=10.0.0.2,mac=02:00:00:00:00:01,alias=x,alias=y"]},
            {
                "network_mode": ["a"],
                "networks": [
                    {
                        "name": "a",
                        "ipv4_address": "10.0.0.2",
                        "mac_address": "02:00:00:00:00:01",
                        "aliases": ["x", "y"],
                    }
                ],
            },
        ),
        ({"network_mode": "container:x"}, {"network_mode": "container:x"}),
        ({"network_mode": "ns:/run/netns/x=y"}, {"network_mode": "ns:/run/netns/x=y"}),
        ({"published_ports": ["all"]}, {"publish_all_ports": True}),
        (
            {
                "published_ports": ["80", "8080:80", "1.2.3.4:81:81", "[::2]:82:82", "9000-9001:90-91"],
                "default_host_ip": "127.0.0.1",
            },
            {
                "published_ports": [
                    "127.0.0.1::80",
                    "127.0.0.1:8080:80",
                    "1.2.3.4:81:81",
                    "[::2]:82:82",
                    "127.0.0.1:9000-9001:90-91",
                ]
            },
        ),
        ({"published_ports": ["80"], "default_host_ip": "fd00::1"}, {"published_ports": ["[fd00::1]::80"]}),
        (
            {"timezone": "Europe/Berlin"},
            {
                "mounts": [
                    {
                        "target": "/etc/localtime",
                        "type": "bind",
                        "read_only": True,
                        "source": "/usr/share/zoneinfo/Europe/Berlin",
                    }
                ]
            },
        ),
        (
            {"read_only": True, "read_only_tmpfs": True, "tmpfs": ["/run:size=1m"]},
            {"read_only": True, "tmpfs": ["/run:size=1m", "/tmp", "/var/tmp"]},
        ),
        (
            {"read_only": True, "read_only_tmpfs": True, "volumes": ["/x:/tmp"], "tmpfs": {"/run": ""}},
            {"read_only": True, "volumes": ["/x:/tmp"], "tmpfs": ["/run", "/var/tmp"]},
        ),
    ],
)
def test_what_else_it_is_called(given, result):
    assert folded(**given) == result


@pytest.mark.parametrize(
    ("given", "pull"), [(None, "missing"), (True, "always"), (False, "missing"), ("newer", "newer"), ("yes", "always")]
)
def test_when_to_pull(given, pull):
    assert spellings.folded({"pull": given})[0]["pull"] == pull


def test_files_with_variables_and_labels(tmp_path):
    one, two = tmp_path / "one.env", tmp_path / "two.env"
    one.write_text("# a comment\n\nA=1\nB='quoted' # not a comment\n C=with=equals\n", encoding="utf-8")
    two.write_text("A=2\nD=\n", encoding="utf-8")
    found, _said = spellings.folded({"env_file": [str(one), str(two)], "env": {"D": "own"}, "label_file": [str(two)]})
    assert found["env"] == {"A": "2", "B": "'quoted' # not a comment", "C": "with=equals", "D": "own"}
    assert found["labels"] == {"A": "2", "D": ""}


@pytest.mark.parametrize(
    ("given", "option", "reason"),
    [
        ({"pull": "sometimes"}, "pull", "'sometimes' is not one of always"),
        ({"os": "linux"}, "os", "arch is needed with it"),
        ({"arch": "arm64", "platform": "linux/amd64"}, "platform", "is given twice, in arch too"),
        ({"ignore_image": True, "comparisons": {"image": "strict"}}, "ignore_image", "comparisons says something else"),
        ({"image_strict": True, "image_name_mismatch": "ignore"}, "image_strict", "says something else"),
        ({"no_healthcheck": True, "healthcheck": {"test": "x"}}, "no_healthcheck", "healthcheck is given, too"),
        ({"restart_policy": "always:3"}, "restart_policy", "'always:3' is not a policy"),
        ({"restart_policy": "on-failure:x"}, "restart_policy", "is not a policy"),
        ({"restart_policy": "on-failure:3", "restart_retries": 4}, "restart_policy", "restart_retries is another"),
        ({"cleanup": True, "detach": False, "auto_remove": False}, "cleanup", "auto_remove is false"),
        ({"tmpfs": 5}, "tmpfs", "must be a list, or a dictionary"),
        ({"ip": "10.0.0.2", "network_mode": "host"}, "ip", "no network of its own"),
        ({"network_aliases": ["x"], "network_mode": "container:y"}, "network_aliases", "no network of its own"),
        ({"ip": "10.0.0.2", "networks": [{"name": "a", "ipv4_address": "10.0.0.3"}]}, "ip", "another address"),
        ({"network_mode": "a:mtu=1400"}, "network_mode", "'mtu=1400' is not supported"),
        ({"default_host_ip": "here", "published_ports": ["80"]}, "default_host_ip", "is not an IP address"),
        ({"timezone": "/etc/shadow"}, "timezone", "is not the name of a time zone"),
        ({"timezone": "../../../etc/shadow"}, "timezone", "is not the name of a time zone"),
        ({"env_file": ["/nosuch.env"]}, "env_file", "cannot read /nosuch.env: No such file or directory"),
    ],
)
def test_what_cannot_be_meant(given, option, reason):
    with pytest.raises(ContainerError) as caught:
        spellings.folded(given)
    assert str(caught.value).startswith(f"{option}: ")
    assert reason in str(caught.value)


def test_what_is_to_go_needs_no_files():
    assert spellings.folded({"state": "absent", "env_file": ["/nosuch.env"]})[0].get("env") is None


def test_a_line_that_is_no_variable(tmp_path):
    file = tmp_path / "bad.env"
    file.write_text("A=1\nexport\n", encoding="utf-8")
    with pytest.raises(ContainerError, match=r"env_file: .*bad.env: line 2 is not NAME=VALUE"):
        spellings.folded({"env_file": [str(file)]})


def test_what_yaml_may_have_spelled_anew_is_warned_of():
    _found, said = spellings.folded({"env": {"A": True, "B": "x", "C": 1.10, "D": 5}, "command": ["sleep", 0.5]})
    assert said == [
        "env: the value of A is not a string and is taken as True; put it in quotes",
        "env: the value of C is not a string and is taken as 1.1; put it in quotes",
        "command: 0.5 is not a string; put it in quotes",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"kernel_memory": "64m"},
            "kernel_memory has no effect: linux no longer limits that apart; memory counts it, too",
        ),
        (
            {"systemd": "always"},
            "systemd has no effect: a systemd in the container needs tmpfs on /run, /run/lock and /tmp,"
            " and stop_signal: SIGRTMIN+3",
        ),
        ({"networks_cli_compatible": True}, ""),
        (
            {"networks_cli_compatible": False},
            "networks_cli_compatible has no effect: a container is connected to the"
            " networks that are named and to no other",
        ),
        ({"executable": "podman", "debug": True, "output_logs": True}, ""),
        ({"docker_host": "unix:///var/run/docker.sock"}, ""),
        ({"generate_systemd": {}}, ""),
    ],
)
def test_options_that_mean_nothing_here(given, said):
    assert foreign.check(given) == ([said] if said else [])


@pytest.mark.parametrize(
    "given",
    [
        {"docker_host": "tcp://other:2375"}, {"pod": "web"}, {"links": ["db:db"]}, {"device_requests": [{"count": -1}]},
        {"rootfs": True}, {"cmd_args": ["--x"]}, {"uidmap": ["0:1:2"]}, {"gpus": "all"}, {"volume_driver": "nfs"},
    ],
)  # fmt: skip
def test_options_that_would_make_another_container_are_refused(given):
    with pytest.raises(ContainerError) as caught:
        foreign.check(given)
    (name,) = given
    assert str(caught.value).startswith(f"{name} is not supported")
    assert caught.value.hint.endswith(".")


def test_every_option_of_others_is_one_of_the_three():
    others = set(options.argument_spec()) - set(options.TABLE) - set(foreign.TABLE)
    assert not set(foreign.TABLE) & set(options.TABLE)
    assert others == {*options.TASK, *options.SHARED}
    assert {row.verdict for row in foreign.TABLE.values()} == {foreign.SILENT, foreign.WARNED, foreign.REFUSED}
    assert all(row.why.endswith(".") for row in foreign.TABLE.values())
