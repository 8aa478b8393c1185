# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files into containers and out of them: oci_container_copy's work, proven by what is there afterwards."""

from __future__ import annotations

import base64
import io
import json
import os
import stat
import subprocess
import sys
import tarfile

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.container import copymodule
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.modules import oci_container_copy
from conftest import WAIT
from old_kernels import kernel

STATES = ["running", "paused", "stopped", "created"]


@pytest.fixture
def copy(host):
    """Call as copy(check=…, diff=…, **options of the module): the result."""

    def run(check=False, diff=False, **given):
        known = {name: option.get("default") for name, option in oci_container_copy.ARGUMENT_SPEC.items()}
        params = {**known, "name": "web", "root": host.root, **given}
        return copymodule.perform(params, check_mode=check, diff=diff)

    return run


def have(host, state, **given):
    """A container in *state*."""
    host.run(command=WAIT, state="present" if state == "created" else "started", **given)
    if state == "paused":
        runtime(host, "pause")
    elif state == "stopped":
        host.task(state="stopped")


def runtime(host, verb):
    """Carry out a verb of the runtime's on it."""
    container = os.path.basename(os.readlink(os.path.join(host.root, "containers/web")))[1:]
    return host.aoci("--root", os.path.join(host.root, "run/runtime"), verb, container, check=False).stdout


def status(host):
    return json.loads(runtime(host, "state") or '{"status": "stopped"}')["status"]


def seen(host, script):
    """What a shell in the container prints, which is started or resumed for that."""
    runtime(host, "resume")
    host.task(state="started")
    return host.aoci("exec", "web", "sh", "-c", f"{script}; true").stdout.splitlines()


def tree(path):
    """A source with something of every kind."""
    (path / "sub" / "empty").mkdir(parents=True)
    (path / "one").write_text("1\n")
    (path / "one").chmod(0o640)
    (path / "sub" / "two").write_bytes(b"\0\xff" * 40000)
    os.chown(path / "sub" / "two", 1234, 4321)
    (path / "sub" / "two").chmod(0o4755)
    (path / "sub").chmod(0o750)
    (path / "link").symlink_to("/etc/passwd")
    return str(path)


def listing(path):
    """Every path below *path* with its kind, mode, owners and content."""
    found = {}
    for directory, names, files in os.walk(path):
        for name in [*names, *files]:
            full = os.path.join(directory, name)
            status = os.lstat(full)
            content = os.readlink(full) if os.path.islink(full) else b""
            if stat.S_ISREG(status.st_mode):
                with open(full, "rb") as file:
                    content = file.read()
            found[os.path.relpath(full, path)] = (status.st_mode, status.st_uid, status.st_gid, content)
    return found


@pytest.mark.parametrize("state", STATES)
def test_content_whatever_the_container_does(host, copy, state):
    have(host, state, volumes=[f"{host.rootfs}/bin:/data"] if state != "created" else [])
    given = {"content": "new\n", "dest": "/etc/motd", "mode": "0640", "owner": "app", "group": "2000"}
    foreseen = copy(check=True, **given)
    done = copy(**given)
    assert done == foreseen
    assert (done["changed"], done["actions"], done["dest"]) == (True, ["wrote /etc/motd"], "/etc/motd")
    assert (done["mode"], done["uid"], done["gid"], done["size"]) == ("0640", 1000, 2000, 4)
    again = copy(**given)
    assert (again["changed"], again["actions"], again["checksum"]) == (False, [], done["checksum"])
    changed = copy(**{**given, "mode": 0o600, "group": None})
    assert changed["actions"] == ["set mode 0600 of /etc/motd"]
    assert status(host) == {"created": "stopped"}.get(state, state)
    assert seen(host, "stat -c '%a %u %g' /etc/motd; cat /etc/motd; ls -A /etc | grep aoci-copy") == [
        "600 1000 2000",
        "new",
    ]


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_directories_in_and_out_again(host, copy, tmp_path, state):
    source, out = tree(tmp_path / "source"), tmp_path / "out"
    have(host, state)
    given = {"src": source, "dest": "/home/www", "remote_src": True, "owner": "preserve", "group": "preserve"}
    foreseen = copy(check=True, **given)
    done = copy(**given)
    assert done == foreseen
    assert done["actions"][:3] == [
        "made directory /home/www",
        "made directory /home/www/source",
        "linked /home/www/source/link",
    ]
    assert done["dest"] == "/home/www/source"
    assert copy(**given)["actions"] == []
    back = {"src": "/home/www/source/", "dest": str(out), "from_container": True}
    copy(**back, owner="preserve", group="preserve", mode="preserve")
    here, there = listing(source), listing(out)
    mode, *rest = here["sub/two"]
    assert there == {**here, "sub/two": (mode & ~stat.S_ISUID, *rest)}  # never a set-user-id file of a container's
    assert copy(**back, owner="preserve", group="preserve")["changed"] is False
    os.unlink(out / "one")
    os.chmod(out / "sub", 0o700)
    (out / "link").unlink()
    (out / "link").symlink_to("elsewhere")
    (out / "other").touch()
    assert copy(**back)["actions"] == [
        f"linked {out}/link",
        f"wrote {out}/one",
        f"set mode 0750 of {out}/sub",
    ]
    assert set(listing(out)) == {*here, "other"}
    assert seen(host, "stat -c '%a %u:%g' /home/www/source/sub/two; readlink /home/www/source/link") == [
        "4755 1234:4321",
        "/etc/passwd",
    ]


def test_what_is_a_directory_is_copied_into(host, copy, tmp_path):
    (tmp_path / "file").write_text("x")
    have(host, "running")
    host.aoci("exec", "web", "sh", "-c", "mkdir -p /d/sub; ln -s /d/sub /to; ln -s /nowhere /d/gone")
    source = {"src": str(tmp_path / "file"), "remote_src": True}
    for dest, place in (
        ("/d", "/d/file"),
        ("/to", "/to/file"),
        ("/to/", "/to/file"),
        ("/new/below/", "/new/below/file"),
        ("/d/other", "/d/other"),
    ):
        assert copy(**source, dest=dest)["dest"] == place
    assert copy(src=f"{tmp_path}/", remote_src=True, dest="/to")["dest"] == "/to"
    assert seen(host, "ls -d /d/sub/file /new/below/file /d/other") == ["/d/other", "/d/sub/file", "/new/below/file"]
    with pytest.raises(Error, match="there is no directory /missing in container web"):
        copy(**source, dest="/missing/file")


def test_symlinks_in_the_place_of_a_file_and_of_the_source(host, copy, tmp_path):
    (tmp_path / "victim").write_text("of the host")
    have(host, "running")
    host.aoci(
        "exec", "web", "sh", "-c", f"mkdir /d; ln -s /d/target /l; ln -s {tmp_path}/victim /abs; mkdir -p {tmp_path}"
    )
    copy(content="a", dest="/l")
    copy(content="b", dest="/abs", follow=True)
    assert copy(content="b", dest="/abs", follow=True)["changed"] is False
    assert seen(host, f"test -L /l || cat /l; echo; cat {tmp_path}/victim; echo; test -L /abs && echo link") == [
        "a",
        "b",
        "link",
    ]
    assert (tmp_path / "victim").read_text() == "of the host"
    out = {"from_container": True, "dest": f"{tmp_path}/out"}
    copy(src="/abs", **out)
    assert (tmp_path / "out").read_text() == "b"
    os.unlink(tmp_path / "out")
    copy(src="/abs", local_follow=False, **out)
    assert os.readlink(tmp_path / "out") == f"{tmp_path}/victim"


def test_only_if_it_is_not_there(host, copy):
    have(host, "running")
    assert copy(content="a", dest="/f", force=False)["changed"]
    assert copy(content="b", dest="/f", force=False)["changed"] is False
    assert seen(host, "cat /f") == ["a"]


def test_volumes_and_tmpfs_of_one_that_runs_and_of_one_that_does_not(host, copy, tmp_path):
    volume, single = tmp_path / "volume", tmp_path / "single"
    volume.mkdir()
    single.write_text("host's\n")
    given = [f"{volume}:/v", f"{volume}:/r:ro", f"{single}:/one", "named:/named"]
    have(host, "running", volumes=given, tmpfs=["/t"])
    copy(content="1", dest="/named/running")
    copy(content="1", dest="/v/running")
    copy(content="1", dest="/t/f")
    with pytest.raises(
        Error, match=r"cannot write /one in container web: .*busy\. A file of the host is mounted there"
    ):
        copy(content="1", dest="/one")
    with pytest.raises(Error, match="cannot write /r/f in container web: Read-only"):
        copy(content="1", dest="/r/f")
    host.task(state="stopped")
    copy(content="2", dest="/v/stopped")
    copy(content="2", dest="/named/stopped")
    assert sorted(os.listdir(os.path.join(host.root, "volumes/named/data"))) == ["running", "stopped"]
    assert sorted(os.listdir(volume)) == ["running", "stopped"]
    assert (volume / "stopped").read_text() == "2"
    copy(src="/v/", dest=f"{tmp_path}/out", from_container=True)
    assert sorted(os.listdir(tmp_path / "out")) == ["running", "stopped"]
    for place in ("/t/g", "/dev/f", "/proc/f"):
        with pytest.raises(Error, match="read-only, or there only while the container runs"):
            copy(content="1", dest=place)
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert host.root not in file.read()


def test_a_root_that_is_read_only(host, copy):
    have(host, "running", read_only=True, volumes=["named:/named"])
    for state in ("running", "stopped"):
        with pytest.raises(Error, match="cannot write /f in container web: Read-only file system"):
            copy(content="1", dest="/f")
        copy(content="1", dest=f"/named/{state}")
        host.task(state="stopped")
    assert sorted(os.listdir(os.path.join(host.root, "volumes/named/data"))) == ["running", "stopped"]


def test_check_mode_leaves_a_stopped_container_alone(host, copy, tmp_path):
    have(host, "created")
    upper = os.path.join(host.root, "containers/web/upper")
    before = listing(upper)
    assert copy(check=True, src=tree(tmp_path / "s"), remote_src=True, dest="/a/b/")["changed"]
    copy(src="/etc/", dest=f"{tmp_path}/etc", from_container=True)
    assert listing(upper) == before


def test_diffs(host, copy):
    have(host, "running")
    copy(content="old\n", dest="/f")
    done = copy(content="new\n", dest="/f", mode="0600", diff=True)
    assert done["diff"] == [
        {"before": {"path": "/f", "mode": "0644"}, "after": {"path": "/f", "mode": "0600"}},
        {"before_header": "/f", "after_header": "/f", "before": "old\n", "after": "new\n"},
    ]
    assert copy(content="new\n", dest="/f", mode="0600", diff=True)["diff"] == []
    binary = base64.b64encode(b"\0\1").decode()
    done = copy(content=binary, content_is_b64=True, dest="/f", diff=True, check=True)
    assert done["diff"][0]["after"].startswith("(2 bytes, SHA-256 ")
    assert seen(host, "cat /f") == ["new"]


REFUSED = [
    ({"content": "x", "dest": "f"}, "dest: f is not absolute"),
    ({"content": "x", "dest": "/d/"}, "dest: /d/ is a directory, and content has no name"),
    ({"content": "x", "dest": "/etc"}, "/etc is a directory in container web, and content has no name"),
    ({"content": "x", "dest": "/f", "mode": "u+x"}, "mode: 'u\\+x' is no mode"),
    ({"content": "x", "dest": "/f", "mode": "10000"}, "mode: '10000' is no mode"),
    ({"content": "x", "dest": "/f", "owner": "ghost"}, "no user 'ghost'"),
    ({"content": "x", "dest": "/f", "group": "4294967295"}, "'4294967295' is not the number of a group"),
    ({"content": "!", "content_is_b64": True, "dest": "/f"}, "not in base64"),
    ({"src": "/nothing", "remote_src": True, "dest": "/f"}, "there is no /nothing on the host"),
    ({"src": "/nothing", "from_container": True, "dest": "/f"}, "there is no /nothing in container web"),
    ({"src": "/dev/null", "from_container": True, "dest": "/tmp/f"}, "/dev/null in container web is a device"),
    ({"src": "/fifo", "from_container": True, "dest": "/tmp/f"}, "is a FIFO: only files"),
    ({"src": "/etc/", "from_container": True, "remote_src": True, "dest": "/f"}, "contradict each other"),
    ({"src": "/etc", "dest": "/f"}, "come by the action plugin"),
    ({"content": "x", "dest": "/proc/1/root/x"}, "Too many levels of symbolic links"),
    ({"content": "x", "dest": "/etc/passwd/x"}, "/etc/passwd in container web is not a directory"),
    ({"src": "/etc", "remote_src": True, "dest": "/file/below/"}, "/file in container web is not a directory"),
]


def test_what_cannot_be(host, copy):
    have(host, "running")
    host.aoci("exec", "web", "sh", "-c", "mkfifo /fifo; touch /file")
    for given, reason in REFUSED:
        for check in (True, False):
            with pytest.raises((Error, OSError), match=reason):
                copy(check, **given)


def test_owners_are_those_of_the_containers_user_namespace(host, copy, tmp_path):
    try:
        have(host, "running", userns_mode="private", volumes=[f"{tmp_path}:/v:idmap"])
    except Error as error:
        if "id-mapped" not in str(error):
            raise
        pytest.skip(str(error))
    for state in ("running", "stopped"):
        copy(content="x", dest=f"/{state}", owner="app", group="2000")
        copy(content="x", dest=f"/v/{state}", owner="5", group="6")
        copy(content="x", dest=f"/root-{state}")
        with pytest.raises(Error, match="there is no user 70000 in container web"):
            copy(content="x", dest="/f", owner="70000")
        done = copy(src=f"/{state}", dest=f"{tmp_path}/out/", from_container=True, owner="preserve")
        assert (done["uid"], done["gid"]) == (1000, 0)
        assert copy(content="x", dest=f"/{state}", owner="app", group="2000")["changed"] is False
        found = os.stat(tmp_path / state)
        assert (found.st_uid, found.st_gid) == (5, 6)
        host.task(state="stopped")
    assert seen(host, "stat -c %u:%g /running /stopped /root-running /root-stopped /v/running /v/stopped") == [
        *["1000:2000"] * 2,
        *["0:0"] * 2,
        *["5:6"] * 2,
    ]


def test_many_at_once_and_a_task_that_is_killed(host, copy, tmp_path):
    """What a killed copy has left goes with the next one of the file; of two at once the later wins."""
    have(host, "running")
    place = os.path.join(host.root, "containers/web/upper/.f.aoci-copy")
    host.aoci("exec", "web", "sh", "-c", "echo half > /.f.aoci-copy")
    assert os.path.exists(place)
    copy(content="whole\n", dest="/f")
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1 << 20))
    argv = ["cp", str(big), "web:/big"]
    command = [sys.executable, "-I", "-S", entry.__file__, "--root", host.root, *argv]
    running = [subprocess.Popen(command) for _number in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert seen(host, "cat /f; ls -A / | grep aoci-copy; wc -c < /big") == ["whole", str(1 << 20)]
    assert [name for name in os.listdir(os.path.join(host.root, "run/locks")) if name.startswith("copy-")] == []


def test_archives_in_and_out(host, copy, tmp_path):
    """As tar(1) and docker cp write them, and read them."""
    source = tree(tmp_path / "source")
    have(host, "running")
    command = [sys.executable, "-I", "-S", entry.__file__, "--root", host.root, "cp"]

    def into(dest, data, *words):
        return subprocess.run([*command, *words, "-", f"web:{dest}"], input=data, capture_output=True, check=False)

    packed = subprocess.run(["tar", "-C", source, "-cz", "."], stdout=subprocess.PIPE, check=True).stdout
    host.aoci("exec", "web", "mkdir", "/plain", "/kept")
    assert into("/plain", packed).stderr == b""
    assert into("/kept", packed, "-a").returncode == 0
    assert into("/kept", packed, "-a").returncode == 0
    script = "stat -c '%a %u:%g' /plain/sub/two /kept/sub/two /kept/sub; readlink /kept/link; cat /plain/one"
    assert seen(host, script) == ["4755 0:0", "4755 1234:4321", "750 0:0", "/etc/passwd", "1"]
    done = subprocess.run([*command, "web:/kept", "-"], capture_output=True, check=True).stdout
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-C", str(tmp_path / "out"), "-xp"], input=done, check=True)
    assert listing(tmp_path / "out/kept") == listing(source)
    for dest, data, reason in (
        ("/none", packed, "there is no directory /none in container web"),
        ("/etc/passwd", packed, "there is no directory /etc/passwd"),
        ("/plain", b"nonsense", "standard input is no tar archive"),
        ("/plain", archive("../outside"), "leads out of it"),
        ("/plain", archive("a/../../outside"), "leads out of it"),
        ("/plain", archive("sub"), "/plain/sub is a directory in container web, and a file was to be copied there"),
    ):
        failed = into(dest, data)
        assert (failed.returncode, reason in failed.stderr.decode()) == (1, True), (dest, failed.stderr)


def archive(name):
    """One with a file of this *name*."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as file:
        file.addfile(tarfile.TarInfo(name), io.BytesIO())
    return written.getvalue()


def test_names_that_are_no_text_and_a_file_that_never_ends(host, copy, tmp_path):
    have(host, "running")
    root = f"/proc/{host.status()['Pid']}/root"
    os.mkdir(f"{root}/d")
    with open(b"%s/d/\xff\n" % root.encode(), "wb") as file:
        file.write(b"x")
    host.aoci("exec", "-d", "web", "sh", "-c", "while :; do cat /bin/busybox; done > /d/growing")
    host.until(lambda: os.path.exists(f"{root}/d/growing") and os.path.getsize(f"{root}/d/growing"))
    given = {"src": "/d", "from_container": True, "dest": str(tmp_path / "out")}
    done = {}

    class Module:
        params = {name: option.get("default") for name, option in oci_container_copy.ARGUMENT_SPEC.items()}
        check_mode, _diff = False, True

        def exit_json(self, **result):
            done.update(result)

    Module.params = {**Module.params, "name": "web", "root": host.root, **given}
    copymodule.run(Module())
    assert json.dumps(done, ensure_ascii=False).encode()
    assert any("\ufffd" in line for line in done["actions"])
    assert sorted(os.listdir(tmp_path / "out/d")) == ["growing", "\udcff\n"]


def test_a_container_that_is_not_there_yet(host, copy):
    given = {"content": "x", "dest": "/f"}
    with pytest.raises(Error, match="there is no container web"):
        copy(**given)
    done = copy(check=True, **given)
    assert (done["changed"], "there is no container web now" in done["msg"]) == (True, True)


def test_as_docker_cp_does_it(host, tmp_path):
    """Its rules, one by one: what there is before, what is copied where, and what is there then."""
    have(host, "running")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "f").write_text("in a directory")
    (tmp_path / "f").write_text("f")
    os.chown(tmp_path / "f", 7, 8)
    (tmp_path / "l").symlink_to("f")
    host.aoci("exec", "web", "sh", "-c", "mkdir /have /out; echo old > /old; echo x > /out/x; chown 9:9 /out/x")
    for words, place in (
        (["f", "web:/new"], "/new"),
        (["f", "web:old"], "/old"),
        (["./f", "web:/have/"], "/have/f"),
        (["dir", "web:/made"], "/made/f"),
        (["dir", "web:/have"], "/have/dir/f"),
        (["dir/.", "web:/out"], "/out/f"),
        (["-a", "f", "web:/owned"], "/owned"),
        (["-L", "l", "web:/followed"], "/followed"),
        (["l", "web:/link"], "/link"),
        (["web:/out", "."], "out/x"),
        (["web:/out/.", "flat"], "flat/x"),
        (["-a", "web:/out/x", "kept"], "kept"),
    ):
        words = [str(tmp_path) + "/" + word[1:] if word.startswith("./") else word for word in words]
        argv = [sys.executable, "-I", "-S", entry.__file__, "--root", host.root, "cp", *words]
        done = subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), words
        if place.startswith("/"):
            assert host.aoci("exec", "web", "sh", "-c", f"test -e {place} || readlink {place}").returncode == 0
        else:
            assert (tmp_path / place).read_text() == "x\n"
    script = "cat /old; stat -c %u:%g /new /owned; readlink /link; test -L /followed; echo $?"
    assert seen(host, script) == ["f0:0", "7:8", "f", "1"]
    assert (os.stat(tmp_path / "kept").st_uid, os.stat(tmp_path / "out/x").st_uid) == (9, 0)
    for state in ("running", "stopped"):
        # Without openat2(2), open_tree(2) and mount_setattr(2).
        argv = [sys.executable, "-I", "-S", entry.__file__, "--root", host.root, "cp", "dir/.", f"web:/{state}"]
        done = subprocess.run(kernel("4.18", *argv), cwd=tmp_path, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        host.task(state="stopped")
    assert seen(host, "cat /running/f /stopped/f") == ["in a directoryin a directory"]
    for words, reason in (
        (["f", "g"], "one of the two has to be in a container"),
        (["web:/a", "web:/b"], "one of the two has to be in a container"),
        (["f", "web:/none/"], "there is no directory /none/ in container web"),
        (["f", "web:/none/g"], "there is no directory /none in container web"),
        (["dir", "web:/old"], "/old is a file in container web, and a directory was to be copied there"),
        (["web:/none", "g"], "there is no /none in container web"),
        (["f", "none:/g"], "there is no container none"),
    ):
        argv = [sys.executable, "-I", "-S", entry.__file__, "--root", host.root, "cp", *words]
        done = subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert (done.returncode, reason in done.stderr) == (1, True), (words, done.stderr)
