# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aoci check``: whatever is damaged in the store is found, named and mended, and nothing else is touched."""

from __future__ import annotations

import os
import platform
import random
import shutil
import stat
import subprocess
import threading
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cli.check_verb import mounted_by
from ansible_collections.agentless.oci.plugins.module_utils.container import records
from ansible_collections.agentless.oci.plugins.module_utils.image.auth import Access
from ansible_collections.agentless.oci.plugins.module_utils.image.check import check
from ansible_collections.agentless.oci.plugins.module_utils.image.compare import differences
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.media import host_platform
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from oci_layout import directory, member, write_layout

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")
IMAGE = "localhost/tests/busybox:1"  # the fixture host's
CAPABILITY = {"SCHILY.xattr.user.note": "kept"}


def layers():
    """Three, of every kind of entry; the last needs what lies below."""
    numbers = random.Random(5)
    base = [
        directory("etc"),
        member("etc/passwd", content=b"root:x:0:0::/:/bin/sh\n"),
        member("etc/shadow", content=b"root:*\n", mode=0o600, uid=0, gid=42),
        directory("usr/bin"),
        member("usr/bin/tool", content=numbers.randbytes(300_000), mode=0o4755, pax_headers=CAPABILITY),
        member("usr/bin/same", b"1", linkname="usr/bin/tool"),
        member("usr/bin/link", b"2", linkname="tool"),
        member("dev", b"5", mode=0o755),
        member("dev/null", b"3", devmajor=1, devminor=3, mode=0o666),
    ]
    middle = [directory("etc"), member("etc/.wh.shadow"), member("etc/hosts", content=b"127.0.0.1 localhost\n")]
    top = [member("usr/bin/more", content=numbers.randbytes(10_000)), member("copy", b"1", linkname="etc/passwd")]
    return [base, middle, top]


@pytest.fixture(scope="module")
def name(tmp_path_factory, registry):
    path = tmp_path_factory.mktemp("layout")
    write_layout(path, layers(), host_platform(platform.machine()).architecture)
    image = f"{registry.address}/check/app:1"
    command = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{path}:test", f"docker://{image}"]
    subprocess.run(command, check=True)
    return image


@pytest.fixture
def store(state_dir):
    return Store(StateDir(state_dir))


@pytest.fixture
def image(name, store):
    return apply(plan(ImageRequest(name), store), store)


def problems(store, **options):
    return [str(problem) for problem in check(store, **options).problems]


def damage(path, offset=100):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def snapshot(root):
    """Everything about every entry below *root* that a check must not change."""
    found = {}
    for path, directories, files in os.walk(root):
        if "/run" in path:
            continue
        for entry in directories + files:
            status = os.lstat(os.path.join(path, entry))
            if not stat.S_ISDIR(status.st_mode):
                found[os.path.join(path, entry)] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def test_a_whole_store_is_whole_and_stays_as_it_is(image, store, state_dir):
    before = snapshot(state_dir)
    done = check(store)
    assert (done.problems, done.images, done.blobs, done.layers) == ([], 1, 5, 3)
    assert check(store, repair=True, access=Access()).problems == []
    assert snapshot(state_dir) == before


def test_an_empty_store_is_whole_and_stays_empty(tmp_path):
    store = Store(StateDir(str(tmp_path / "none")))
    assert check(store, repair=True).problems == []
    assert not os.path.exists(tmp_path / "none")


@pytest.mark.parametrize("part", ["layer", "config", "manifest"])
@pytest.mark.parametrize("how", ["damaged", "missing", "cut off"])
def test_a_blob(image, name, store, part, how):
    layer = image.manifest["layers"][0]["digest"]
    digest = {"layer": layer, "config": image.id, "manifest": image.digest}[part]
    path = store.blob_path(digest)
    if how == "damaged":
        damage(path)
    elif how == "cut off":
        os.truncate(path, 50)
    else:
        os.unlink(path)
    fault = "it is missing" if how == "missing" else "its content does not have that digest"
    found = problems(store)
    assert f"blob {digest} of {name}: {fault}" in found
    if part == "layer":
        assert found[1:] == [f"layer {image.layers[0]} of {name}: it cannot be verified without its blob {layer}"]
    assert not os.path.exists(path) or problems(store) == found  # looking changed nothing
    whole = [store.blob_path(each) for each in (image.digest, image.id, layer) if each != digest]
    before = [os.stat(each).st_ino for each in whole]
    mended = check(store, repair=True, access=Access())
    assert mended.left == []
    assert [os.stat(each).st_ino for each in whole] == before  # what was good was left alone
    assert f"pulled again from {name.rpartition(':')[0]}" in str(mended.problems[0])
    assert problems(store) == []
    again = store.find(name)
    assert (again.id, again.digest, again.origin) == (image.id, image.digest, image.origin)
    assert [layer for layer in store.images() if not layer.names] == []


CHANGES = {
    "content": (0, lambda root: damage(root + "/usr/bin/tool"), "usr/bin/tool was changed at another time"),
    "hidden content": (0, lambda root: quietly(root + "/usr/bin/tool"), "usr/bin/tool has another content"),
    "size": (0, lambda root: os.truncate(root + "/etc/passwd", 3), "etc/passwd has 3 bytes, not 22"),
    "mode": (0, lambda root: os.chmod(root + "/usr/bin/tool", 0o755), "usr/bin/tool has mode 0755, not 4755"),
    "owner": (0, lambda root: os.chown(root + "/etc/shadow", 7, 7), "etc/shadow belongs to 7:7, not 0:42"),
    "attribute": (0, lambda root: os.removexattr(root + "/usr/bin/tool", "user.note"), "has other extended attributes"),
    "removed": (0, lambda root: os.unlink(root + "/etc/passwd"), "etc/passwd is missing"),
    "added": (0, lambda root: os.mkfifo(root + "/etc/new"), "etc/new is not of the image"),
    "kind": (0, lambda root: become_directory(root + "/usr/bin/link"), "usr/bin/link is a directory, not a symlink"),
    "target": (0, lambda root: retarget(root + "/usr/bin/link"), "usr/bin/link points elsewhere"),
    "hard link": (0, lambda root: unlink_from(root + "/usr/bin/same"), "is linked to other files than it should be"),
    "device": (0, lambda root: other_device(root + "/dev/null"), "dev/null is another device"),
    "whiteout": (1, lambda root: os.unlink(root + "/etc/shadow"), "etc/shadow is missing"),
    "root": (1, lambda root: os.chmod(root, 0o700), "the root directory has mode 0700, not 0755"),
    "needs lower": (2, lambda root: quietly(root + "/copy", 3), "copy has another content"),
    "underlay": (1, lambda root: shutil.rmtree(root + ".underlay"), "the directories below its deletions are missing"),
    "below a deletion": (1, lambda root: os.rmdir(root + ".underlay/etc"), "etc is missing"),
    "all": (2, shutil.rmtree, "it is not unpacked"),
}


def quietly(path, offset=100):
    status = os.stat(path)
    damage(path, offset)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def become_directory(path):
    os.unlink(path)
    os.mkdir(path)


def retarget(path):
    status = os.lstat(path)
    os.unlink(path)
    os.symlink("other", path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def unlink_from(path):
    shutil.copy2(path, path + ".copy")
    os.rename(path + ".copy", path)


def other_device(path):
    status = os.stat(path)
    os.unlink(path)
    os.mknod(path, status.st_mode, os.makedev(1, 5))


@pytest.mark.parametrize("change", CHANGES)
def test_a_layer(image, name, store, change):
    index, spoil, told = CHANGES[change]
    stack = store.layer_paths(image)
    paths = [path for path in stack if not path.endswith(".underlay")]
    before = os.stat(paths[0]).st_ino, os.stat(paths[1]).st_ino
    spoil(paths[index])
    found = problems(store)
    assert found[0].startswith(f"layer {image.layers[index]} of {name}: ")
    # The topmost took what it links to from below: it is not blamed for what is wrong there.
    below = f"layer {image.layers[2]} of {name}: it cannot be verified as long as a layer below it is damaged"
    assert found[1:] in ([], [below])
    assert told in found[0]
    assert problems(store) == found
    mended = check(store, repair=True)  # without a registry: the blob is good
    assert [problem.remedy for problem in mended.problems] in (["unpacked again"], ["unpacked"])
    assert problems(store) == []
    assert store.layer_paths(store.find(name)) == stack
    for other in {0, 1} - {index}:
        assert os.stat(paths[other]).st_ino == before[other]  # what was whole was not replaced


@pytest.mark.parametrize("part", ["manifest", "config"])
def test_what_is_still_json_but_damaged_is_not_believed(image, name, store, part):
    path = store.blob_path(image.digest if part == "manifest" else image.id)
    with open(path, "rb") as file:
        raw = file.read()
    key = b'"layers"' if part == "manifest" else b'"diff_ids"'
    assert key in raw
    with open(path, "wb") as file:
        file.write(raw.replace(key, key.upper()).replace(b'"digest"', b'"digesu"'))
    [problem] = problems(store)
    assert problem.startswith(f"blob {image.digest if part == 'manifest' else image.id} of {name}: ")
    assert check(store, repair=True, access=Access()).left == []
    assert problems(store) == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "it is missing"),
        ("{}", "it is damaged"),
        ('{"imageLayoutVersion": "0.9"}', "it is for version 0.9 of image layouts"),
    ],
)
def test_the_mark_of_a_layout(image, name, store, content, fault):
    """Without it skopeo and umoci take the directory for none."""
    mark = os.path.join(store.state.images, "oci-layout")
    os.unlink(mark)
    if content is not None:
        with open(mark, "w", encoding="ascii") as file:
            file.write(content)
    assert problems(store) == [f"{mark}: {fault}"]
    assert [str(problem) for problem in check(store, repair=True).problems] == [f"{mark}: {fault} (written again)"]
    assert problems(store) == []
    subprocess.run(["skopeo", "inspect", f"oci:{store.state.images}:{name}"], check=True, stdout=subprocess.DEVNULL)


def test_a_blob_and_its_layer_at_once(image, name, store):
    damage(store.blob_path(image.manifest["layers"][0]["digest"]))
    quietly(os.path.join(store.layer_paths(image)[0], "usr/bin/tool"))
    mended = check(store, repair=True, access=Access())
    assert [problem.remedy.split(" from")[0] for problem in mended.problems] == ["pulled again", "unpacked again"]
    assert problems(store) == []


def test_what_cannot_be_pulled_again_says_why(store, tmp_path):
    (tmp_path / "file").write_text("x")
    request = ImageRequest("localhost:1/made/here:1", source={"rootfs": str(tmp_path)})
    image = apply(plan(request, store), store)
    damage(store.blob_path(image.manifest["layers"][0]["digest"]), 20)
    done = check(store, repair=True, access=Access())
    assert len(done.left) == 2
    assert "it could not be pulled again: cannot" in str(done.left[0])
    assert "localhost:1" in str(done.left[0])
    assert store.has_blob(image.manifest["layers"][0]["digest"])  # it was not thrown away for nothing
    assert store.layer_paths(image)


def test_a_damaged_blob_that_no_image_needs_is_deleted(image, store):
    digest = store.put_blob(b"left over" * 100)
    assert problems(store) == []
    damage(store.blob_path(digest))
    assert problems(store) == [
        f"blob {digest}, which no image needs: its content does not have that digest",
    ]
    assert [problem.remedy for problem in check(store, repair=True).problems] == ["deleted"]
    assert not store.has_blob(digest)


def test_a_layer_that_is_mounted_is_not_replaced(image, name, store):
    path = store.layer_paths(image)[0]
    os.chmod(os.path.join(path, "etc"), 0o700)
    done = check(store, repair=True, users=lambda asked: ["web"] if asked == path else [])
    assert "stop web first" in str(done.left[0])
    assert stat.S_IMODE(os.stat(os.path.join(path, "etc")).st_mode) == 0o700


def test_a_container_that_has_no_name_yet_has_its_layers_mounted_all_the_same(host):
    """So it is from its monitor's start until it runs, and while it takes the place of another."""
    host.run(name="web")
    record = records.load(host.state, "web")
    os.unlink(os.path.join(host.state.containers, "web"))
    assert mounted_by(host.state, record.spec["layers"][0]) == ["web"]
    assert mounted_by(host.state, "/another") == []
    records.publish(host.state, record)
    host.run(name="web", state="stopped")
    assert mounted_by(host.state, record.spec["layers"][0]) == []


def test_nobody_mounts_a_layer_between_look_and_change(host):
    """A container that is started while a layer is replaced waits for that."""
    host.run(name="web", state="present")
    begun = threading.Event()

    def users(_path):
        begun.set()
        time.sleep(0.5)
        return []

    store = Store(host.state)
    [path] = store.layer_paths(store.find(IMAGE))
    os.chmod(os.path.join(path, "bin"), 0o700)
    repair = threading.Thread(target=check, args=(store,), kwargs={"repair": True, "users": users})
    repair.start()
    assert begun.wait(120)
    assert host.shell("stat -c %a /bin") == "755\n"
    repair.join(120)


def test_several_repairs_at_once(image, name, store):
    for layer in image.manifest["layers"]:
        damage(store.blob_path(layer["digest"]))
    damage(store.blob_path(image.id))
    for path in store.layer_paths(image):
        os.chmod(path, 0o700)
    command = ["/usr/bin/python3", "-I", AOCI, "check", "--repair"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _each in "1234"]
    for process in running:
        out, said = process.communicate(timeout=120)
        assert process.returncode == 0, out + said
        assert said == ""
    assert problems(store) == []
    assert store.find(name).id == image.id
    assert os.listdir(store.partial) == []


def test_a_check_that_is_killed_leaves_nothing_in_the_way(image, name, store, state_dir):
    left = os.path.join(state_dir, "layers/sha256", f".{image.layers[0].partition(':')[2]}.unpacking")
    os.mkdir(left)
    assert problems(store) == []
    assert not os.path.exists(left)


def test_trees_that_are_the_same_are_the_same(image, store, tmp_path):
    for path in store.layer_paths(image):
        subprocess.run(["cp", "-a", path, tmp_path / "copy"], check=True)
        assert list(differences(path, str(tmp_path / "copy"))) == []
        shutil.rmtree(tmp_path / "copy")


def test_the_command(host, name):
    host.image("localhost/app:1")
    assert host.aoci("check").stdout == "1 image, 3 blobs and 1 layer: all is whole\n"
    host.run(name="web", image="localhost/app:1")
    store = Store(host.state)
    [path] = store.layer_paths(store.find("localhost/app:1"))
    os.chmod(os.path.join(path, "bin"), 0o700)
    found = host.aoci("check", check=False)
    assert found.returncode == 1
    assert "bin has mode 0700, not 0755" in found.stdout
    assert "1 problem, 0 repaired" in found.stdout
    assert "aoci check --repair" in found.stderr
    refused = host.aoci("check", "--repair", check=False)
    assert refused.returncode == 1
    assert "stop web first" in refused.stdout
    host.task(name="web", state="stopped")
    mended = host.aoci("check", "--repair")
    assert "(unpacked again)" in mended.stdout
    assert host.aoci("check").returncode == 0
    host.run(name="web", image="localhost/app:1", state="started")
    assert host.status("web")["Status"] == "running"
