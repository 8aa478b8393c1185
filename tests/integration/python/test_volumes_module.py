# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that tasks name: oci_volume, oci_volume_info, oci_prune, ``aoci volumes``; with the kernel's mounts."""

from __future__ import annotations

import json
import os
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import prune as pruning
from ansible_collections.agentless.oci.plugins.module_utils.image.collect import usage
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.module_utils.volume import driver, info, module, names, options

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


def volume(host, name="v", **parameters):
    """The result of a task, which check mode foretold, and after which there is nothing to do."""
    defaults = {option: spec.get("default") for option, spec in options.ARGUMENT_SPEC.items()}
    given = {**defaults, "name": name, "root": host.root, **parameters}
    foreseen = module.apply(given, check_mode=True)
    done = module.apply(given, check_mode=False)
    assert done["actions"] == foreseen["actions"]
    assert done["diff"] == foreseen["diff"]
    if given["recreate"] != "always":
        assert module.apply(given, check_mode=False)["actions"] == []
    return done


def test_declared_used_changed_and_removed(host):
    made = volume(host, labels={"tier": "data"})
    assert made["actions"] == ["created volume v"]
    assert made["diff"]["after"] == {"state": "present", "labels": {"tier": "data"}, "driver_options": {}}
    assert host.run(command=WAIT, volumes=["v:/v", "/anonymous"])["actions"] == ["created container web", "started"]
    found = volume(host)["volume"]
    assert (found["Containers"], found["Labels"], found["Mountpoint"]) == (
        ["web"],
        {"tier": "data"},
        names.data(host.state, "v"),
    )
    assert volume(host, labels={})["actions"] == ["updated volume v (labels)"]
    for parameters in ({"state": "absent"}, {"recreate": "always"}):
        with pytest.raises(Error, match="while containers use it: web"):
            volume(host, **parameters)
    everything = {"name": None, "label": None, "dangling": None, "root": host.root}
    assert len(info.volumes(everything)) == 2
    assert [found["Name"] for found in info.volumes({**everything, "name": ["v*"]})] == ["v"]
    assert info.volumes({**everything, "dangling": True}) == []
    assert info.volumes({**everything, "label": ["tier"]}) == []
    table = host.aoci("volumes").stdout.splitlines()
    assert table[0].split() == ["NAME", "KIND", "CREATED", "CONTAINERS"]
    assert [line.split()[1] for line in table[1:]] == ["anonymous", "-"]
    assert json.loads(host.aoci("volumes", "--format", "json").stdout) == info.volumes(everything)
    host.task(name="web", state="absent")
    assert host.aoci("volumes", "-q", "--dangling").stdout.split() == [
        found["Name"] for found in info.volumes(everything)
    ]
    with open(os.path.join(names.data(host.state, "v"), "file"), "w", encoding="utf-8"):
        pass
    assert volume(host, recreate="always")["actions"] == ["replaced volume v (recreate)"]
    assert os.listdir(names.data(host.state, "v")) == []
    assert volume(host, state="absent")["actions"] == ["removed volume v"]


def test_files_in_memory_that_containers_share(host):
    volume(host, driver_options={"type": "tmpfs", "o": "size=1m,mode=1777"})
    place = names.data(host.state, "v")
    assert not driver.is_mounted(place)
    host.run(command=WAIT, volumes=["v:/v"])
    host.run(name="other", command=WAIT, volumes=["v:/v:ro"])
    host.aoci("exec", "web", "sh", "-c", "echo shared > /v/file")
    assert host.aoci("exec", "other", "cat", "/v/file").stdout == "shared\n"
    assert os.statvfs(place).f_blocks * os.statvfs(place).f_frsize == 1 << 20
    with pytest.raises(Error, match="other driver options"):
        volume(host, driver_options={"type": "tmpfs", "o": "size=2m"})
    driver.unmount(place)
    assert host.run(check=True, command=WAIT, volumes=["v:/v"])["actions"] == [
        "restarted (volume v is not mounted any more)"
    ]
    host.run(command=WAIT, volumes=["v:/v"])
    assert driver.is_mounted(place)
    assert host.run(command=WAIT, volumes=["v:/v"])["actions"] == []
    for name in ("web", "other"):
        host.task(name=name, state="absent")
    changed = volume(host, driver_options={"type": "tmpfs", "o": "size=2m"}, recreate="options-changed")
    assert changed["actions"] == ["replaced volume v (driver_options)"]
    assert not driver.is_mounted(place)
    volume(host, state="absent")


def test_a_directory_of_the_host_by_another_name(host, tmp_path):
    device = tmp_path / "data"
    volume(host, driver_options={"type": "none", "o": "bind", "device": str(device)})
    with pytest.raises(Error, match=f"volume v: cannot mount bind {device}: there is no such directory"):
        host.run(command=WAIT, volumes=["v:/v"])
    assert host.clean() == []
    device.mkdir()
    (device / "file").write_text("of the host")
    assert host.shell("cat /v/file; echo x > /v/new", volumes=["v:/v"]) == "of the host"
    volume(host, state="absent")
    assert sorted(path.name for path in device.iterdir()) == ["file", "new"]


def test_a_volume_of_memory_is_mounted_again_after_the_host_has_started(host):
    """And filled again, as it is new."""
    volume(host, driver_options={"type": "tmpfs"})
    host.run(command=WAIT, volumes=["v:/usr"])
    place = names.data(host.state, "v")
    expected = sorted(os.listdir(os.path.join(host.rootfs, "usr")))
    assert sorted(os.listdir(place)) == expected != []
    host.task(name="web", state="stopped")
    driver.unmount(place)
    assert os.listdir(place) == []
    assert host.task(name="web")["actions"] == ["started"]
    assert driver.is_mounted(place)
    assert sorted(os.listdir(place)) == expected
    host.task(name="web", state="absent")
    volume(host, state="absent")


def test_user_namespaces_share_volumes_with_containers_without(host):
    """On disk there are the owners that containers see, whoever writes."""
    script = "touch /v/{0}; chown 7:8 /v/{0}; stat -c %u:%g /v/*; stat -c %u:%g /v"
    filled = ["v:/etc", "w:/bin"]
    assert host.shell("stat -c %u:%g /etc /bin/busybox", volumes=filled, userns_mode="private").split() == ["0:0"] * 2
    for name in ("v", "w"):
        place = names.data(host.state, name)
        assert {os.lstat(os.path.join(place, entry)).st_uid for entry in [*os.listdir(place), "."]} == {0}
    for number, given in enumerate(({"userns_mode": "private"}, {}, {"userns_mode": "private"})):
        seen = host.shell(script.format(f"mine{number}"), volumes=["u:/v"], **given).split()
        assert seen == [*["7:8"] * (number + 1), "0:0"]
    place = names.data(host.state, "u")
    assert {
        (os.stat(f"{place}/mine{number}").st_uid, os.stat(f"{place}/mine{number}").st_gid) for number in range(3)
    } == {(7, 8)}
    host.shell("test $(stat -c %u /v/mine0) = 7 && touch /v/x", volumes=["u:/v:nocopy"], userns_mode="private")
    with pytest.raises(AssertionError):
        host.shell("touch /v/y", volumes=["u:/v:ro"], userns_mode="private")


class Prune:
    def __init__(self, host):
        self.host = host

    def __call__(self, **given):
        params = {
            "root": self.host.root,
            "containers": False,
            "containers_filters": None,
            "volumes": True,
            "volumes_filters": None,
            "images": False,
            "images_filters": None,
            **given,
        }
        now = time.time() + 1
        foretold = pruning.prune(params, check_mode=True, now=now)
        before = usage([self.host.state.volumes, self.host.state.containers, self.host.state.images])
        done = pruning.prune(params, check_mode=False, now=now)
        after = usage([self.host.state.volumes, self.host.state.containers, self.host.state.images])
        assert done == foretold
        assert before - after == done["space_reclaimed"]
        assert not pruning.prune(params, check_mode=False, now=now)["changed"]
        return done


def test_what_no_container_uses_is_pruned_by_label_and_age_to_the_byte(host):
    prune = Prune(host)
    volume(host, "kept", labels={"keep": "yes"})
    volume(host, "old")
    with open(os.path.join(names.data(host.state, "old"), "file"), "wb") as file:
        file.write(b"x" * 100_000)
    host.run(command=WAIT, volumes=["used:/v", "/anonymous"])
    assert prune(volumes_filters={"until": "1h"})["volumes"] == []
    assert prune(volumes_filters={"anonymous": True})["volumes"] == []
    done = prune(volumes_filters={"exclude_label": ["keep"]})
    assert (done["volumes"], done["actions"]) == (["old"], ["removed volume old"])
    assert done["volumes_space_reclaimed"] >= 100_000
    host.task(name="web", state="stopped", force_kill=True)
    assert prune()["volumes"] == ["kept"]
    done = prune(containers=True, volumes_filters={"anonymous": True})
    assert (done["containers"], len(done["volumes"])) == (["web"], 1)
    os.makedirs(os.path.join(host.state.volumes, ".killed.gone/data"))
    done = prune(volumes_filters={"label": ["nothing"]})
    assert (done["volumes"], done["actions"]) == ([], ["removed what killed tasks have left of volumes"])
    assert prune()["volumes"] == ["used"]
    assert os.listdir(host.state.volumes) == []
