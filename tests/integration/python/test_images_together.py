# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything at once on one store: pulls, removals, prunes, checks that repair, damage, containers, and kills.

AGENTLESS_OCI_TEST_SECONDS in the environment says how long (5), AGENTLESS_OCI_TEST_SEED how it begins.
"""

from __future__ import annotations

import io
import os
import random
import signal
import tarfile
import time
import traceback

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cli.check_verb import mounted_by
from ansible_collections.agentless.oci.plugins.module_utils.container.prune import prune
from ansible_collections.agentless.oci.plugins.module_utils.image.auth import Access
from ansible_collections.agentless.oci.plugins.module_utils.image.check import check
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from oci_layout import directory, member

SECONDS = float(os.environ.get("AGENTLESS_OCI_TEST_SECONDS", "5"))
SEED = int(os.environ.get("AGENTLESS_OCI_TEST_SEED", "1"))
WORKERS = 6
FILES = 40
# What a task may say that met another one; it did nothing then, and is to be run again.
MET = ("removed meanwhile", "is missing below")
# Reads all files again and again while others work on the store; one that is gone or damaged ends it with a failure.
READS = f"""
for i in 1 2 3 4 5; do
    [ $(ls /data | wc -l) = {FILES} ] || exit 8
    cat /data/* >/dev/null || exit 9
    sleep 0.05
done
"""


def system(rootfs):
    """The members of a layer with the small root file system."""
    members = []
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as archive:
        for path, directories, files in os.walk(rootfs):
            for name in sorted(directories + files):
                full = os.path.join(path, name)
                info = archive.gettarinfo(full, os.path.relpath(full, rootfs))
                content = b""
                if info.isreg():
                    with open(full, "rb") as file:
                        content = file.read()
                members.append((info, content))
    return members


@pytest.fixture
def names(raw, registry, rootfs):
    """Three images that share their system and differ in their data; the second deletes some, the third shares that."""
    numbers = random.Random(2)
    base = system(rootfs)
    data = [directory("data"), *(member(f"data/{each}", content=numbers.randbytes(9000)) for each in range(FILES))]
    less = [directory("data"), member("data/.wh.0"), member("data/new", content=b"new")]
    for index, layers in enumerate(([base, data], [base, data, less], [base, data, less, [member("last")]])):
        raw.image(f"together/image{index}", layers, "1", level=1)
    return [f"{registry.address}/together/image{index}:1" for index in range(3)]


class Worker:
    """One of those that work on the store of *host*: what it does, one thing after the other, in a random order."""

    def __init__(self, host, names, seed):
        self.host = host
        self.names = names
        self.number = seed
        self.random = random.Random(SEED * 1000 + seed)
        self.store = Store(StateDir(host.root))

    def pull(self, name):
        pull = self.random.choice(["missing", "always", "missing"])
        made = plan(ImageRequest(name, pull=pull), self.store)
        try:
            image = apply(made, self.store)
        finally:
            made.close()
        assert image.names or image.name

    def remove(self, name):
        apply(plan(ImageRequest(name, state="absent"), self.store), self.store)

    def prune(self, _name):
        options = {"dangling": self.random.random() < 0.7}
        params = {"root": self.host.root, "containers": self.random.random() < 0.5, "containers_filters": None}
        prune({**params, "images": True, "images_filters": options}, check_mode=False, now=time.time())

    def check(self, _name):
        check(self.store, repair=True, access=Access(), users=lambda path: mounted_by(self.store.state, path))

    def damage(self, name):
        """A blob loses its last byte, or a file of a layer that no container has mounted changes its mode."""
        image = self.store.find(name)
        if image is None:
            return
        try:
            if self.random.random() < 0.5:
                path = self.store.blob_path(self.random.choice(image.manifest["layers"])["digest"])
                with open(path, "r+b") as file:
                    file.truncate(os.stat(path).st_size - 1)
            else:
                path = self.random.choice(self.store.layers.paths(image.layers) or [""])
                os.chmod(os.path.join(path, self.random.choice(os.listdir(path))), 0o751)
        except FileNotFoundError:
            return  # it has just been removed

    def container(self, name):
        name_of_it = f"c{self.number}"
        done = self.host.task(name=name_of_it, image=name, command=["sh", "-c", READS], detach=False, recreate=True)
        assert done["rc"] == 0, done["stderr"]
        if self.random.random() < 0.7:
            self.host.task(name=name_of_it, state="absent")

    def killed(self, name):
        """One of the others, killed at a random moment; what it started ends by itself."""
        what = self.random.choice([self.pull, self.remove, self.prune, self.check])
        seconds = self.random.uniform(0, 0.4)
        pid = os.fork()
        if pid == 0:
            try:
                what(name)
            finally:
                os._exit(0)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def run(self, end):
        """Work until that moment; how often what was done."""
        counts = {}
        verbs = [self.pull, self.pull, self.remove, self.prune, self.check, self.damage, self.killed]
        verbs += [self.container] * 3
        while time.monotonic() < end:
            verb = self.random.choice(verbs)
            try:
                verb(self.random.choice(self.names))
                counts[verb.__name__] = counts.get(verb.__name__, 0) + 1
            except Error as error:
                if not any(met in str(error) for met in MET):
                    raise
                counts["met"] = counts.get("met", 0) + 1
        return counts


def work(host, names, number, end, told):
    """A Worker in a process of its own; its pid. What it did, or what went wrong, is in the file *told*."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with open(told, "w", encoding="utf-8") as file:
                try:
                    counts = Worker(host, names, number).run(end)
                    file.write(" ".join(f"{verb}={count}" for verb, count in sorted(counts.items())))
                    status = 0
                except BaseException:  # noqa: BLE001 - the test raises it
                    file.write(traceback.format_exc())
        finally:
            os._exit(status)
    return pid


def test_all_at_once(host, names, tmp_path):
    end = time.monotonic() + SECONDS
    told = [tmp_path / f"told{number}" for number in range(WORKERS)]
    pids = [work(host, names, number, end, told[number]) for number in range(WORKERS)]
    ended = [os.waitpid(pid, 0)[1] for pid in pids]
    said = [path.read_text() for path in told]
    assert ended == [0] * WORKERS, "\n".join(said)

    store = Store(host.state)
    for number in range(WORKERS):
        host.task(name=f"c{number}", state="absent")
    assert list(store.pins.all()) == []
    check(store, repair=True, access=Access())
    for name in names:
        apply(plan(ImageRequest(name), store), store)
    check(store, repair=True, access=Access())  # what was damaged while no image had it
    done = check(store)
    assert [str(problem) for problem in done.problems] == []
    assert done.images >= 3
    for name in names:
        store.remove(name)
    params = {"root": host.root, "containers": True, "containers_filters": None, "images": True}
    prune({**params, "images_filters": {"dangling": False}}, check_mode=False, now=time.time())
    left = {
        os.path.relpath(os.path.join(path, name), host.root)
        for part in ("images", "layers", "containers")
        for path, _directories, files in os.walk(os.path.join(host.root, part))
        for name in files
        if not path.endswith("/imports")  # what is remembered of the fixture's own root file system
    }
    assert left == {"images/index.json", "images/oci-layout"}
    assert os.listdir(os.path.join(host.root, "layers/sha256")) == []
    locks = os.listdir(host.state.locks)
    assert [name for name in locks if name.startswith(("blob-", "layer-"))] == []
