# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures us and podman at the same work and prints a table; tests/bench/run calls it.

Medians. Both keep their storage in the same folder and pull from the same registry on loopback. podman is told to use
runc, since crun 1.8 refuses hybrid cgroups, and to leave ulimits alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from xml.etree import ElementTree

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(CHECKOUT, "hacking"), os.path.dirname(os.path.abspath(__file__))]

import busybox_rootfs  # noqa: E402
import sample_image  # noqa: E402
from registry import Registry  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # work, our seconds, podman's or None
    Row = tuple[str, float, "float | None"]

AOCI = ["/usr/bin/python3", os.path.join(CHECKOUT, "bin", "aoci")]
CONTAINERS = 20


def run(command: list[str], **environment: str) -> None:
    """Run *command*; shows what it printed, and ends the benchmark, when it fails."""
    done = subprocess.run(
        command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        sys.stderr.buffer.write(done.stdout + done.stderr)
        raise SystemExit(f"failed: {' '.join(command)}")


def median(rounds: int, work: Callable[[], None]) -> float:
    """Median seconds of *work*."""
    times = []
    for _round in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


class Podman:
    """podman with storage and settings of its own below *directory*."""

    def __init__(self, directory: str) -> None:
        os.makedirs(directory)
        self.directory = directory
        self.environment = {
            "CONTAINERS_CONF": self._write(
                "containers.conf",
                '[containers]\ndefault_ulimits = []\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n'
                f'events_logger = "none"\ntmp_dir = "{directory}/tmp"\n',
            ),
            "CONTAINERS_STORAGE_CONF": self._write(
                "storage.conf",
                f'[storage]\ndriver = "overlay"\ngraphroot = "{directory}/graph"\nrunroot = "{directory}/run"\n',
            ),
        }

        # The package's own collections, and none of the checkout's settings but pipelining.
        self.ansible_config = self._write("ansible.cfg", "[connection]\npipelining = True\n")

    def _write(self, name: str, content: str) -> str:
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return path

    def __call__(self, *arguments: str, enter: Sequence[str] = ()) -> None:
        run([*enter, "podman", *arguments], **self.environment)

    def remove_all(self, enter: Sequence[str] = ()) -> None:
        """Remove all of its containers; *enter* is the command that podman is an argument of."""
        self("rm", "-fa", "-t", "0", enter=enter)


def playbook_times(
    name: str, program: str, directory: str, settings: dict[str, str], **environment: str
) -> list[float]:
    """Seconds of each task of tests/bench/NAME.yml, in order."""
    os.makedirs(directory)
    extra = [argument for key, value in settings.items() for argument in ("-e", f"{key}={value}")]
    run(
        [program, "-i", "localhost,", "-c", "local", *extra, os.path.join(CHECKOUT, "tests", "bench", f"{name}.yml")],
        ANSIBLE_CALLBACKS_ENABLED="ansible.builtin.junit",
        JUNIT_OUTPUT_DIR=directory,
        JUNIT_TEST_CASE_PREFIX="Measured",
        **environment,
    )
    cases = [
        case
        for file in os.listdir(directory)
        for case in ElementTree.parse(os.path.join(directory, file)).iter("testcase")
    ]
    return [float(case.get("time", "0")) for case in cases]


def measure(work: str, rounds: int) -> list[Row]:
    """Rows (work, our seconds, podman's or None)."""
    rows: list[Row] = []
    podman = Podman(os.path.join(work, "podman")) if shutil.which("podman") else None
    os.environ["AGENTLESS_OCI_ROOT"] = os.path.join(work, "ours")
    with Registry(os.path.join(work, "registry")) as registry:
        small = f"{registry.address}/bench/small:1"
        rootfs = os.path.join(work, "rootfs")
        busybox_rootfs.build(rootfs)
        sample_image.push_rootfs(os.path.join(work, "small"), rootfs, small)

        bundle = sample_image.bundle(os.path.join(work, "bundle"), rootfs)
        aoci = [*AOCI, "--root", os.path.join(work, "runtime")]
        ours, theirs = median(rounds * 5, lambda: run([*aoci, "run", "--bundle", bundle, "bench"])), None
        if podman:
            podman("pull", "-q", "--tls-verify=false", small)
            theirs = median(rounds * 5, lambda: podman("run", "--rm", "--network=none", small, "true"))
        rows.append(
            ("create, start and delete without a network, command line: aoci run / podman run --rm", ours, theirs)
        )

        settings = {"image": small, "count": str(CONTAINERS)}
        own = playbook_times("ours", "ansible-playbook", os.path.join(work, "junit-ours"), settings)
        other: list[float] | list[None] = [None] * len(own)
        if podman:
            other = playbook_times(
                "podman",
                os.path.join(CHECKOUT, ".venv", "bench", "bin", "ansible-playbook"),
                os.path.join(work, "junit-podman"),
                settings,
                ANSIBLE_CONFIG=podman.ansible_config,
                ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
                **podman.environment,
            )
            podman.remove_all()
        for label, mine, its in zip(
            (
                "task: create and start one container without a network",
                "task: the same container without a network, nothing to change",
                f"loop: create and start {CONTAINERS} containers without a network",
                f"loop: {CONTAINERS} containers without a network, nothing to change",
            ),
            own,
            other,
        ):
            rows.append((label, mine, its))
    return rows


def print_table(rows: list[Row]) -> None:
    width = max(len(label) for label, _ours, _theirs in rows)
    print(f"\n{'work':{width}}  {'ours':>9}  {'podman':>9}  podman / ours")
    for label, ours, theirs in rows:
        other = f"{theirs:7.3f} s  {theirs / ours:.1f}" if theirs is not None else "        -  -"
        print(f"{label:{width}}  {ours:7.3f} s  {other}")
    if all(theirs is None for _label, _ours, theirs in rows):
        print("podman is not on this machine: skipped.")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work")
    parser.add_argument("--rounds", type=int, default=3, help="times each command-line measurement is repeated")
    arguments = parser.parse_args()
    print_table(measure(arguments.work, arguments.rounds))


if __name__ == "__main__":
    main()
