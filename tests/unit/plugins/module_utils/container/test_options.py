# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import comparing, options
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError

G = 1 << 30
M = 1 << 20


@pytest.mark.parametrize(
    ("name", "value", "canonical"),
    [
        ("command", "sh -c 'echo  a'", ["sh", "-c", "echo  a"]),
        ("command", ["redis-server", "--port", 6379], ["redis-server", "--port", "6379"]),
        ("entrypoint", "", []),
        ("entrypoint", [], []),
        ("entrypoint", [""], []),
        ("entrypoint", '["sh", "-c"]', ["sh", "-c"]),
        ("entrypoint", "[ -e /x ]", ["[", "-e", "/x", "]"]),
        ("command", ["sleep", 0.5, True], ["sleep", "0.5", "True"]),
        ("env", {"DEBUG": True, "RATE": 1.5}, {"DEBUG": "True", "RATE": "1.5"}),
        ("annotations", {"a.b": "c"}, {"a.b": "c"}),
        ("unsetenv", ["B", "A"], ["A", "B"]),
        ("umask", "22", "0022"),
        ("pid_mode", "host", "host"),
        ("pid_mode", "container:Db", "container:Db"),
        ("ipc_mode", "shareable", "shareable"),
        ("ipc_mode", "", "shareable"),
        ("ipc_mode", "container:Db", "container:Db"),
        (
            "etc_hosts",
            ["db:10.0.0.1", "six=[fd00::1]", "gw:host-gateway"],
            {"db": "10.0.0.1", "six": "fd00::1", "gw": "host-gateway"},
        ),
        ("oom_killer", True, True),
        ("device_read_bps", [{"path": "/dev//sda", "rate": "1m"}], [{"path": "/dev/sda", "rate": M}]),
        (
            "device_write_bps",
            ["/dev/sdb:1mb", "8:0:512k"],
            [{"path": "/dev/sdb", "rate": M}, {"path": "8:0", "rate": 512 << 10}],
        ),
        ("device_read_iops", ["/dev/sda:100"], [{"path": "/dev/sda", "rate": 100}]),
        ("device_write_iops", [{"path": "/dev/sda", "rate": 0}], []),
        ("blkio_weight_device", {"/dev/sda": 200}, [{"path": "/dev/sda", "weight": 200}]),
        ("device_cgroup_rules", ["c 42:* rmw", "b 8:0 r"], ["b 8:0 r", "c 42:* rwm"]),
        (
            "cgroup_conf",
            {"memory.high": "64m", "memory.oom.group": True},
            {"memory.high": "64m", "memory.oom.group": "1"},
        ),
        ("cgroup_parent", "batch/", "/batch"),
        ("cgroup_parent", "a-b.slice", "/a.slice/a-b.slice"),
        ("log_driver", "local", "k8s-file"),
        ("restart_policy", "False", "no"),
        ("stop_signal", "rtmin+3", "SIGRTMIN+3"),
        ("security_opts", ["apparmor=unconfined", "label=disable"], []),
        ("security_opts", ["apparmor:docker-x", "label=type:svirt_t"], ["apparmor=docker-x", "label=type:svirt_t"]),
        (
            "security_opts",
            ["systempaths=unconfined", "mask=/proc/x:/sys/y"],
            ["mask=/proc/x", "mask=/sys/y", "unmask=ALL"],
        ),
        ("env", {"A": "x=y", "PORT": 6379, "EMPTY": ""}, {"A": "x=y", "PORT": "6379", "EMPTY": ""}),
        ("env", {"Secret": "Secret"}, {"Secret": "Secret"}),
        ("groups", ["b", "a", "b"], ["a", "b"]),
        ("working_dir", "/srv//app/./", "/srv/app"),
        ("memory", "100m", 100 * M),
        ("memory", "1.5g", G + G // 2),
        ("memory", "104857600", 100 * M),
        ("memory", "0", None),
        ("memory_swap", "-1", -1),
        ("memory_swap", "unlimited", -1),
        ("cpus", 0.5, 0.5),
        ("cpus", 0.0, None),
        ("cpuset_cpus", "3,0-1, 2", "0-3"),
        ("pids_limit", 0, -1),
        ("pids_limit", 100, 100),
        ("cpu_quota", -1, None),
        ("ulimits", ["nofile:10:20"], [{"name": "nofile", "soft": 10, "hard": 20}]),
        ("ulimits", ["nofile=10"], [{"name": "nofile", "soft": 10, "hard": 10}]),
        ("ulimits", ["core:0:-1"], [{"name": "core", "soft": 0, "hard": -1}]),
        ("devices", ["/dev/fuse"], [{"source": "/dev/fuse", "target": "/dev/fuse", "permissions": "rwm"}]),
        ("devices", ["/dev/sda:/dev/xvda:mr"], [{"source": "/dev/sda", "target": "/dev/xvda", "permissions": "rm"}]),
        ("devices", ["/dev/sda:r"], [{"source": "/dev/sda", "target": "/dev/sda", "permissions": "r"}]),
        ("capabilities", ["net_admin", "CAP_SYS_TIME"], ["CAP_NET_ADMIN", "CAP_SYS_TIME"]),
        ("cap_drop", ["all"], ["ALL"]),
        ("security_opts", ["no-new-privileges:true"], ["no-new-privileges"]),
        ("security_opts", ["no-new-privileges=false"], []),
        ("security_opts", ["seccomp:unconfined"], ["seccomp=unconfined"]),
        ("security_opts", ["seccomp=default", "seccomp=unconfined"], ["seccomp=unconfined"]),
        ("security_opts", ['seccomp={"b": "x=:", "a": 1}'], ['seccomp={"a":1,"b":"x=:"}']),
        ("runtime", "runc", "runc"),
        ("runtime", "/usr//sbin/runc", "/usr/sbin/runc"),
        ("runtime", "aoci", ""),
        ("stop_signal", "quit", "SIGQUIT"),
        ("stop_signal", "15", "SIGTERM"),
        ("log_options", {"max-size": "10m", "max_file": 3}, {"max-size": 10 * M, "max-file": 3}),
        ("log_options", {"max-size": -1}, {"max-size": 0}),
        ("log_options", {"tag": "{{.Name}}/x", "labels": "b,a, b"}, {"tag": "{{.Name}}/x", "labels": "a,b"}),
        ("sysctls", {"net.core.somaxconn": 512}, {"net.core.somaxconn": "512"}),
    ],
)
def test_canonical_values(name, value, canonical):
    assert options.normalise({name: value}) == {name: canonical}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("command", "sh -c 'open", "write it as a list"),
        ("command", ["a", None], "put it in quotes"),
        ("command", {"a": 1}, "a string or a list"),
        ("env", {"DEBUG": ["x"]}, "the value of DEBUG is not a string"),
        ("env", {"VERSION": {"a": 1}}, "put it in quotes"),
        ("env", {"X": None}, "the value of X"),
        ("env", {"A=B": "x"}, "is not a name"),
        ("env", {"A": "a\0b"}, "NUL"),
        ("hostname", "a b", "not a host name"),
        ("hostname", "x" * 65, "not a host name"),
        ("working_dir", "srv", "not an absolute path"),
        ("working_dir", "/srv/../etc", "'..'"),
        ("memory", "lots", "not a size"),
        ("memory", "-5m", "not a size"),
        ("memory_swappiness", 101, "0 to 100"),
        ("cpus", 0.001, "least is 0.01"),
        ("cpu_shares", 1, "from 2 to 262144"),
        ("cpu_period", 999, "from 1000"),
        ("cpu_quota", 10, "from 1000"),
        ("cpuset_cpus", "a-b", "numbers and ranges"),
        ("cpuset_cpus", "3-1", "numbers and ranges"),
        ("pids_limit", -2, "from 1"),
        ("blkio_weight", 5, "from 10 to 1000"),
        ("oom_score_adj", 2000, "from -1000 to 1000"),
        ("ulimits", ["nofiles:1"], "there is no limit 'nofiles'"),
        ("ulimits", ["nofile:many"], "in numbers"),
        ("ulimits", ["nofile:20:10"], "above the hard one"),
        ("ulimits", ["nofile:1", "nofile:2"], "given twice"),
        ("sysctls", {"kernel.core_pattern": "|/x"}, "belongs to the whole host"),
        ("sysctls", {"net.x": "1\nkernel.core_pattern=x"}, "not allowed"),
        ("sysctls", {"net.x+kernel.y": "1"}, "not the name of a kernel parameter"),
        ("devices", ["dev/fuse"], "not an absolute path"),
        ("devices", ["/dev/fuse:/dev/fuse:x"], "permissions out of"),
        ("capabilities", ["SYS_MAGIC"], "there is no capability"),
        ("security_opts", ["seccomp"], "not supported"),
        ("security_opts", ["label=level"], "is not one of label=disable"),
        ("security_opts", ["proc-opts=hidepid=2"], "not supported"),
        ("security_opts", ["mask=proc"], "not an absolute path"),
        ("security_opts", ["apparmor=a", "apparmor=b"], "apparmor is given twice"),
        ("security_opts", ["label=type:a", "label=type:b"], "label=type is given twice"),
        ("umask", "99", "octal mask"),
        ("pid_mode", "container:", "names no container"),
        ("uts", "other", "private and host are"),
        ("etc_hosts", ["db"], "a list of NAME:ADDRESS"),
        ("etc_hosts", ["a:10.0.0.1", "a:10.0.0.2"], "a is given twice"),
        ("device_read_bps", ["/dev/sda"], "does not tell a device and its rate"),
        ("device_read_bps", [{"path": "/dev/sda", "rate": "1m", "x": 1}], "does not tell a device"),
        ("device_read_bps", ["sda:1m"], "not an absolute path"),
        ("device_read_bps", ["/dev/sda:fast"], "not a size"),
        ("device_read_iops", ["/dev/sda:1m"], "not a whole number"),
        ("device_read_iops", ["/dev/sda:1", "/dev/sda:2"], "/dev/sda is given twice"),
        ("blkio_weight_device", {"/dev/sda": 5}, "from 10 to 1000"),
        ("blkio_weight_device", "x", "a dictionary from devices to weights"),
        ("device_cgroup_rules", ["c 42 rwm"], "TYPE MAJOR:MINOR ACCESS"),
        ("device_cgroup_rules", ["deny c 42:* rwm"], "rules only allow"),
        ("cgroup_conf", {"cgroup.freeze": "1"}, "is not the name of a control file"),
        ("cgroup_conf", {"memory.high": None}, "is not a string"),
        ("cgroup_parent", "/a/../b", "not the path of a cgroup"),
        ("cgroup_parent", "a--b.slice", "not the name of a slice"),
        ("log_driver", "syslog", "is not one of k8s-file"),
        ("restart_policy", "sometimes", "is not one of no, on-failure"),
        ("cpu_rt_period", 0, "from 1 to"),
        ("security_opts", ["seccomp=profile.json"], "neither unconfined nor an absolute path nor a JSON object"),
        ("security_opts", ["seccomp=/nosuch.json"], "cannot read the seccomp profile /nosuch.json: No such file"),
        ("security_opts", ["seccomp={"], "is not JSON"),
        ("security_opts", ["seccomp=unconfined", "seccomp={}"], "given twice"),
        ("runtime", "bin/runc", "neither the name of a program nor an absolute path"),
        ("runtime", "-x", "neither the name of a program nor an absolute path"),
        ("stop_signal", "SIGNIFICANT", "there is no signal"),
        ("stop_signal", "99", "there is no signal"),
        ("log_options", {"path": "x"}, "is not an absolute path"),
        ("log_options", {"tag": "{{.Nonsense}}"}, "has something else in braces"),
        ("log_options", {"max-file": 0}, "from 1 to 1000"),
    ],
)
def test_bad_values_name_the_option_and_the_reason(name, value, reason):
    with pytest.raises(ContainerError) as caught:
        options.normalise({name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert reason in str(caught.value)


def test_what_is_left_out_is_not_declared():
    assert options.normalise({"env": None, "unknown": 1, "privileged": False}) == {"privileged": False}


def test_defaults_mean_the_same_as_leaving_out():
    declared = options.normalise(
        {
            "network_mode": "bridge",
            "restart_policy": "no",
            "env": {},
            "shm_size": "64m",
            "memory": "0",
            "entrypoint": [],
        }
    )
    assert options.without_defaults(declared) == {"entrypoint": []}


@pytest.mark.parametrize(
    ("name", "desired", "recorded", "comparison", "same"),
    [
        ("env", {"A": "1"}, {"A": "1", "B": "2"}, "strict", False),
        ("env", {"A": "1"}, {"A": "1", "B": "2"}, "allow_more_present", True),
        ("env", {"A": "1"}, {"A": "2", "B": "2"}, "allow_more_present", False),
        ("env", {"A": "Secret"}, {"A": "sECRET"}, "strict", False),
        ("env", {"A": "1"}, {}, "ignore", True),
        ("env", None, {}, "strict", True),
        ("groups", ["a"], ["a", "b"], "allow_more_present", True),
        ("groups", ["c"], ["a", "b"], "allow_more_present", False),
        ("command", ["a", "b"], ["b", "a"], "strict", False),
        ("command", ["a", "c"], ["a", "b", "c"], "allow_more_present", True),
        ("command", ["c", "a"], ["a", "b", "c"], "allow_more_present", False),
        ("memory", None, 5, "strict", False),
        ("network_mode", None, "bridge", "strict", True),
        ("network_mode", None, "none", "strict", False),
    ],
)
def test_equal(name, desired, recorded, comparison, same):
    assert comparing.equal(name, desired, recorded, comparison) is same


def test_comparisons_take_names_aliases_and_a_wildcard():
    chosen = comparing.comparisons({"*": "ignore", "cap_add": "allow_more_present", "image": "strict"})
    assert (chosen["capabilities"], chosen["image"], chosen["env"]) == ("allow_more_present", "strict", "ignore")
    assert set(comparing.comparisons(None).values()) == {"strict"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"nosuch": "strict"}, "there is no option 'nosuch'"),
        ({"env": "maybe"}, "must be strict, ignore or allow_more_present"),
        ({"memory": "allow_more_present"}, "is a single value"),
        ({"image": "allow_more_present"}, "is a single value"),
        ({"*": "allow_more_present"}, "must be strict or ignore"),
    ],
)
def test_comparisons_that_make_no_sense(given, reason):
    with pytest.raises(ContainerError, match=reason):
        comparing.comparisons(given)


def test_every_name_and_alias_is_there_once():
    names = list(options.argument_spec())
    for entry in options.argument_spec().values():
        names += entry.get("aliases", [])
    assert len(names) == len(set(names))


def test_the_password_is_not_logged():
    assert options.argument_spec()["password"]["no_log"] is True
