# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of images that are taken away: what goes with them and what stays, on full disks and killed at every step."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container.prune import prune
from ansible_collections.agentless.oci.plugins.module_utils.image.check import check
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from image_store import OLD, Images


def test_a_damaged_config_does_not_cost_the_named_image_its_blobs(images):
    image = images.make("localhost/app:1", "a")
    with open(images.store.blob_path(image.id), "r+b") as file:
        file.write(b"\0")
    images.prune()
    assert all(images.store.has_blob(layer["digest"]) for layer in image.manifest["layers"])
    assert images.store.has_blob(image.id)


def test_a_damaged_pin_deletes_nothing(images):
    image = images.make("localhost/app:1", "a")
    images.store.pin("c" * 64, image)
    with open(images.store.pins.path("c" * 64), "wb") as file:
        file.write(b"{")
    with pytest.raises(ImageError, match="is damaged"):
        images.store.remove("localhost/app:1")
    assert images.store.layers.paths(image.layers) is not None


def test_a_removal_waits_for_the_pull_that_is_about_to_name_what_it_has(images):
    store = images.store
    images.make("localhost/app:1", "a")
    store.prepare()
    with store.locked():  # as every pull does from its first blob to its name
        digest = store.put_blob(b"something a pull has just fetched")
        other = threading.Thread(target=Store(StateDir(images.root)).remove, args=("localhost/app:1",))
        other.start()
        other.join(0.3)
        assert other.is_alive()
        assert store.has_blob(digest)
        store.set_names(digest, "application/vnd.oci.image.manifest.v1+json", 33, ["localhost/new:1"])
    other.join(120)
    assert not other.is_alive()
    assert store.has_blob(digest)
    assert store.find("localhost/app:1") is None


def test_a_tag_or_a_container_for_an_image_that_is_gone_says_so(images):
    image = images.make("localhost/app:1", "a")
    images.store.remove("localhost/app:1")
    with pytest.raises(ImageError, match="removed meanwhile"):
        images.store.tag(image, ["localhost/other:1"])
    with pytest.raises(ImageError, match="is missing"):
        images.store.pin("c" * 64, image)
    assert not os.path.exists(images.store.pins.path("c" * 64))


def test_an_id_takes_away_all_that_have_it(images):
    """Two manifests of one config, as an image has them that was compressed in two ways."""
    image = images.make("localhost/app:1", "a")
    raw = json.dumps({**image.manifest, "annotations": {"another": "manifest"}}).encode()
    digest = images.store.put_blob(raw)
    images.store.set_names(digest, image.manifest["mediaType"], len(raw), ["localhost/app:2"])
    assert {entry.id for entry in images.store.images()} == {image.id}
    assert len(images.names()) == 2
    images.store.remove(image.id)
    assert images.names() == []
    assert os.listdir(os.path.join(images.root, "images/blobs/sha256")) == []


def test_what_was_verified_stays_so_as_long_as_it_is_the_same(images):
    store = images.store
    image = images.make("localhost/app:1", "a")
    store.mark_verified(image.digest, "localhost/other", "a mark")
    assert store.find("localhost/app:1").verified == frozenset()
    store.mark_verified(image.digest, "localhost/app", "a mark")
    store.tag(image, ["localhost/app:1", "localhost/elsewhere:1"])
    assert store.find("localhost/app:1").verified == {"a mark"}
    assert store.find(image.id).verified == {"a mark"}
    assert store.find("localhost/elsewhere:1").verified == frozenset()
    other = images.make("localhost/else:1", "b")
    store.tag(other, ["localhost/app:1"])
    assert store.find("localhost/app:1").verified == frozenset()


def visible(root):
    """All that is in the store, less what a lock or a temporary name is."""
    found = {}
    for part in ("images", "layers"):
        for path, directories, files in os.walk(os.path.join(root, part)):
            for name in directories + files:
                found[os.path.relpath(os.path.join(path, name), root)] = os.path.isdir(os.path.join(path, name))
    return found


def contents(root):
    """The files of each unpacked layer that has its name."""
    directory = os.path.join(root, "layers/sha256")
    return {name: sorted(os.listdir(os.path.join(directory, name))) for name in os.listdir(directory) if name[0] != "."}


def killed_at(step, work):
    """Whether *work* in a process of its own, killed in front of its *step*-th change of a directory, got that far."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            left = [step]

            def counting(call):
                def counted(*arguments, **options):
                    left[0] -= 1
                    if not left[0]:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return call(*arguments, **options)

                return counted

            for name in ("unlink", "rename", "rmdir"):
                setattr(os, name, counting(getattr(os, name)))
            work()
            status = 0
        finally:
            os._exit(status)
    _pid, ended = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0
    return os.WIFSIGNALED(ended)


@pytest.mark.parametrize("how", ["removal", "prune"])
def test_killed_at_every_step_it_leaves_names_that_are_whole_and_the_next_run_ends_it(images, tmp_path, how):
    images.make("localhost/gone:1", "a")
    images.make("localhost/shares:1", "a", other="yes")
    images.make("localhost/gone:1", "b", age=OLD + 1)  # the first is dangling now
    kept = images.make("localhost/kept:1", "c", keep="yes")
    template = images.root

    def work(root):
        store = Store(StateDir(root))
        if how == "removal":
            store.remove("localhost/gone:1")
        else:
            options = {"dangling": False, "exclude_label": ["keep"]}
            params = {"root": root, "containers": False, "containers_filters": None, "images": True}
            prune({**params, "images_filters": options}, check_mode=False, now=time.time())

    def copy(name):
        root = str(tmp_path / name)
        subprocess.run(["cp", "-a", template, root], check=True)
        return root

    undisturbed = copy("undisturbed")
    work(undisturbed)
    expected = visible(undisturbed)
    assert expected != visible(template)
    step = 0
    while True:
        step += 1
        root = copy(f"step{step}")
        killed = killed_at(step, lambda root=root: work(root))
        store = Store(StateDir(root))
        named = [image for image in store.images() if image.names]
        assert kept.id in [image.id for image in named]
        for image in named:  # no name leads to something half gone
            assert store.is_complete(image)
            assert all(store.has_blob(layer["digest"]) for layer in image.manifest["layers"])
        assert check(store).problems == []
        assert contents(root).items() <= contents(template).items()  # nor does a later pull find half a layer
        work(root)
        store.collect()
        assert visible(root) == expected, step
        shutil.rmtree(root)
        if not killed:
            break
    assert step > 8


@pytest.fixture
def full(tmp_path):
    """Images on a file system of their own, and a function that fills it up."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mounted], check=True)

    def fill():
        with pytest.raises(OSError, match="No space left"), open(mounted / "filler", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    yield Images(str(mounted / "root"), tmp_path), fill
    subprocess.run(["umount", mounted], check=True)


@pytest.mark.parametrize("how", ["name", "id", "prune"])
def test_on_a_full_disk_images_can_still_be_removed(full, how):
    """For that is what one removes them for; although index.json has no room any more to be written anew."""
    images, fill = full
    kept = images.make("localhost/kept:1", "a", keep="yes")
    gone = images.make("localhost/gone:1", "b")
    fill()
    if how == "prune":
        options = {"dangling": False, "exclude_label": ["keep"]}
        params = {"root": images.root, "containers": False, "containers_filters": None, "images": True}
        prune({**params, "images_filters": options}, check_mode=False, now=time.time())
    else:
        images.store.remove("localhost/gone:1" if how == "name" else gone.id)
    assert images.names() == ["localhost/kept:1"]
    assert images.store.is_complete(kept)
    assert check(images.store).problems == []
    assert len(os.listdir(os.path.join(images.root, "images/blobs/sha256"))) == 3
    assert len(os.listdir(os.path.join(images.root, "layers/sha256"))) == 1


def test_on_a_full_disk_a_name_that_cannot_be_taken_away_stays(full):
    """What it has in common with another image frees nothing."""
    images, fill = full
    image = images.make("localhost/one:1", "a", tags=["localhost/two:1"])
    fill()
    with pytest.raises(OSError, match="No space left"):
        images.store.remove("localhost/two:1")
    assert images.names() == ["localhost/one:1", "localhost/two:1"]
    assert images.store.is_complete(image)
    left = images.store.partial_path("sha256:" + "1" * 64)
    os.rename(os.path.join(os.path.dirname(images.root), "filler"), left)  # a pull has filled the disk
    images.store.remove("localhost/two:1")
    assert images.store.find("localhost/two:1") is None
    assert images.store.is_complete(image)
    assert not os.path.exists(left)
