# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes from the store and what stays: names, containers, age, labels; check mode foretells it to the byte."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import records, stop, turns
from ansible_collections.agentless.oci.plugins.module_utils.container.prune import prune
from ansible_collections.agentless.oci.plugins.module_utils.image import info
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from faulty_proxy import Fault
from image_sources import pull
from image_store import Images
from oci_layout import member

ALL = {"name": None, "id": None, "label": None, "dangling": None}


def test_an_image_that_lost_its_name_is_dangling_until_a_prune(images):
    old = images.make("localhost/app:1", "a")
    new = images.make("localhost/app:1", "b")
    assert images.names() == ["localhost/app:1", "<none>"]
    done = images.prune()
    assert [image["id"] for image in done["images"]] == [old.id]
    assert done["images"][0]["names"] == []
    assert done["actions"] == [f"removed image {old.id}"]
    assert done["space_reclaimed"] > 5000
    assert images.store.find("localhost/app:1").id == new.id
    assert images.store.layer_paths(new)


def test_layers_that_another_image_shares_stay_and_are_not_counted(images):
    first = images.make("localhost/one:1", "a")
    second = images.make("localhost/two:1", "a", label="other")
    assert first.layers == second.layers
    assert first.id != second.id
    done = images.prune(images_filters={"dangling": False, "label": ["label=other"]})
    assert [image["names"] for image in done["images"]] == [["localhost/two:1"]]
    assert images.store.layer_paths(first)
    assert all(images.store.has_blob(layer["digest"]) for layer in first.manifest["layers"])


def test_filters_choose_by_age_and_label(images):
    images.make("localhost/old:1", "a")
    images.make("localhost/kept:1", "b", keep="yes")
    images.make("localhost/new:1", "c", age=int(time.time()) - 60)
    chosen = {"dangling": False, "until": "1h", "exclude_label": ["keep"]}
    assert images.prune(images_filters=chosen)["actions"] == ["removed image localhost/old:1"]
    assert images.names() == ["localhost/kept:1", "localhost/new:1"]


def test_an_image_that_does_not_say_its_age_is_as_old_as_its_time_here(images, tmp_path):
    (tmp_path / "content").write_text("x")
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "root.tar", "content"], check=True)
    request = ImageRequest("localhost/tar:1", source={"rootfs": str(tmp_path / "root.tar")})
    image = apply(plan(request, images.store), images.store)
    assert image.created == ""
    chosen = {"dangling": False, "until": "1h"}
    assert images.prune(images_filters=chosen)["images"] == []
    an_hour_later = time.time() + 3700
    assert images.prune(now=an_hour_later, images_filters=chosen)["actions"] == ["removed image localhost/tar:1"]


def test_unless_told_otherwise_names_stay(images):
    images.make("localhost/app:1", "a", tags=["localhost/app:latest"])
    done = images.prune()
    assert (done["changed"], done["images"]) == (False, [])
    assert len(images.names()) == 2


def test_what_a_container_uses_stays_whatever_the_filters(images):
    image = images.make("localhost/app:1", "a")
    images.store.pin("c" * 64, image)
    assert images.prune(images_filters={"dangling": False})["images"] == []
    apply(plan(ImageRequest("localhost/app:1", state="absent"), images.store), images.store)
    assert images.names() == ["<none>"]
    assert images.prune()["images"] == []
    assert images.store.layer_paths(image)
    images.store.pins.remove("c" * 64)
    images.make("localhost/else:1", "b")
    # Its name was removed on purpose and its container is gone: nothing knows it any more.
    done = images.prune(images_filters={"dangling": False, "label": ["no-such"]})
    assert done["actions"] == ["removed what nothing needs in the store of images"]
    assert done["images"] == []
    assert images.names() == ["localhost/else:1"]


def test_the_layers_of_a_container_stay_where_its_image_cannot_be_read_any_more(images):
    image = images.make("localhost/app:1", "a")
    images.store.pin("c" * 64, image)
    [path] = images.store.layer_paths(image)
    os.unlink(images.store.blob_path(image.id))
    images.store.collect()
    assert sorted(os.listdir(path)) == ["file", "linked"]


def test_what_killed_runs_left_goes_and_counts(images):
    image = images.make("localhost/app:1", "a")
    images.store.prepare()
    left = [
        images.store.partial_path("sha256:" + "1" * 64),
        images.store.blob_path("sha256:" + "2" * 64),
        os.path.join(images.root, "images", ".index.json.4711.tmp"),
        os.path.join(images.root, "layers/sha256/." + "3" * 64 + ".unpacking"),
        os.path.join(images.root, "layers/sha256/." + "4" * 64 + ".removing"),
    ]
    for path in left[:3]:
        with open(path, "wb") as file:
            file.write(b"y" * 10_000)
    for path in left[3:]:
        os.mkdir(path)
        with open(os.path.join(path, "file"), "wb") as file:
            file.write(b"y" * 10_000)
    done = images.prune()
    assert done["images"] == []
    assert done["space_reclaimed"] >= 50_000
    assert [path for path in left if os.path.exists(path)] == []
    assert images.store.find(image.id) is not None


def test_what_a_failed_pull_has_brought_stays_for_the_next_and_counts_in_a_prune(images, raw, proxy):
    """It has no name yet: blobs and layers that are whole, and a part of one that is not."""
    numbers = random.Random(4)
    layers = [[member(f"layer{index}", content=numbers.randbytes(300_000 * (index + 1)))] for index in range(3)]
    raw.image("prune/failed", layers, "1")
    name = f"{proxy.address}/prune/failed:1"
    document = raw.document("prune/failed", "1")
    last = document["layers"][2]

    def fails():
        proxy.rule = once_then_down(last["digest"])
        with pytest.raises(ImageError):
            pull(images.root, name)
        proxy.rule = lambda _seen: None

    fails()
    assert all(images.store.has_blob(layer["digest"]) for layer in document["layers"][:2])
    assert 0 < os.stat(images.store.partial_path(last["digest"])).st_size < last["size"]
    assert images.names() == []
    foretold = images.usage()
    done = images.prune()
    assert done["actions"] == ["removed what nothing needs in the store of images"]
    assert done["space_reclaimed"] > 600_000
    assert images.usage() < foretold

    fails()
    del proxy.seen[:]
    assert pull(images.root, name).names == [name]
    assert [seen.status for seen in proxy.asked("GET", "/blobs/")] == [206]
    images.store.remove(name)

    fails()
    images.make("localhost/app:1", "a")
    images.store.remove("localhost/app:1")  # any removal takes it along
    assert [path for path in images.listing() if os.path.isfile(path) and "/blobs/" in path] == []
    assert os.listdir(images.store.partial) == []


def test_a_pull_that_cannot_succeed_takes_away_what_it_brought_and_no_more(images, raw, proxy):
    numbers = random.Random(5)
    layers = [[member(f"layer{index}", content=numbers.randbytes(300_000 * (index + 1)))] for index in range(3)]
    raw.image("prune/cut", layers, "1")
    proxy.rule = once_then_down(raw.document("prune/cut", "1")["layers"][2]["digest"])
    with pytest.raises(ImageError):
        pull(images.root, f"{proxy.address}/prune/cut:1")
    proxy.rule = lambda _seen: None
    before = images.listing()
    assert sum("/blobs/sha256/" in path for path in before) >= 2
    raw.image("prune/bad", [[member("fine", content=numbers.randbytes(100_000))], [member("x"), member("x/y")]], "1")
    for bad in ("prune/none:1", "prune/bad:1"):
        with pytest.raises(ImageError):
            pull(images.root, f"{proxy.address}/{bad}")
        assert [path for path in images.listing() if "/locks/" not in path] == [
            path for path in before if "/locks/" not in path
        ]
    del proxy.seen[:]
    pull(images.root, f"{proxy.address}/prune/cut:1")
    assert [seen.status for seen in proxy.asked("GET", "/blobs/")] == [206]


def once_then_down(digest):
    """A blob comes in a part at first; then the registry is down for it."""
    answers = iter([Fault(cut=400_000)])
    return lambda seen: next(answers, Fault(status=503)) if digest in seen.path else None


def test_nothing_is_made_where_there_is_no_state(tmp_path):
    root = str(tmp_path / "none")
    params = {"root": root, "containers": True, "containers_filters": None, "images": True, "images_filters": None}
    assert prune(params, check_mode=False, now=time.time())["changed"] is False
    assert info.wanted(Store(StateDir(root)), ALL) == []
    assert not os.path.exists(root)


def chosen(images, **options):
    return [(image.names or ["<none>"])[0] for image in info.wanted(images.store, {**ALL, **options})]


def test_info_chooses_and_changes_nothing(images):
    old = images.make("localhost/app:1", "a")
    new = images.make("localhost/app:1", "b", team="shop", stage="test")
    images.make("localhost/tools/sh:2", "c", team="tools", tags=["localhost/tools/sh:latest"])
    before = images.listing()
    assert chosen(images) == ["localhost/app:1", "localhost/tools/sh:2", "<none>"]
    assert chosen(images, dangling=True) == ["<none>"]
    assert chosen(images, dangling=False) == ["localhost/app:1", "localhost/tools/sh:2"]
    assert chosen(images, name=["localhost/app:1"]) == ["localhost/app:1"]
    assert chosen(images, name=[new.id[7:19]]) == ["localhost/app:1"]
    assert chosen(images, name=["localhost/tools/*", "localhost/none:1"]) == ["localhost/tools/sh:2"]
    assert chosen(images, id=[old.id[7:17], "ffff"]) == ["<none>"]
    assert chosen(images, id=[old.id]) == ["<none>"]
    assert chosen(images, label=["team"]) == ["localhost/app:1", "localhost/tools/sh:2"]
    assert chosen(images, label=["team=shop", "stage"]) == ["localhost/app:1"]
    assert chosen(images, name=["localhost/app:1"], label=["team=tools"]) == []
    assert images.listing() == before
    with pytest.raises(ImageError):
        chosen(images, name=["NOT A NAME"])


def test_info_loads_no_registry_client_and_no_unpacker(images):
    images.make("localhost/app:1", "a")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import entry; entry.register()\n"
        "from aoci.image import info; from aoci.image.store import Store; from aoci.statedir import StateDir\n"
        "found = info.wanted(Store(StateDir(sys.argv[2])), dict.fromkeys(('name', 'id', 'label', 'dangling')))\n"
        "sys.stdout.write(' '.join([found[0].name, *(name for name in sys.modules if name.startswith('aoci.'))]))"
    )
    core = os.path.dirname(os.path.dirname(info.__file__))
    said = subprocess.run(
        [sys.executable, "-c", program, core, images.root], check=True, capture_output=True, text=True
    ).stdout.split()
    assert said[0] == "localhost/app:1"
    loaded = {name.rpartition(".")[2] for name in said[1:]}
    assert not loaded & {"registry", "transport", "pull", "unpack", "workers", "importer", "collect", "prune"}


def test_ended_containers_go_and_then_what_only_they_used(host):
    """Check mode counts their images as unused although they are still there."""
    images = Images(host.root, None)
    host.image("localhost/job:1", labels={"job": "yes"})
    host.run(name="server")
    host.run(name="done", image="localhost/job:1", command=["true"], state="started")
    host.ended("done")
    host.run(name="kept", command=["true"], labels={"keep": "yes"})
    host.ended("kept")
    host.run(name="waiting", state="present")
    done = images.prune(
        containers=True, containers_filters={"exclude_label": ["keep"]}, images_filters={"dangling": False}
    )
    assert done["containers"] == ["done"]
    assert done["containers_space_reclaimed"] > 0
    assert [image["names"] for image in done["images"]] == [["localhost/job:1"]]
    assert done["actions"] == ["removed container done", "removed image localhost/job:1"]
    assert host.status("server")["Status"] == "running"
    assert sorted(os.listdir(host.state.containers))[-3:] == ["kept", "server", "waiting"]


def test_a_container_whose_end_nobody_recorded_stays(host):
    """So it looks after its host went down: it is to be started again, not thrown away."""
    host.run(name="server", restart_policy="always")
    status = host.status("server")
    host.kill(status["MonitorPid"])
    host.kill(status["Pid"])
    images = Images(host.root, None)
    assert images.prune(containers=True)["containers"] == []
    assert images.prune(containers=True, containers_filters={"until": "0s"})["containers"] == []


def test_a_container_whose_task_waits_to_read_what_it_wrote_stays(host):
    host.run(name="job", command=["true"])
    host.ended("job")
    images = Images(host.root, None)
    with turns.awaited(records.load(host.state, "job")):
        assert images.prune(containers=True)["containers"] == []
    assert images.prune(containers=True)["containers"] == ["job"]


def test_a_task_that_waits_for_a_container_that_another_removes_says_so(host, monkeypatch):
    wait = stop.wait_for_end

    def removed_at_its_end(record):
        wait(record)
        host.task(name="job", state="absent")

    monkeypatch.setattr(stop, "wait_for_end", removed_at_its_end)
    with pytest.raises(Error, match="container job was removed by another task"):
        host.run(name="job", command=["true"], detach=False)


def test_containers_are_chosen_by_age_too(host):
    host.run(name="job", command=["true"])
    host.ended("job")
    images = Images(host.root, None)
    assert images.prune(containers=True, containers_filters={"until": "1h"})["containers"] == []
    an_hour_later = time.time() + 3700
    assert images.prune(now=an_hour_later, containers=True, containers_filters={"until": "1h"})["containers"] == ["job"]


def test_an_image_whose_name_went_before_its_container_goes_with_it(host):
    images = Images(host.root, None)
    image = host.image("localhost/job:1", labels={"job": "yes"})
    host.run(name="done", image="localhost/job:1", command=["true"])
    host.ended("done")
    images.store.remove("localhost/job:1")
    done = images.prune(containers=True)
    assert done["containers"] == ["done"]
    assert [entry["id"] for entry in done["images"]] == [image.id]
    assert images.store.find(image.id) is None
