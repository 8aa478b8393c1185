# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of containers, against the kernel: what is made, filled, carried over, kept and removed."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import prune
from ansible_collections.agentless.oci.plugins.module_utils.image import ensure
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.kernel import selinux
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from oci_layout import directory, member, write_layout

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


def volumes(host):
    """Name → directory of what containers see."""
    path = host.state.volumes
    return {name: os.path.join(path, name, "data") for name in sorted(os.listdir(path))} if os.path.isdir(path) else {}


def inside(host, container):
    """Target → mount, as inspect shows it."""
    return {mount["Destination"]: mount for mount in container["Mounts"]}


def run(host, **given):
    return host.run(**{"command": WAIT, **given})


def test_a_volume_outlives_its_containers(host):
    given = {"volumes": ["cache-data:/data"]}
    foreseen = run(host, check=True, **given)
    assert not os.path.exists(host.state.volumes)
    made = run(host, **given)
    assert made["actions"] == foreseen["actions"] == ["created volume cache-data", "created container web", "started"]
    assert run(host, **given)["actions"] == []
    path = volumes(host)["cache-data"]
    mount = inside(host, made["container"])["/data"]
    assert (mount["Type"], mount["Name"], mount["Source"], mount["RW"]) == ("volume", "cache-data", path, True)
    assert made["container"]["HostConfig"]["Binds"] == ["cache-data:/data:rw"]
    host.aoci("exec", "web", "sh", "-c", "echo kept > /data/file")
    replaced = run(host, env={"A": "1"}, **given)
    assert replaced["actions"] == ["replaced container web (env)", "started"]
    assert host.aoci("exec", "web", "cat", "/data/file").stdout == "kept\n"
    host.task(name="web", state="absent")
    assert host.shell("cat /data/file; touch /data/x 2>&1; true", volumes=["cache-data:/data:ro"]).splitlines() == [
        "kept",
        "touch: /data/x: Read-only file system",
    ]
    assert os.stat(host.state.volumes).st_mode & 0o777 == 0o700
    with open(os.path.join(path, "file"), encoding="utf-8") as file:
        assert file.read() == "kept\n"


def test_a_missing_path_of_the_host_is_said_before_anything_is_changed(host, tmp_path):
    run(host)
    before = host.status()["Pid"]
    for check in (True, False):
        with pytest.raises(Error, match=f"/data: there is no {tmp_path}/new.*create_mountpoint"):
            run(host, check=check, volumes=[f"{tmp_path}/new:/data", "v:/v"])
    assert host.status()["Pid"] == before
    assert volumes(host) == {}
    mount = {"source": f"{tmp_path}/new", "target": "/data", "create_mountpoint": True}
    run(host, mounts=[mount])
    assert (tmp_path / "new").is_dir()
    shutil.rmtree(tmp_path / "new")
    host.task(name="web", state="stopped")
    (tmp_path / "gone").mkdir()
    run(host, volumes=[f"{tmp_path}/gone:/data"], state="stopped")
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(Error, match="there is no"):
        host.task(name="web")


@pytest.fixture
def own_image(host, rootfs, tmp_path):
    """An image with a directory /srv/app whose files have owners, modes, links and attributes of their own."""
    host.rootfs = str(tmp_path / "rootfs")
    shutil.copytree(rootfs, host.rootfs, symlinks=True)
    app = tmp_path / "rootfs/srv/app"
    (app / "deep").mkdir(parents=True)
    (app / "deep/file").write_text("of the image")
    (app / "link").symlink_to("/outside/anything")
    os.mkfifo(app / "fifo", 0o640)
    os.setxattr(app / "deep/file", "user.note", b"here")
    os.chown(app / "deep/file", 1000, 1001)
    os.chmod(app / "deep/file", 0o4751)
    os.chown(app / "link", 1003, 1003, follow_symlinks=False)
    os.chown(app, 1002, 1002)
    os.chmod(app, 0o2750)
    os.utime(app / "deep/file", (1_600_000_000, 1_600_000_000))
    host.image("localhost/tests/app:1", volumes=["/srv/app"])
    return "localhost/tests/app:1"


def looks_like_the_image(path):
    file = os.stat(f"{path}/deep/file")
    assert (file.st_uid, file.st_gid, file.st_mode & 0o7777, file.st_mtime) == (1000, 1001, 0o4751, 1_600_000_000)
    assert os.getxattr(f"{path}/deep/file", "user.note") == b"here"
    assert os.readlink(f"{path}/link") == "/outside/anything"
    assert os.lstat(f"{path}/link").st_uid == 1003
    assert os.stat(f"{path}/fifo").st_mode & 0o777 == 0o640
    top = os.stat(path)
    return (top.st_uid, top.st_gid, top.st_mode & 0o7777) == (1002, 1002, 0o2750)


def test_a_new_volume_is_filled_once(host, own_image):
    run(host, image=own_image, volumes=["app:/srv/app", "other:/srv/app/deep:nocopy"])
    found = volumes(host)
    assert set(found) == {"app", "other"}  # and no anonymous one, though the image declares a volume there
    assert looks_like_the_image(found["app"])
    assert os.listdir(found["other"]) == []
    shutil.rmtree(found["app"] + "/deep")
    run(host, image=own_image, volumes=["app:/srv/app"])
    assert sorted(os.listdir(found["app"])) == ["fifo", "link"]  # it is the containers' own by now


def test_what_an_image_declares_is_an_anonymous_volume_that_is_carried_over(host, own_image):
    container = run(host, image=own_image)["container"]
    name = inside(host, container)["/srv/app"]["Name"]
    assert len(name) == 64
    assert container["Config"]["Volumes"] == {"/srv/app": {}}
    assert looks_like_the_image(volumes(host)[name])
    host.aoci("exec", "web", "sh", "-c", "echo mine > /srv/app/mine")
    for given in ({"env": {"A": "1"}}, {"update": {"order": "start-first"}}):
        container = run(host, image=own_image, **given)["container"]
        assert list(volumes(host)) == [inside(host, container)["/srv/app"]["Name"]] == [name]
        assert host.aoci("exec", "web", "cat", "/srv/app/mine").stdout == "mine\n"
    assert host.task(name="web", state="absent")["actions"] == ["stopped", "removed container web"]
    assert list(volumes(host)) == [name]
    with open(os.path.join(volumes(host)[name], "mine"), encoding="utf-8") as file:
        assert file.read() == "mine\n"


def test_anonymous_volumes_that_are_not_kept(host, own_image):
    run(host, image=own_image, volumes=["/one", "named:/two"])
    assert len(volumes(host)) == 3
    run(host, image=own_image, volumes=["named:/two"], keep_volumes=False)  # one of them has no place any more
    assert len(volumes(host)) == 2
    foreseen = host.task(name="web", state="absent", keep_volumes=False, check=True)
    assert foreseen["actions"] == ["stopped", "removed container web (and its anonymous volumes)"]
    assert host.task(name="web", state="absent", keep_volumes=False)["actions"] == foreseen["actions"]
    assert list(volumes(host)) == ["named"]
    host.shell("true", image=own_image)  # auto_remove
    run(host, image=own_image, command=["true"], auto_remove=True)
    host.until(lambda: not os.listdir(host.state.containers))
    assert list(volumes(host)) == ["named"]
    with pytest.raises(Error):
        run(host, image=own_image, command=["/nothing"])
    run(host, image=own_image, state="present")
    host.task(name="web", state="absent")  # it has never run: what it has is the image's
    assert list(volumes(host)) == ["named"]


def test_a_volume_that_was_removed_by_hand_is_made_again(host, own_image):
    given = {"image": own_image, "volumes": ["data:/data"]}
    run(host, **given)
    anonymous = next(name for name in volumes(host) if name != "data")
    for name in ("data", anonymous):
        shutil.rmtree(os.path.join(host.state.volumes, name))
        said = [f"created volume {name}", f"restarted (volume {name} was removed)"]
        assert run(host, check=True, **given)["actions"] == said
        assert run(host, **given)["actions"] == said
        assert run(host, **given)["actions"] == []
    assert looks_like_the_image(volumes(host)[anonymous])
    os.rename(volumes(host)["data"], volumes(host)["data"] + ".old")
    os.mkdir(volumes(host)["data"])
    shutil.rmtree(volumes(host)["data"] + ".old")
    assert run(host, **given)["actions"] == ["restarted (volume data was removed, and made again)"]
    assert host.task(name="web", state="stopped")["actions"] == ["stopped"]
    shutil.rmtree(os.path.join(host.state.volumes, "data"))
    assert host.task(name="web", state="present")["actions"] == []
    assert host.task(name="web")["actions"] == ["created volume data", "started"]


def test_what_a_redis_has_stored_survives_the_replacement_of_its_container(host):
    """As the first playbook of the README has it; the program is the host's own."""
    if not os.path.exists("/usr/bin/redis-server"):
        pytest.skip("needs redis-server")
    given = {
        "command": ["redis-server", "--dir", "/data", "--appendonly", "yes", "--appendfsync", "always"],
        "env": {"PATH": "/usr/bin:/bin"},
        "volumes": ["cache-data:/data", *(f"{path}:{path}:ro" for path in ("/usr", "/lib", "/lib64"))],
        "healthcheck": {"test": ["CMD", "redis-cli", "ping"], "interval": "200ms", "retries": 20},
        "state": "healthy",
    }
    assert host.run(**given)["actions"][0] == "created volume cache-data"
    host.aoci("exec", "web", "redis-cli", "set", "key", "kept")
    assert host.run(**given, memory="200m")["actions"] == ["updated memory"]
    given["env"]["AGAIN"] = "yes"
    assert host.run(**given, memory="200m")["actions"] == ["replaced container web (env)", "started"]
    assert host.aoci("exec", "web", "redis-cli", "get", "key").stdout.strip() == "kept"
    host.task(name="web", state="absent")
    host.run(**given)
    assert host.aoci("exec", "web", "redis-cli", "get", "key").stdout.strip() == "kept"


def test_volumes_from_another_container(host, own_image, tmp_path):
    (tmp_path / "file").write_text("of the host")
    run(host, name="log", image=own_image, volumes=["data:/data", f"{tmp_path}/file:/file"], tmpfs=["/nothing"])
    for check in (True, False):
        with pytest.raises(Error, match="there is no container nobody"):
            run(host, check=check, volumes_from=["nobody"])
    container = run(host, volumes_from=["log:ro"], volumes=["own:/data"])["container"]
    found = inside(host, container)
    assert {target: (mount["Type"], mount["RW"]) for target, mount in found.items()} == {
        "/data": ("volume", True),
        "/file": ("bind", False),
        "/srv/app": ("volume", False),
    }
    assert found["/data"]["Name"] == "own"
    assert host.aoci("exec", "web", "cat", "/file", "/srv/app/deep/file").stdout == "of the hostof the image"
    assert run(host, volumes_from=["log:ro"], volumes=["own:/data"])["actions"] == []
    host.task(name="log", state="absent", keep_volumes=False)  # another container has its anonymous volume
    assert found["/srv/app"]["Name"] in volumes(host)
    host.task(name="web", restart=True)
    assert host.aoci("exec", "web", "cat", "/srv/app/deep/file").stdout == "of the image"


def test_a_part_of_a_volume(host):
    host.shell("mkdir -p /v/in/side; echo x > /v/in/file; ln -s / /v/out", volumes=["v:/v"])
    mounts = [
        {"source": "v", "target": "/file", "subpath": "in/file", "read_only": True},
        {"source": "v", "target": "/side", "subpath": "in/side"},
        {"source": "v", "target": "/root", "subpath": "out/in"},
    ]
    run(host, mounts=mounts)
    assert host.aoci("exec", "web", "sh", "-c", "cat /file; echo y > /side/y; ls /root").stdout == "x\nfile\nside\n"
    assert os.path.exists(volumes(host)["v"] + "/in/side/y")
    with pytest.raises(Error, match="volume v has no nothing"):
        run(host, mounts=[{"source": "v", "target": "/x", "subpath": "nothing"}])
    host.task(name="web", restart=True)
    assert host.aoci("exec", "web", "cat", "/file").stdout == "x\n"


@pytest.mark.parametrize("enabled", [True, False])
def test_files_of_the_host_are_labelled_where_the_kernel_has_selinux(host, tmp_path, monkeypatch, enabled):
    monkeypatch.setattr(selinux, "enabled", lambda: enabled)
    for name in ("labelled", "not"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    run(host, volumes=[f"{tmp_path}/labelled:/a:Z", f"{tmp_path}/not:/b", "v:/v"])
    found = {
        path: "security.selinux" in os.listxattr(path)
        for path in (f"{tmp_path}/labelled/file", f"{tmp_path}/not/file", volumes(host)["v"])
    }
    assert list(found.values()) == [enabled, False, enabled]


def test_the_files_of_an_image(host, own_image, tmp_path):
    mounts = [
        {"target": "/tools", "type": "image", "source": own_image},
        {"target": "/part", "type": "image", "source": own_image, "subpath": "srv/app/deep"},
    ]
    for check in (True, False):
        with pytest.raises(Error, match="/x: there is no image localhost/tests/nosuch:1"):
            run(host, check=check, mounts=[{"target": "/x", "type": "image", "source": "localhost/tests/nosuch:1"}])
    container = run(host, mounts=mounts)["container"]
    assert inside(host, container)["/tools"]["Type"] == "image"
    assert host.aoci("exec", "web", "cat", "/part/file").stdout == "of the image"
    script = "/tools/bin/busybox touch /tools/x 2>&1; stat -c %u /tools/srv/app/deep/file"
    assert host.aoci("exec", "web", "sh", "-c", script).stdout.splitlines() == [
        "touch: /tools/x: Read-only file system",
        "1000",
    ]
    host.aoci("rmi", own_image)  # what a container uses stays
    pruning = {"root": host.root, "containers": False, "containers_filters": None, "images": True}
    prune.prune({**pruning, "images_filters": {"dangling": False}}, check_mode=False, now=0)
    assert host.task(name="web", restart=True)["actions"] == ["restarted"]
    assert host.aoci("exec", "web", "cat", "/part/file").stdout == "of the image"
    host.task(name="web", state="absent")
    prune.prune({**pruning, "images_filters": {"dangling": False}}, check_mode=False, now=0)


def test_the_layers_of_an_image_lie_on_each_other(host, tmp_path):
    layers = [
        [directory("d"), member("d/below", content=b"below"), member("d/gone", content=b"gone")],
        [directory("d"), member("d/above", content=b"above"), member("d/.wh.gone")],
    ]
    write_layout(tmp_path / "layout", layers)
    store, name = Store(host.state), "localhost/tests/layers:1"
    ensure.apply(ensure.plan(ensure.ImageRequest(name, source={"path": str(tmp_path / "layout")}), store), store)
    mounts = [{"target": "/i", "type": "image", "source": name}]
    for mode in ("host", "private"):
        seen = host.shell("cat /i/d/*; ls /i/d; stat -c %u /i/d", mounts=mounts, userns_mode=mode).splitlines()
        assert seen == ["abovebelowabove", "below", "0"]


def test_mounts_in_full(host, tmp_path):
    mounts = [
        {
            "target": "/v",
            "source": "v",
            "labels": {"tier": "data"},
            "volume_options": {"type": "tmpfs", "o": "size=1m"},
        },
        {"target": "/t", "type": "tmpfs", "tmpfs_options": [{"uid": "7"}], "tmpfs_size": "2m"},
        {"target": "/h", "source": str(tmp_path), "read_only": True, "non_recursive": True},
    ]
    script = "stat -c %u /t; df -k /v | tail -n 1; touch /h/x 2>&1; grep ' /v ' /proc/mounts"
    seen = host.shell(script, mounts=mounts).splitlines()
    assert seen[0] == "7"
    assert "1024" in seen[1]
    assert "Read-only file system" in seen[2]
    assert " tmpfs " in seen[3]
    with open(os.path.join(host.state.volumes, "v/volume.json"), encoding="utf-8") as file:
        assert json.load(file)["labels"] == {"tier": "data"}
    with pytest.raises(Error, match="volume v is there with other driver options"):
        run(host, mounts=[{"target": "/v", "source": "v", "volume_options": {"type": "tmpfs", "o": "size=2m"}}])
    from ansible_collections.agentless.oci.plugins.module_utils.volume import store

    with store.lock(host.state, ["v"]):
        store.remove(host.state, "v")
    assert volumes(host) == {}
