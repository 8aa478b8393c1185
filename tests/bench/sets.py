# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's whole set in one task of ours, beside podman_container in a loop; tests/bench/run calls it.

Each time is that of a whole ansible-playbook, its own start included.

usage: python3 tests/bench/sets.py WORK
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time

import bench  # which also finds hacking/

import busybox_rootfs  # isort: skip
import sample_image  # isort: skip
from registry import Registry  # isort: skip

SMALL, LARGE = 20, 200
OURS = os.path.join(bench.CHECKOUT, "tests", "bench", "set.yml")
THEIRS = os.path.join(bench.CHECKOUT, "tests", "bench", "podman_loop.yml")


def play(
    program: str, playbook: str, image: str, count: int, given: dict[str, object] | None = None, **environment: str
) -> float:
    """Seconds that *playbook* takes with *count* containers, each with the options *given*."""
    variables = {
        "image": image,
        "containers": [{"name": f"bench-{number}", **(given or {})} for number in range(count)],
    }
    begin = time.perf_counter()
    bench.run([program, "-i", "localhost,", "-c", "local", "-e", json.dumps(variables), playbook], **environment)
    return time.perf_counter() - begin


def measure(work: str) -> list[tuple[str, float, float | None]]:
    """Rows (work, our seconds, podman's or None)."""
    os.environ["AGENTLESS_OCI_ROOT"] = os.path.join(work, "sets")
    podman = bench.Podman(os.path.join(work, "podman-sets")) if shutil.which("podman") else None
    with Registry(os.path.join(work, "registry-sets")) as registry:
        image = f"{registry.address}/bench/small:1"
        rootfs = os.path.join(work, "rootfs-sets")
        busybox_rootfs.build(rootfs)
        sample_image.push_rootfs(os.path.join(work, "small-sets"), rootfs, image)
        play("ansible-playbook", OURS, image, 1)  # brings the core to the host, and the image
        ours = [play("ansible-playbook", OURS, image, SMALL) for _time in ("create", "nothing")]
        large = []
        for count in (SMALL, LARGE // 2, LARGE):
            play("ansible-playbook", OURS, image, count)
            large.append((count, min(play("ansible-playbook", OURS, image, count) for _time in range(2))))
        play("ansible-playbook", OURS, image, LARGE, {"state": "absent", "force_kill": True})
        theirs: list[float] | list[None] = [None, None]
        if podman:
            podman("pull", "-q", "--tls-verify=false", image)
            program = os.path.join(bench.CHECKOUT, ".venv", "bench", "bin", "ansible-playbook")
            settings = {"ANSIBLE_CONFIG": podman.ansible_config, "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}
            theirs = [
                play(program, THEIRS, image, SMALL, **settings, **podman.environment) for _time in ("create", "nothing")
            ]
            podman("rm", "-fa", "-t", "0")
    rows: list[tuple[str, float, float | None]] = [
        (f"playbook: create and start {SMALL} containers, one task / a loop", ours[0], theirs[0]),
        (f"playbook: {SMALL} containers, nothing to change, one task / a loop", ours[1], theirs[1]),
    ]
    return rows + [(f"playbook: {count} containers, nothing to change, one task", took, None) for count, took in large]


if __name__ == "__main__":
    bench.print_table(measure(sys.argv[1]))
