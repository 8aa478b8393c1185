# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every wrong or contradictory task is one message that names what is wrong, before the host is looked at."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import module, options
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError

BIND = {"target": "/x", "source": "/a", "type": "bind"}
TMPFS = {"target": "/x", "type": "tmpfs"}
NET = {"name": "front"}

# What is given besides name and image → words that the message must have.
WRONG = [
    # names
    ({"name": ""}, "'' cannot be the name"),
    ({"name": "../web"}, "'../web' cannot be the name"),
    ({"name": "a" * 129}, "cannot be the name"),
    ({"hostname": "web_1!"}, "hostname: 'web_1!'"),
    ({"hostname": "x" * 65}, "hostname:"),
    ({"domainname": ".example"}, "domainname:"),
    # the task
    ({"state": "absent", "restart": True}, "restart: true", "state: absent"),
    ({"state": "absent", "recreate": True}, "recreate: true", "state: absent"),
    ({"state": "stopped", "restart": True}, "restart: true", "state: stopped"),
    ({"state": "stopped", "detach": False}, "detach: false", "state: stopped"),
    ({"state": "present", "detach": False}, "detach: false", "state: present"),
    ({"state": "healthy", "detach": False}, "detach: false", "state: healthy"),
    ({"state": "stopped", "paused": True}, "paused: true", "state: stopped"),
    ({"state": "absent", "paused": True}, "paused: true", "state: absent"),
    ({"state": "healthy", "paused": True}, "paused: true", "state: healthy"),
    ({"paused": True, "detach": False}, "paused: true", "detach: false"),
    ({"state": "healthy", "no_healthcheck": True}, "state: healthy", "healthcheck: NONE"),
    ({"state": "healthy", "healthcheck": {"test": ["NONE"]}}, "state: healthy", "healthcheck: NONE"),
    ({"stop_time": -1.0}, "stop_time: -1"),
    ({"healthy_wait_timeout": -5.0}, "healthy_wait_timeout: -5"),
    ({"kill_signal": "SIGNOPE"}, "kill_signal: there is no signal 'SIGNOPE'"),
    ({"pull": "sometimes"}, "pull: 'sometimes'", "always, missing, never, newer"),
    ({"comparisons": {"nosuch": "strict"}}, "comparisons: there is no option 'nosuch'"),
    ({"comparisons": {"env": "maybe"}}, "comparisons: env must be"),
    ({"comparisons": {"memory": "allow_more_present"}}, "comparisons: memory is a single value"),
    ({"comparisons": {"*": "allow_more_present"}}, 'comparisons: "*" must be'),
    ({"update": {"wait_healthy": "soon"}}, "update: wait_healthy: 'soon'"),
    ({"ignore_image": True, "comparisons": {"image": "strict"}}, "ignore_image", "comparisons"),
    ({"image_strict": True, "image_name_mismatch": "ignore"}, "image_strict", "image_name_mismatch"),
    ({"arch": "arm64", "platform": "linux/amd64"}, "platform", "arch"),
    ({"variant": "v8"}, "variant", "arch is needed"),
    # the process
    ({"command": "sh -c 'open"}, "command:", "cannot be split into words"),
    ({"command": [{"a": 1}]}, "command:", "is not a string"),
    ({"entrypoint": {"a": 1}}, "entrypoint: must be a string or a list"),
    ({"env": {"A=B": "x"}}, "env: 'A=B' is not a name"),
    ({"env": {"A": None}}, "env: the value of A is not a string"),
    ({"env": {"A": "x\0y"}}, "env: a NUL byte"),
    ({"env_file": ["/nosuch/file.env"]}, "env_file: cannot read /nosuch/file.env"),
    ({"label_file": ["/nosuch/labels"]}, "label_file: cannot read /nosuch/labels"),
    ({"unsetenv": ["A"], "env": {"A": "1"}}, "unsetenv: A", "env"),
    ({"unsetenv": ["A"], "unsetenv_all": True}, "unsetenv", "unsetenv_all: true"),
    ({"working_dir": "srv"}, "working_dir: 'srv' is not an absolute path"),
    ({"working_dir": "/srv/../etc"}, "working_dir:", "'..'"),
    ({"umask": "888"}, "umask: '888'"),
    ({"labels": {"": "x"}}, "labels: '' is not a name"),
    ({"runtime": "bin/runc"}, "runtime: 'bin/runc'"),
    ({"stop_signal": "SIGNIFICANT"}, "stop_signal: there is no signal 'SIGNIFICANT'"),
    ({"stop_signal": "SIGRTMIN+99"}, "stop_signal: there is no signal"),
    ({"stop_timeout": -1}, "stop_timeout: -1 is not from 0"),
    # namespaces
    ({"pid_mode": "container:"}, "pid_mode: 'container:' names no container"),
    ({"pid_mode": "container:db", "init": True}, "init: true", "pid_mode: container:db"),
    ({"pid_mode": "container:db", "userns_mode": "private"}, "pid_mode: container:db", "userns_mode: private"),
    ({"ipc_mode": "container:"}, "ipc_mode: 'container:' names no container"),
    ({"ipc_mode": "mine"}, "ipc_mode: 'mine' is not supported; shareable, private, none, host and container:NAME are"),
    ({"ipc_mode": "container:db", "userns_mode": "private"}, "ipc_mode: container:db", "userns_mode: private"),
    ({"ipc_mode": "container:db", "shm_size": "1m"}, "shm_size", "ipc_mode: container:db", "the other container"),
    ({"ipc_mode": "none", "shm_size": "1m"}, "shm_size", "ipc_mode: none"),
    ({"ipc_mode": "container:db", "sysctls": {"kernel.shmmax": "1"}}, "sysctls: kernel.shmmax", "container:db"),
    ({"uts": "host", "hostname": "web"}, "hostname", "uts: host"),
    ({"uts": "host", "domainname": "example.com"}, "domainname", "uts: host"),
    ({"userns_mode": "private", "pid_mode": "host"}, "pid_mode: host", "userns_mode: private"),
    ({"userns_mode": "private", "ipc_mode": "host"}, "ipc_mode: host", "userns_mode: private"),
    ({"userns_mode": "private", "network_mode": "host"}, "network_mode: host", "userns_mode: private"),
    ({"userns_mode": "private", "privileged": True}, "privileged: true", "userns_mode: private"),
    # limits
    ({"memory": "lots"}, "memory: 'lots' is not a size"),
    ({"memory": "-5m"}, "memory: '-5m' is not a size"),
    ({"memory_swap": "1g"}, "memory_swap", "no memory"),
    ({"memory": "2g", "memory_swap": "1g"}, "memory_swap: 1073741824", "memory: 2147483648"),
    ({"memory": "1g", "memory_reservation": "2g"}, "memory_reservation: 2147483648", "memory: 1073741824"),
    ({"memory_swappiness": 101}, "memory_swappiness: 101 is not from 0 to 100"),
    ({"cpus": 0.001}, "cpus: 0.001 is too little"),
    ({"cpus": 1.0, "cpu_quota": 50000}, "cpus", "cpu_quota"),
    ({"cpus": 1.0, "cpu_period": 50000}, "cpus", "cpu_period"),
    ({"cpu_quota": 10}, "cpu_quota: 10 is not from 1000"),
    ({"cpu_period": 10}, "cpu_period: 10 is not from 1000"),
    ({"cpu_shares": 1}, "cpu_shares: 1 is not from 2"),
    ({"cpu_rt_runtime": 600, "cpu_rt_period": 500}, "cpu_rt_runtime: 600", "cpu_rt_period: 500"),
    ({"cpuset_cpus": "a-b"}, "cpuset_cpus: 'a-b'"),
    ({"cpuset_mems": "1-0"}, "cpuset_mems: '1-0'"),
    ({"pids_limit": -2}, "pids_limit: -2 is not from 1"),
    ({"blkio_weight": 5}, "blkio_weight: 5 is not from 10"),
    ({"blkio_weight_device": {"/dev/sda": 5}}, "blkio_weight_device: 5 is not from 10"),
    ({"device_read_bps": ["/dev/sda"]}, "device_read_bps: '/dev/sda' does not tell"),
    ({"device_write_bps": ["sda:1m"]}, "device_write_bps: 'sda' is not an absolute path"),
    ({"device_read_iops": ["/dev/sda:1m"]}, "device_read_iops:", "not a whole number"),
    ({"device_write_iops": ["8:0:1", "8:0:2"]}, "device_write_iops: 8:0 is given twice"),
    ({"device_cgroup_rules": ["c 42 rwm"]}, "device_cgroup_rules: 'c 42 rwm'"),
    ({"cgroup_conf": {"cgroup.freeze": "1"}}, "cgroup_conf: 'cgroup.freeze'"),
    ({"cgroup_conf": {"memory.max": "1g"}, "memory": "1g"}, "cgroup_conf: memory.max", "memory"),
    ({"cgroup_parent": "../x"}, "cgroup_parent: '../x'"),
    ({"oom_score_adj": 2000}, "oom_score_adj: 2000 is not from -1000"),
    ({"shm_size": "big"}, "shm_size: 'big' is not a size"),
    ({"shm_size": "1m", "ipc_mode": "host"}, "shm_size", "ipc_mode: host"),
    ({"shm_size": "1m", "tmpfs": ["/dev/shm"]}, "shm_size", "tmpfs: /dev/shm"),
    ({"ulimits": ["nofiles:1"]}, "ulimits: there is no limit 'nofiles'"),
    ({"ulimits": ["nofile:20:10"]}, "ulimits: 'nofile:20:10'", "above the hard one"),
    ({"sysctls": {"kernel.core_pattern": "|/x"}}, "sysctls: kernel.core_pattern belongs to the whole host"),
    ({"sysctls": {"net.x": "1"}, "network_mode": "host"}, "sysctls: net.x", "network_mode: host"),
    ({"sysctls": {"kernel.shmmax": "1"}, "ipc_mode": "host"}, "sysctls: kernel.shmmax", "ipc_mode: host"),
    ({"devices": ["/dev/fuse:/dev/fuse:x"]}, "devices: '/dev/fuse:/dev/fuse:x'"),
    ({"devices": ["/dev/a:/dev/x", "/dev/b:/dev/x"]}, "devices: /dev/x is given twice"),
    # network
    ({"network_mode": "slirp4netns"}, "network_mode: 'slirp4netns' is not supported"),
    ({"network_mode": "container:"}, "network_mode: 'container:' names no container"),
    ({"network_mode": "ns:relative"}, "network_mode: 'ns:relative' has no absolute path"),
    ({"network_mode": ["a", "host"]}, "network_mode: 'host' cannot be combined"),
    ({"network_mode": "none", "published_ports": ["80"]}, "published_ports", "network_mode: none"),
    ({"network_mode": "none", "publish_all_ports": True}, "publish_all_ports", "network_mode: none"),
    ({"network_mode": "host", "published_ports": ["80:80"]}, "published_ports", "network_mode: host"),
    ({"network_mode": "host", "networks": [NET]}, "networks", "network_mode: host"),
    ({"network_mode": "none", "mac_address": "02:00:00:00:00:01"}, "mac_address", "network_mode: none"),
    ({"network_mode": "container:db", "networks": [NET]}, "networks", "network_mode: container:db"),
    ({"network_mode": "container:db", "dns_servers": ["192.0.2.1"]}, "dns_servers", "container:db"),
    ({"network_mode": "container:db", "etc_hosts": {"a": "10.0.0.1"}}, "etc_hosts", "container:db"),
    ({"network_mode": "host", "ip": "10.0.0.2"}, "ip", "network_mode: host"),
    ({"networks": [NET, NET]}, "networks: front is given twice"),
    ({"networks": [{"name": "host"}]}, "networks: 'host' is not the name of a network"),
    ({"networks": [{"name": "a", "ipv4_address": "fd00::1"}]}, "networks: 'fd00::1' is not an IPv4 address"),
    ({"published_ports": ["80:90:100:110"]}, "published_ports:"),
    ({"published_ports": ["0"]}, "published_ports: '0'", "is not a port"),
    ({"published_ports": ["8000-8010:80-81"]}, "published_ports:", "not the same length"),
    ({"published_ports": ["80:80/icmp"]}, "published_ports:", "no protocol 'icmp'"),
    ({"published_ports": ["80:80", "80:81"]}, "published_ports: port 80/tcp of the host is given twice"),
    ({"published_ports": ["[::1]:80:80"]}, "published_ports:", "::1"),
    ({"published_ports": ["80"], "default_host_ip": "here"}, "default_host_ip: 'here'"),
    ({"exposed_ports": ["web"]}, "exposed_ports: 'web'"),
    ({"mac_address": "01:00:00:00:00:01"}, "mac_address:", "address of a group"),
    ({"dns_servers": ["dns.example.com"]}, "dns_servers: 'dns.example.com' is not an IP address"),
    ({"dns_opts": ["a b"]}, "dns_opts: 'a b' is not one word"),
    ({"etc_hosts": {"db": "there"}}, "etc_hosts: 'there' is not an IP address"),
    ({"etc_hosts": {"db": "10.0.0.1"}, "no_hosts": True}, "etc_hosts", "no_hosts: true"),
    ({"etc_hosts": {"db": "10.0.0.1"}, "volumes": ["/h:/etc/hosts"]}, "etc_hosts", "volumes: /etc/hosts"),
    (
        {"etc_hosts": {"x": "host-gateway"}, "network_mode": "none"},
        "etc_hosts: host-gateway", "network_mode: none",
    ),
    # files
    ({"volumes": ["/a:/x", "/b:/x"]}, "volumes: /x is given twice"),
    ({"volumes": ["/a:/x:rx"]}, "volumes:", "'rx'"),
    ({"volumes": ["/a:/proc/sys"]}, "volumes:", "/proc"),
    ({"volumes": ["/a:/"]}, "volumes: nothing can be mounted on /"),
    ({"volumes": ["/a:/x"], "tmpfs": ["/x"]}, "volumes: /x", "tmpfs: /x"),
    ({"volumes": ["/a:/x"], "mounts": [BIND]}, "volumes: /x", "mounts: /x"),
    ({"volumes": ["/a:/x:idmap"]}, "volumes: /x: idmap", "userns_mode: host"),
    ({"mounts": [{"target": "/x", "type": "bind"}]}, "mounts: /x:", "source"),
    ({"mounts": [{**TMPFS, "source": "/a"}]}, "mounts: /x: source"),
    ({"mounts": [{**TMPFS, "tmpfs_mode": "9"}]}, "mounts:", "octal"),
    ({"tmpfs": 5}, "tmpfs: must be a list"),
    ({"timezone": "../etc/shadow"}, "timezone: '../etc/shadow'"),
    # privileges
    ({"capabilities": ["SYS_MAGIC"]}, "capabilities: there is no capability 'SYS_MAGIC'"),
    ({"cap_drop": ["MAGIC"]}, "cap_drop: there is no capability 'MAGIC'"),
    ({"capabilities": ["NET_ADMIN"], "cap_drop": ["net_admin"]}, "capabilities: CAP_NET_ADMIN", "cap_drop"),
    ({"security_opts": ["seccomp=profile.json"]}, "security_opts: seccomp=profile.json"),
    ({"security_opts": ["seccomp=/nosuch.json"]}, "security_opts:", "/nosuch.json: No such file"),
    ({"security_opts": ["label=level"]}, "security_opts: label=level"),
    ({"security_opts": ["no-such-thing"]}, "security_opts: 'no-such-thing' is not supported"),
    # its life
    ({"healthcheck": {"test": ["ls"]}}, "healthcheck: test:", "must begin with CMD"),
    ({"healthcheck": {"test": "x", "interval": "soon"}}, "healthcheck: interval: 'soon'"),
    ({"healthcheck": {"tset": "x"}}, "healthcheck: there is no 'tset'"),
    ({"healthcheck": {"interval": "1s"}, "healthcheck_interval": "2s"}, "healthcheck: interval is given twice"),
    ({"healthcheck": "x", "no_healthcheck": True}, "no_healthcheck", "healthcheck"),
    ({"on_unhealthy": "restart", "no_healthcheck": True}, "on_unhealthy: restart", "healthcheck: NONE"),
    ({"restart_policy": "sometimes"}, "restart_policy: 'sometimes'"),
    ({"restart_policy": "always:3"}, "restart_policy: 'always:3'"),
    ({"restart_retries": 3}, "restart_retries", "restart_policy: no"),
    ({"restart_retries": 3, "restart_policy": "always"}, "restart_retries", "restart_policy: always"),
    ({"restart_policy": "on-failure:3", "restart_retries": 4}, "restart_policy", "restart_retries"),
    ({"auto_remove": True, "restart_policy": "always"}, "auto_remove: true", "restart_policy: always"),
    ({"detach": False, "restart_policy": "always"}, "detach: false", "restart_policy: always"),
    ({"cleanup": True, "detach": False, "auto_remove": False}, "cleanup", "auto_remove"),
    ({"log_driver": "syslog"}, "log_driver: 'syslog'"),
    ({"log_options": {"nosuch": "x"}}, "log_options: there is no option 'nosuch'"),
    ({"log_options": {"max-file": 0}}, "log_options: max-file"),
    ({"log_driver": "none", "log_options": {"max-size": "1m"}}, "log_options: max-size", "log_driver: none"),
    # what has no meaning without an engine
    ({"pod": "web"}, "pod is not supported"),
    ({"links": ["db:db"]}, "links is not supported"),
    ({"docker_host": "tcp://other:2375"}, "docker_host is not supported"),
    ({"device_requests": [{"count": -1}]}, "device_requests is not supported"),
    ({"rootfs": True}, "rootfs is not supported"),
]  # fmt: skip


def parameters(root, **given):
    known = {name: entry.get("default") for name, entry in options.argument_spec().items()}
    return {**known, "name": "web", "image": "localhost/x:1", "root": root, **given}


@pytest.mark.parametrize("case", WRONG, ids=lambda case: ", ".join(f"{name}={case[0][name]}" for name in case[0])[:60])
def test_one_message_before_the_host_is_looked_at(case, tmp_path):
    given, *words = case
    with pytest.raises(ContainerError) as caught:
        module.Task(parameters(str(tmp_path / "state"), **given))
    said = str(caught.value)
    assert all(word in said for word in words), said
    assert "\n" not in said
    assert list(tmp_path.iterdir()) == []


def test_there_are_many_of_them():
    assert len(WRONG) >= 100
    assert len({str(case[0]) for case in WRONG}) == len(WRONG)


@pytest.mark.parametrize(
    "given",
    [
        {"memory": "1g", "memory_swap": "-1"},
        {"capabilities": ["ALL"], "cap_drop": ["ALL"]},
        {"restart_policy": "on-failure:3", "restart_retries": 3},
        {"network_mode": "host", "hostname": "x"},
        {"etc_hosts": {"x": "host-gateway"}, "mac_address": "02:00:00:00:00:01", "sysctls": {"net.x": "1"}},
        {"userns_mode": "private", "dns_servers": ["192.0.2.1"], "published_ports": ["80"]},
        {"network_mode": "bridge", "networks": [NET], "published_ports": ["80:80", "80:80/udp", "127.0.0.1:81:80"]},
        {"paused": True, "state": "present"},
        {"volumes": ["/a:/x"], "mounts": [{**BIND, "target": "/y"}], "tmpfs": ["/z"]},
        {"cgroup_conf": {"memory.high": "1g"}, "memory": "1g"},
    ],
)
def test_what_goes_together_is_no_error(given, tmp_path):
    module.Task(parameters(str(tmp_path / "state"), **given))


def test_what_is_recorded_already_may_complete_a_task_without_an_image(tmp_path):
    module.Task(parameters(str(tmp_path / "state"), image=None, memory_swap="1g"))
    module.Task(parameters(str(tmp_path / "state"), image=None, restart_retries=3))
