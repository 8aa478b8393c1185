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
import subprocess
import sys
import time

import bench  # which also finds hacking/

import busybox_rootfs  # isort: skip
import sample_image  # isort: skip
from registry import Registry  # isort: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from bench import Row

SMALL, LARGE = 20, 200
OURS = os.path.join(bench.CHECKOUT, "tests", "bench", "set.yml")
THEIRS = os.path.join(bench.CHECKOUT, "tests", "bench", "podman_loop.yml")


class Apart:
    """Network and mount namespaces of the measurement's own: bridges and rules are made in there."""

    def __init__(self) -> None:
        # The plugins' own place for leases, which is podman's, has nothing of this on it afterwards.
        script = "ip link set lo up; mkdir -p /var/lib/cni; mount -t tmpfs none /var/lib/cni; echo ready; exec cat"
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.holder.stdout is not None
        self.holder.stdout.readline()
        self.enter = ["nsenter", "-t", str(self.holder.pid), "--net", "--mount"]

    def end(self) -> None:
        self.holder.communicate()


def play(
    program: str,
    playbook: str,
    image: str,
    count: int,
    given: dict[str, object] | None = None,
    *,
    network: str = "none",
    enter: Sequence[str] = (),
    **environment: str,
) -> float:
    """Seconds that *playbook* takes with *count* containers on *network*, each with the options *given*.

    *enter* is the command that the playbook is an argument of, so that it runs elsewhere.
    """
    variables = {
        "image": image,
        "network": network,
        "containers": [{"name": f"bench-{number}", **(given or {})} for number in range(count)],
    }
    command = [*enter, program, "-i", "localhost,", "-c", "local", "-e", json.dumps(variables), playbook]
    begin = time.perf_counter()
    bench.run(command, **environment)
    return time.perf_counter() - begin


def on_a_bridge(image: str, podman: bench.Podman | None, settings: dict[str, str]) -> list[Row]:
    """The rows of a small set of ours and of podman's loop, each with its default network."""
    apart = Apart()
    try:
        placed: dict[str, Any] = {"network": "bridge", "enter": apart.enter}
        play("ansible-playbook", OURS, image, 1, **placed)  # makes the network
        ours = [play("ansible-playbook", OURS, image, SMALL, **placed) for _time in ("create", "nothing")]
        play("ansible-playbook", OURS, image, SMALL, {"state": "absent", "force_kill": True}, **placed)
        theirs: list[float] | list[None] = [None, None]
        if podman:
            program = os.path.join(bench.CHECKOUT, ".venv", "bench", "bin", "ansible-playbook")
            theirs = [play(program, THEIRS, image, SMALL, **placed, **settings) for _time in ("create", "nothing")]
            podman.remove_all(apart.enter)
    finally:
        apart.end()
    return _rows("on a bridge", ours, theirs)


def _rows(network: str, ours: list[float], theirs: list[float] | list[None]) -> list[Row]:
    return [
        (f"playbook: create and start {SMALL} containers {network}, one task / a loop", ours[0], theirs[0]),
        (f"playbook: {SMALL} containers {network}, nothing to change, one task / a loop", ours[1], theirs[1]),
    ]


def measure(work: str) -> list[Row]:
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
        settings: dict[str, str] = {}
        if podman:
            podman("pull", "-q", "--tls-verify=false", image)
            program = os.path.join(bench.CHECKOUT, ".venv", "bench", "bin", "ansible-playbook")
            settings = {"ANSIBLE_CONFIG": podman.ansible_config, "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}
            settings.update(podman.environment)
            theirs = [play(program, THEIRS, image, SMALL, **settings) for _time in ("create", "nothing")]
            podman.remove_all()
        bridged = on_a_bridge(image, podman, settings)
    without = [
        (f"playbook: {count} containers without a network, nothing to change, one task", took, None)
        for count, took in large
    ]
    return [*_rows("without a network", ours, theirs), *without, *bridged]


if __name__ == "__main__":
    bench.print_table(measure(sys.argv[1]))
