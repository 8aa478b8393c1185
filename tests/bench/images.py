# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulling and unpacking beside podman, skopeo with umoci, and `tar xzf` of each layer in turn.

Run by tests/bench/run. All work on a tmpfs and from the same registry on loopback; tar finds the layers on the tmpfs.
Work is measured in turns, one round of each program after the other, so that a noisy moment of the machine hits all
alike; medians are printed, of ratios too, which are taken within a round.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(CHECKOUT, "hacking"), os.path.dirname(os.path.abspath(__file__))]

import sample_image  # noqa: E402
from bench import AOCI, Podman, run  # noqa: E402
from registry import Registry  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Work = Callable[[], None]

PYTHON = AOCI[0]
SCALES = (1, 4, 16)  # sixteenths of the big image


class Measured:
    """Medians of one program: seconds by the clock, and of all processors in its processes."""

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.processors: list[float] = []

    def add(self, work: Work) -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        work()
        self.walls.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.processors.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    @property
    def wall(self) -> float:
        return statistics.median(self.walls)

    @property
    def processor(self) -> float:
        return statistics.median(self.processors)

    def ratio(self, other: Measured) -> float:
        return statistics.median(mine / its for mine, its in zip(self.walls, other.walls))


@contextlib.contextmanager
def tmpfs(path: str) -> Iterator[str]:
    os.makedirs(path)
    run(["mount", "-t", "tmpfs", "-o", "size=90%", "aoci-bench", path])
    try:
        yield path
    finally:
        run(["umount", "-R", path])  # podman leaves a mount of its own


def isal_directory(path: str) -> str | None:
    """A directory with the package isal for our Python, made with pip; None where that does not work."""
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    done = subprocess.run(
        [os.path.join(CHECKOUT, ".venv", "bin", "pip"), "install", "-q", "--disable-pip-version-check", "--no-deps",
         "--only-binary=:all:", "--python-version", version, "--target", path, "isal"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(f"isal: skipped, pip says: {done.stderr.strip().splitlines()[-1]}")
        return None
    return path


class Ours:
    """aoci with a state directory of its own."""

    def __init__(self, directory: str, python_path: str = "") -> None:
        self.directory = directory
        self.environment = {"AGENTLESS_OCI_ROOT": directory}
        if python_path:
            self.environment["PYTHONPATH"] = python_path

    def pull(self, name: str) -> None:
        run([*AOCI, "pull", name], **self.environment)

    def forget(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def programs(work: str, name: str, sample: sample_image.Sample, isal: str | None) -> dict[str, tuple[Work, Work]]:
    """Program → (what is measured, what undoes it)."""
    found: dict[str, tuple[Work, Work]] = {}

    def tar() -> None:
        target = os.path.join(work, "tar")
        os.mkdir(target)
        for blob in sample.layers:
            run(["tar", "xzf", blob, "-C", target])

    def remove(*names: str) -> Work:
        def work_off() -> None:
            for each in names:
                shutil.rmtree(os.path.join(work, each), ignore_errors=True)

        return work_off

    def skopeo_umoci() -> None:
        layout = os.path.join(work, "layout")
        run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"oci:{layout}:big"])
        run(["umoci", "unpack", "--image", f"{layout}:big", os.path.join(work, "bundle")])

    ours = Ours(os.path.join(work, "ours"))
    found["aoci"] = (lambda: ours.pull(name), ours.forget)
    if isal:
        faster = Ours(os.path.join(work, "ours-isal"), isal)
        found["aoci, isal installed"] = (lambda: faster.pull(name), faster.forget)
    found["tar xzf, each layer in turn"] = (tar, remove("tar"))
    if shutil.which("podman"):
        podman = Podman(os.path.join(work, "podman"))
        found["podman"] = (
            lambda: podman("pull", "-q", "--tls-verify=false", name),
            lambda: podman("rmi", "-f", name),
        )
    else:
        print("podman: not on this machine, skipped")
    if shutil.which("skopeo") and shutil.which("umoci"):
        found["skopeo and umoci"] = (skopeo_umoci, remove("layout", "bundle"))
    else:
        print("skopeo and umoci: not on this machine, skipped")
    return found


def side_by_side(found: dict[str, tuple[Work, Work]], rounds: int) -> dict[str, Measured]:
    measured = {program: Measured() for program in found}
    for _round in range(rounds):
        for program, (work, undo) in found.items():
            measured[program].add(work)
            undo()
    return measured


def peak_memory(command: list[str], environment: dict[str, str]) -> int:
    """Most MiB of resident memory of *command* and its descendants together, pages they share counted in each."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return peak >> 20


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            total = int(file.read().split()[1]) * resource.getpagesize()
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return total + sum(map(_resident, children))


def requests_of(registry: Registry) -> list[str]:
    """``METHOD path`` of all requests the registry has answered."""
    with open(os.path.join(registry.directory, "registry.log"), encoding="utf-8", errors="replace") as file:
        return [
            line.split('"')[1].rpartition(" ")[0]
            for line in file
            if line.partition(" ")[0].count(".") == 3 and ' "' in line
        ]


def present(registry: Registry, ours: Ours, name: str, rounds: int) -> None:
    """A pull when all is there."""
    ours.pull(name)
    before = len(requests_of(registry))
    run([*AOCI, "pull", name], **ours.environment)
    asked = requests_of(registry)[before:]
    start, again = Measured(), Measured()
    for _round in range(rounds * 5):
        start.add(lambda: run([PYTHON, "-c", "pass"]))
        again.add(lambda: ours.pull(name))
    beyond = 1000 * (again.wall - start.wall)
    print(
        f"\na pull when all is present: {beyond:.0f} ms beyond Python's start, {len(asked)} requests:"
        f" {', '.join(asked)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the big image: 0.25 is a quarter of it")
    arguments = parser.parse_args()
    with tmpfs(os.path.join(arguments.work, "tmpfs")) as work, Registry(os.path.join(work, "registry")) as registry:
        names = {part: f"{registry.address}/bench/big:{part}" for part in SCALES}
        samples = {
            part: sample_image.push_big(os.path.join(work, f"image-{part}"), name, arguments.scale * part / SCALES[-1])
            for part, name in names.items()
        }
        biggest = SCALES[-1]
        isal = isal_directory(os.path.join(work, "isal"))
        measured = side_by_side(programs(work, names[biggest], samples[biggest], isal), arguments.rounds)
        width = max(map(len, measured))
        print(f"\npull and unpack {samples[biggest].text}\n{'':{width}}  {'clock':>8}  {'processors':>10}  aoci takes")
        for program, its in measured.items():
            ratios = f"{measured['aoci'].ratio(its):.2f}"
            if isal:
                ratios += f", with isal {measured['aoci, isal installed'].ratio(its):.2f}"
            print(f"{program:{width}}  {its.wall:6.2f} s  {its.processor:8.2f} s  {ratios}")

        ours = Ours(os.path.join(work, "ours"))
        print("\nours by size, a sixteenth, a quarter and all of it")
        for part, name in names.items():
            own = side_by_side({"aoci": (lambda name=name: ours.pull(name), ours.forget)}, arguments.rounds)["aoci"]  # type: ignore[misc]
            memory = peak_memory([*AOCI, "pull", name], ours.environment)
            ours.forget()
            print(
                f"{samples[part].text}: {own.wall:.2f} s, processors {own.processor:.2f} s,"
                f" at most {memory} MiB of memory"
            )
        present(registry, ours, names[1], arguments.rounds)


if __name__ == "__main__":
    main()
