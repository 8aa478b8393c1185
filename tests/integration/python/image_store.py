# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of small images made here, for tests of what goes from it and what stays."""

from __future__ import annotations

import os
import subprocess
import time

from ansible_collections.agentless.oci.plugins.module_utils.container.prune import prune
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir

OLD = 1_600_000_000  # 2020


class Images:
    """A store whose images are imported from small directories: one file, and a label by which it is told apart."""

    def __init__(self, root, tmp_path):
        self.root = root
        self.tmp_path = tmp_path
        self.store = Store(StateDir(root))

    def make(self, name, content="x", *, age=OLD, tags=(), **labels):
        directory = self.tmp_path / f"{content}-{age}"
        if not directory.exists():
            directory.mkdir()
            (directory / "file").write_text(content * 5000)
            (directory / "linked").hardlink_to(directory / "file")
            for path in (directory / "file", directory):
                os.utime(path, (age, age))
        source = {"rootfs": str(directory), "config": {"labels": labels}}
        request = ImageRequest(name, source=source, tags=tags)
        return apply(plan(request, self.store), self.store)

    def names(self):
        return [name for image in self.store.images() for name in image.names or ["<none>"]]

    def prune(self, *, now=None, **options):
        """The result of the run, which check mode foretold and which is what the disk says."""
        params = {
            "root": self.root,
            "containers": False,
            "containers_filters": None,
            "images": True,
            "images_filters": None,
            **options,
        }
        now = now or time.time()
        before = self.listing()
        foretold = prune(params, check_mode=True, now=now)
        assert self.listing() == before
        used = self.usage()
        done = prune(params, check_mode=False, now=now)
        assert done == foretold
        assert used - self.usage() == done["space_reclaimed"]
        assert done["changed"] is bool(done["actions"])
        again = prune(params, check_mode=False, now=now)
        assert (again["changed"], again["space_reclaimed"]) == (False, 0)
        return done

    def listing(self):
        found = []
        for path, directories, files in os.walk(self.root):
            found += [os.path.join(path, name) for name in directories + files]
        return sorted(found)

    def usage(self):
        """Bytes as du counts them, of all but directories that stay."""
        total = 0
        for part in ("images", "layers", "containers"):
            path = os.path.join(self.root, part)
            if os.path.isdir(path):
                said = subprocess.run(["du", "-s", "-B1", path], check=True, capture_output=True, text=True).stdout
                total += int(said.split()[0])
        return total
