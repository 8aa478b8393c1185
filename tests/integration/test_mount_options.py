# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``mounts`` and ``rootfsPropagation``: every option of the specification's table by what it makes of a mount."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from bundles import config, out
from waiting import until

ID_MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]


@pytest.fixture
def host_mount(tmp_path):
    """A tmpfs of the host, shared, with another one below it."""
    path = str(tmp_path / "host")
    os.makedirs(path)
    subprocess.run(["mount", "-t", "tmpfs", "outer", path], check=True)
    subprocess.run(["mount", "--make-shared", path], check=True)
    os.makedirs(path + "/below")
    os.makedirs(path + "/late")
    subprocess.run(["mount", "-t", "tmpfs", "inner", path + "/below"], check=True)
    yield path
    subprocess.run(["umount", "-R", path], check=True)


def mounted(runtime, rootfs, entry, *more, script="cat /proc/self/mountinfo", **linux):
    """What mountinfo shows inside for the mounts at and below /m: (options, optional fields, type, super options)."""
    document = config(rootfs, "sh", "-c", script)
    document["mounts"] += [{"destination": "/m", **entry}, *more]
    document["linux"].update(linux)
    found = {}
    for line in out(runtime, document).splitlines():
        before, _dash, after = line.partition(" - ")
        fields = before.split()
        if fields[4].startswith("/m"):
            found[fields[4]] = (
                set(fields[5].split(",")),
                fields[6:],
                after.split()[0],
                set(after.split()[2].split(",")),
            )
    return found


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("file", "/directory", "on /directory, a directory in the image"),
        ("directory", "/file", "on /file: Not a directory"),
    ],
)
def test_a_directory_goes_on_a_directory_alone(runtime, own_rootfs, tmp_path, source, target, words):
    os.mkdir(os.path.join(own_rootfs, "directory"))
    for place in (os.path.join(own_rootfs, "file"), str(tmp_path / "file")):
        with open(place, "wb"):
            pass
    (tmp_path / "directory").mkdir()
    document = config(own_rootfs, "true")
    document["mounts"].append({"destination": target, "source": str(tmp_path / source), "options": ["bind"]})
    done = runtime.run(document)
    assert done.returncode == 1
    assert words in done.stderr


def tmpfs(*options):
    return {"type": "tmpfs", "source": "tmpfs", "options": list(options)}


@pytest.mark.parametrize(
    ("options", "present", "absent"),
    [
        ([], {"rw", "relatime"}, {"nosuid", "nodev", "noexec"}),
        (["defaults"], {"rw", "relatime"}, {"nosuid", "nodev", "noexec"}),
        (["ro"], {"ro"}, {"rw"}),
        (["ro", "rw"], {"rw"}, {"ro"}),
        (["nosuid", "nodev", "noexec"], {"nosuid", "nodev", "noexec"}, set()),
        (["nosuid", "suid", "nodev", "dev", "noexec", "exec"], set(), {"nosuid", "nodev", "noexec"}),
        (["noatime"], {"noatime"}, {"relatime"}),
        (["noatime", "atime"], {"relatime"}, {"noatime"}),
        (["nodiratime"], {"nodiratime"}, set()),
        (["nodiratime", "diratime"], set(), {"nodiratime"}),
        (["relatime"], {"relatime"}, {"noatime"}),
        (["norelatime"], set(), {"noatime"}),
        (["strictatime"], set(), {"relatime", "noatime"}),
        (["strictatime", "nostrictatime"], {"relatime"}, set()),
        (["nosymfollow"], {"nosymfollow"}, set()),
        (["nosymfollow", "symfollow"], set(), {"nosymfollow"}),
        (["rro", "rnosuid"], {"ro", "nosuid"}, {"rw"}),
        (["mand", "iversion"], {"rw"}, {"noexec"}),  # no longer anything that mountinfo would show
        (["silent", "loud", "async", "nomand", "noiversion", "nolazytime"], {"rw"}, set()),
    ],
)
def test_flags_of_a_new_mount(runtime, rootfs, options, present, absent):
    seen = mounted(runtime, rootfs, tmpfs(*options))["/m"][0]
    assert present <= seen
    assert not absent & seen


@pytest.mark.parametrize(
    ("options", "present"), [(["sync"], "sync"), (["dirsync"], "dirsync"), (["lazytime"], "lazytime")]
)
def test_flags_of_the_file_system(runtime, rootfs, options, present):
    assert present in mounted(runtime, rootfs, tmpfs(*options))["/m"][3]


def test_unknown_options_are_the_file_systems(runtime, rootfs):
    seen = mounted(runtime, rootfs, tmpfs("size=64k", "mode=0700", "nr_inodes=9"))["/m"][3]
    assert {"size=64k", "mode=700", "nr_inodes=9"} <= seen
    document = config(rootfs, "true")
    document["mounts"].append({"destination": "/m", **tmpfs("moon=full")})
    assert "cannot mount tmpfs on /m: Invalid argument" in runtime.run(document).stderr


def test_a_mount_without_source(runtime, rootfs):
    assert mounted(runtime, rootfs, {"type": "tmpfs"})["/m"][2] == "tmpfs"


@pytest.mark.parametrize(
    ("options", "top", "below"),
    [
        (["bind"], {"rw"}, None),
        (["rbind"], {"rw"}, {"rw"}),
        (["rbind", "ro"], {"ro"}, {"rw"}),
        (["rbind", "rro"], {"ro"}, {"ro"}),
        (["rbind", "rro", "rrw"], {"rw"}, {"rw"}),
        (["rbind", "nosuid", "nodev", "noexec"], {"nosuid", "nodev", "noexec"}, {"rw"}),
        (["rbind", "rnosuid", "rnodev", "rnoexec"], {"nosuid", "nodev", "noexec"}, {"nosuid", "nodev", "noexec"}),
        (["rbind", "rnoatime"], {"noatime"}, {"noatime"}),
        (["rbind", "rnoatime", "ratime"], {"relatime"}, {"relatime"}),
        (["rbind", "rrelatime"], {"relatime"}, {"relatime"}),
        (["rbind", "rnoatime", "rnorelatime"], {"relatime"}, {"relatime"}),
        (["rbind", "rnostrictatime"], {"relatime"}, {"relatime"}),
        (["rbind", "rnodiratime"], {"nodiratime"}, {"nodiratime"}),
        (["rbind", "rnosymfollow"], {"nosymfollow"}, {"nosymfollow"}),
        (["rbind", "noatime"], {"noatime"}, {"relatime"}),
    ],
)
def test_bind_mounts_and_recursive_attributes(runtime, rootfs, host_mount, options, top, below):
    seen = mounted(runtime, rootfs, {"source": host_mount, "options": options})
    assert top <= seen["/m"][0]
    assert ("/m/below" in seen) == (below is not None)
    if below:
        assert below <= seen["/m/below"][0]


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["rstrictatime"], "relatime"),
        (["rnosuid", "rsuid"], "nosuid"),
        (["rnodev", "rdev"], "nodev"),
        (["rnoexec", "rexec"], "noexec"),
        (["rnodiratime", "rdiratime"], "nodiratime"),
        (["rnosymfollow", "rsymfollow"], "nosymfollow"),
    ],
)
def test_recursive_attributes_taken_away(runtime, rootfs, host_mount, options, gone):
    seen = mounted(runtime, rootfs, {"source": host_mount, "options": ["rbind", *options]})
    assert gone not in seen["/m"][0]
    assert gone not in seen["/m/below"][0]


@pytest.mark.parametrize(
    ("options", "top", "below"),
    [
        ([], "master", "master"),  # by default the host's mounts come in, ours do not get out
        (["private"], "", "master"),
        (["rprivate"], "", ""),
        (["slave"], "master", "master"),
        (["rslave"], "master", "master"),
        (["shared"], "shared", "master"),
        (["rshared"], "shared", "shared"),
        (["unbindable"], "unbindable", "master"),
        (["runbindable"], "unbindable", "unbindable"),
    ],
)
def test_propagation_of_a_bind_mount(runtime, rootfs, host_mount, options, top, below):
    subprocess.run(["mount", "--make-shared", host_mount + "/below"], check=True)
    seen = mounted(runtime, rootfs, {"source": host_mount, "options": ["rbind", *options]})
    for where, expected in (("/m", top), ("/m/below", below)):
        fields = " ".join(seen[where][1])
        assert (expected in fields) if expected else not fields, (where, fields)


def test_mounts_inside_do_not_reach_the_host(runtime, rootfs, host_mount):
    document = config(rootfs, "sh", "-c", "mount -t tmpfs tmpfs /m/late && sleep 30")
    document["process"]["capabilities"] = {key: ["CAP_SYS_ADMIN"] for key in ("bounding", "effective", "permitted")}
    document["mounts"].append({"destination": "/m", "source": host_mount, "options": ["rbind"]})
    done = runtime("run", "-d", "-b", runtime.bundle(document), "inside", capture_output=False)
    assert done.returncode == 0
    pid = runtime.state("inside")["pid"]
    until(lambda: "/m/late" in _mountinfo(pid))
    assert host_mount + "/late" not in _mountinfo("self")


@pytest.mark.parametrize(
    ("options", "propagation", "arrives"),
    [([], "", True), (["rslave"], "", True), (["rprivate"], "", False), ([], "private", False), ([], "rshared", True)],
)
def test_mounts_of_the_host_reach_inside(runtime, rootfs, host_mount, options, propagation, arrives):
    document = config(rootfs, "sleep", "30")
    document["mounts"].append({"destination": "/m", "source": host_mount, "options": ["rbind", *options]})
    document["linux"]["rootfsPropagation"] = propagation
    done = runtime("run", "-d", "-b", runtime.bundle(document), "inside", capture_output=False)
    assert done.returncode == 0
    pid = runtime.state("inside")["pid"]
    subprocess.run(["mount", "-t", "tmpfs", "later", host_mount + "/late"], check=True)
    assert ("/m/late" in _mountinfo(pid)) == arrives


def _mountinfo(pid):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        return file.read()


class TestRootfsPropagation:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [("", ""), ("private", ""), ("rprivate", ""), ("shared", "shared:"), ("rshared", "shared:"),
         ("slave", "master:"), ("rslave", "master:"), ("unbindable", "unbindable"), ("runbindable", "unbindable")],
    )  # fmt: skip
    def test_of_the_root(self, runtime, own_rootfs, host_mount, value, expected):
        shutil.copytree(own_rootfs, host_mount + "/root", symlinks=True)
        document = config(host_mount + "/root", "cat", "/proc/self/mountinfo")
        document["linux"]["rootfsPropagation"] = value
        root = next(line for line in out(runtime, document).splitlines() if line.split()[4] == "/")
        fields = root.partition(" - ")[0].split()[6:]
        assert [field.startswith(expected) for field in fields] == ([True] if expected else []), root

    def test_a_slave_hears_of_the_hosts_mounts(self, runtime, own_rootfs, host_mount):
        shutil.copytree(own_rootfs, host_mount + "/root", symlinks=True)
        document = config(host_mount + "/root", "sleep", "30")
        document["linux"]["rootfsPropagation"] = "rslave"
        done = runtime("run", "-d", "-b", runtime.bundle(document), "slave", capture_output=False)
        assert done.returncode == 0
        pid = runtime.state("slave")["pid"]
        subprocess.run(["mount", "-t", "tmpfs", "later", host_mount + "/root/tmp"], check=True)
        assert " /tmp " in _mountinfo(pid)


class TestIdMappedMounts:
    @pytest.fixture
    def data(self, tmp_path):
        path = tmp_path / "data"
        path.mkdir()
        (path / "file").write_text("x")
        os.chown(path / "file", 7, 8)
        return str(path)

    def _owner(self, runtime, rootfs, entry, **linux):
        document = config(rootfs, "stat", "-c", "%u:%g", "/m/file")
        document["mounts"].append({"destination": "/m", **entry})
        document["linux"]["namespaces"] += linux.pop("namespaces", [])
        document["linux"].update(linux)
        return runtime.run(document)

    @pytest.mark.parametrize("option", ["idmap", "ridmap", None])
    def test_with_maps_of_its_own(self, runtime, rootfs, data, option):
        entry = {
            "source": data, "options": ["rbind", *([option] if option else [])],
            "uidMappings": [{"containerID": 7, "hostID": 1007, "size": 1}],
            "gidMappings": [{"containerID": 8, "hostID": 2008, "size": 1}],
        }  # fmt: skip
        done = self._owner(runtime, rootfs, entry)
        assert (done.stdout, done.stderr) == ("1007:2008\n", "")

    def test_with_the_containers_maps(self, runtime, rootfs, data):
        linux = {"namespaces": [{"type": "user"}], "uidMappings": ID_MAP, "gidMappings": ID_MAP}
        plain = self._owner(runtime, rootfs, {"source": data, "options": ["bind"]}, **dict(linux))
        assert plain.stdout == "65534:65534\n"
        mapped = self._owner(runtime, rootfs, {"source": data, "options": ["bind", "idmap"]}, **dict(linux))
        assert (mapped.stdout, mapped.stderr) == ("7:8\n", "")

    def test_recursion(self, runtime, rootfs, host_mount):
        for path in ("", "/below"):
            with open(host_mount + path + "/file", "w", encoding="ascii"):
                pass
        for option, expected in (("idmap", "5 0"), ("ridmap", "5 5")):
            document = config(rootfs, "sh", "-c", "echo $(stat -c %u /m/file /m/below/file)")
            entry = {"destination": "/m", "source": host_mount, "options": ["rbind", option]}
            entry["uidMappings"] = entry["gidMappings"] = [{"containerID": 0, "hostID": 5, "size": 1}]
            document["mounts"].append(entry)
            assert out(runtime, document).strip() == expected

    def test_a_file_system_that_cannot(self, runtime, rootfs):
        entry = {"source": "/proc", "options": ["bind", "idmap"], "uidMappings": ID_MAP, "gidMappings": ID_MAP}
        done = self._owner(runtime, rootfs, entry)
        assert done.returncode == 1
        assert "cannot mount bind of /proc on /m: Invalid argument. Id-mapped mounts need" in done.stderr


@pytest.mark.parametrize("option", ["bind", "rbind"])
def test_a_relative_source_is_the_bundles(runtime, rootfs, option):
    document = config(rootfs, "ls", "/m")
    document["mounts"].append({"destination": "/m", "type": "none", "source": "data/in", "options": [option]})
    bundle = runtime.bundle(document)
    os.makedirs(os.path.join(bundle, "data", "in", "here"))
    done = runtime("run", "-b", bundle, "box", cwd="/")
    assert (done.stdout, done.stderr) == ("here\n", "")


class TestRemount:
    def test_a_new_file_system(self, runtime, rootfs):
        again = {"destination": "/m", "type": "tmpfs", "options": ["remount", "ro", "size=128k"]}
        seen = mounted(runtime, rootfs, tmpfs("size=64k"), again)["/m"]
        assert "ro" in seen[0]
        assert "size=128k" in seen[3]

    def test_a_bind_mount(self, runtime, rootfs, host_mount):
        again = {"destination": "/m", "options": ["bind", "remount", "ro", "noexec"]}
        seen = mounted(runtime, rootfs, {"source": host_mount, "options": ["bind", "nosuid"]}, again)["/m"]
        assert {"ro", "noexec", "nosuid"} <= seen[0]
        assert "ro" not in seen[3]  # the host's file system is as it was

    def test_what_is_no_mount(self, runtime, rootfs):
        document = config(rootfs, "true")
        document["mounts"].append({"destination": "/etc", "options": ["remount", "ro"]})
        done = runtime.run(document)
        assert done.returncode == 1
        assert "on /etc: Invalid argument" in done.stderr


class TestTargets:
    def _bind(self, runtime, rootfs, source, destination, script):
        document = config(rootfs, "sh", "-c", script)
        document["mounts"].append({"destination": destination, "source": str(source), "options": ["bind"]})
        return out(runtime, document)

    def test_a_file_over_a_symlink_to_nowhere(self, runtime, own_rootfs, tmp_path):
        """As images have /etc/resolv.conf."""
        (tmp_path / "resolv").write_text("nameserver 192.0.2.1\n")
        os.symlink("../run/resolve/stub.conf", os.path.join(own_rootfs, "etc", "resolv.conf"))
        seen = self._bind(runtime, own_rootfs, tmp_path / "resolv", "/etc/resolv.conf", "cat /etc/resolv.conf")
        assert seen == "nameserver 192.0.2.1\n"
        assert os.path.islink(os.path.join(own_rootfs, "etc", "resolv.conf"))

    def test_a_directory_over_symlinks(self, runtime, own_rootfs, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "here").write_text("")
        os.symlink("/srv/real", os.path.join(own_rootfs, "link"))
        assert self._bind(runtime, own_rootfs, tmp_path / "data", "/link/sub", "ls /srv/real/sub") == "here\n"
        assert not os.path.exists("/srv/real")

    def test_a_source_that_is_a_symlink(self, runtime, rootfs, tmp_path):
        (tmp_path / "real").write_text("content")
        os.symlink(tmp_path / "real", tmp_path / "link")
        assert self._bind(runtime, rootfs, tmp_path / "link", "/etc/file", "cat /etc/file") == "content"

    def test_a_socket(self, runtime, rootfs, tmp_path):
        import socket

        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "socket"))
            seen = self._bind(runtime, rootfs, tmp_path / "socket", "/run/x.sock", "test -S /run/x.sock && echo yes")
        assert seen == "yes\n"

    def test_the_order_is_the_configurations(self, runtime, rootfs, tmp_path):
        (tmp_path / "a").mkdir()
        document = config(rootfs, "sh", "-c", "ls /m; stat -f -c %T /m/a")
        document["mounts"] += [
            {"destination": "/m", **tmpfs()},
            {"destination": "/m/a", "source": str(tmp_path / "a"), "options": ["bind", "ro"]},
        ]
        assert out(runtime, document).split()[0] == "a"

    def test_tmpcopyup(self, runtime, rootfs):
        document = config(rootfs, "sh", "-c", "cat /etc/passwd | head -1; echo more >> /etc/passwd && echo written")
        document["mounts"].append({"destination": "/etc", **tmpfs("tmpcopyup")})
        assert out(runtime, document).split("\n")[1] == "written"
        with open(os.path.join(rootfs, "etc", "passwd"), encoding="ascii") as file:
            assert "more" not in file.read()

    def test_a_device_in_a_user_namespace_must_be_the_hosts(self, runtime, rootfs):
        document = config(rootfs, "true")
        document["linux"]["namespaces"].append({"type": "user"})
        document["linux"].update(uidMappings=ID_MAP, gidMappings=ID_MAP)
        document["linux"]["devices"] = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 5}]
        done = runtime.run(document)
        assert done.returncode == 1
        assert "cannot make the device /dev/null: the host has something else there" in done.stderr
