# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the suites under tests/suites/, in a whole run some at a time, and adds up what they found.

A suite is a program. It gets a folder of its own in ``AGENTLESS_OCI_TEST_DIR``, a state directory in it, and leaves
there ``results`` (lines ``passed|failed|skipped NAME reason…``) or ``*.xml`` (JUnit). A suite that fails stops no
other. After each one whatever it left on the machine is counted as a failure and swept away, also on an interrupt.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import NamedTuple
from xml.etree import ElementTree

import leftovers
import tempdirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITES_DIR = os.path.join(CHECKOUT, "tests", "suites")
# Cheap and telling ones first.
SUITES = ("static", "unit", "system", "targets", "pythons", "molecule", "package", "v2", "sanity")
# In a whole run these lanes go on beside the other suites: they leave containers of this machine alone. v2 has machines
# of its own and often waits for them; sanity is nearly as long and does one thing at a time, so that it is begun at
# once and not left for a time when nothing else is to be done.
BESIDE = (("sanity",), ("static", "unit", "package"), ("v2",))


class Result(NamedTuple):
    outcome: str  # passed, failed or skipped
    name: str
    reason: str


class Interrupted(Exception):
    """A signal asked for the end."""


def from_lines(text: str) -> list[Result]:
    """The results in lines ``outcome NAME reason…``."""
    results = []
    for line in text.splitlines():
        outcome, name, *reason = line.split(" ", 2)
        if outcome not in ("passed", "failed", "skipped"):
            raise ValueError(f"not a result: {line}")
        results.append(Result(outcome, name, " ".join(reason)))
    return results


def from_junit(text: str) -> list[Result]:
    """The results in a JUnit document, one for each test case."""
    results = []
    for case in ElementTree.fromstring(text).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        outcome, reason = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, reason = "failed", child.get("message", "")
            elif child.tag == "skipped":
                outcome, reason = "skipped", child.get("message", "")
        results.append(Result(outcome, name, reason.splitlines()[0] if reason else ""))
    return results


def collect(directory: str) -> list[Result]:
    """What the suite of *directory* wrote down."""
    results = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name == "results":
            with open(path, encoding="utf-8") as file:
                results += from_lines(file.read())
        elif name.endswith(".xml"):
            with open(path, encoding="utf-8") as file:
                results += from_junit(file.read())
    return results


def machine_state() -> set[str]:
    """What the whole machine has of ours: to be the same before and after."""
    return set(leftovers.abandoned_cgroups()) | {f"netns {name}" for name in leftovers.network_namespaces()}


class Running(NamedTuple):
    """A suite at work; *output* is where its words are kept until its turn, "" where they are seen at once."""

    suite: str
    directory: str
    process: subprocess.Popen[bytes]
    before: set[str]
    output: str


def start_suite(suite: str, directory: str, arguments: list[str], *, seen: bool = True) -> Running:
    """Start one suite, to be ended by end_suite() or stop_suite()."""
    os.makedirs(directory)
    output = "" if seen else f"{directory}.output"
    before = machine_state()
    environment = dict(
        os.environ,
        AGENTLESS_OCI_TEST_DIR=directory,
        AGENTLESS_OCI_ROOT=os.path.join(directory, "state"),
        TMPDIR=os.path.join(directory, "tmp"),
        # Caches and settings of the tools: kept from one run to the next, yet not in the user's home.
        HYPOTHESIS_STORAGE_DIRECTORY=os.path.join(directory, "hypothesis"),
        HOME=os.path.join(CHECKOUT, ".venv", "home"),
    )
    os.makedirs(environment["TMPDIR"])
    os.makedirs(environment["HOME"], exist_ok=True)
    with open(output, "wb") if output else contextlib.nullcontext() as file:
        process = subprocess.Popen(
            [os.path.join(SUITES_DIR, suite), *arguments],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    return Running(suite, directory, process, before, output)


def stop_suite(running: Running) -> None:
    """End a suite before its time, with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGKILL)
    leftovers.sweep(running.directory)


def run_suite(suite: str, directory: str, arguments: list[str]) -> list[Result]:
    """Run one suite to its end, or to an interrupt, and leave the machine as it was."""
    return end_suite(start_suite(suite, directory, arguments))


def end_suite(running: Running) -> list[Result]:
    """Wait for a suite, and leave the machine as it was."""
    suite, directory = running.suite, running.directory
    try:
        code = running.process.wait()
    except Interrupted:
        stop_suite(running)
        raise
    results = collect(directory)
    failed = [result for result in results if result.outcome == "failed"]
    if code and not failed:
        results.append(Result("failed", suite, f"exit code {code}"))
    elif not results:
        results.append(Result("failed", suite, "ran no test"))
    left = leftovers.settled(directory)
    leftovers.sweep(directory)
    if not running.output:  # else what is new on the machine may be the other lane's
        left += [f"left on the machine: {line}" for line in sorted(machine_state() - running.before)]
    results.append(
        Result("failed", f"{suite}-leaves-nothing", "; ".join(left))
        if left
        else Result("passed", f"{suite}-leaves-nothing", "")
    )
    return results


class Lane(threading.Thread):
    """Suites that run one after the other beside the main thread's; their output waits for its turn."""

    def __init__(self, suites: Sequence[str], work: str) -> None:
        super().__init__(daemon=True)
        self._suites = suites
        self._work = work
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._stopped = False
        self._done: queue.SimpleQueue[tuple[Running, list[Result], float]] = queue.SimpleQueue()

    def run(self) -> None:
        for suite in self._suites:
            begin = time.monotonic()
            with self._lock:
                if self._stopped:
                    return
                running = self._running = start_suite(suite, os.path.join(self._work, suite), [], seen=False)
            found = [Result("failed", suite, "its results cannot be read")]
            try:
                found = end_suite(running)
            finally:  # whatever happens, somebody waits for it
                self._done.put((running, found, time.monotonic() - begin))

    def results(self) -> Iterator[tuple[str, list[Result], float]]:
        """(suite, what it found, its seconds), each when it has ended."""
        for suite in self._suites:
            print(f"== {suite}", flush=True)
            running, found, seconds = self._done.get()
            with open(running.output, encoding="utf-8", errors="replace") as file:
                print(file.read(), end="", flush=True)
            yield suite, found, seconds

    def stop(self) -> None:
        """End it before its time."""
        with self._lock:
            self._stopped = True
            running = self._running
        if running is not None and running.process.poll() is None:
            stop_suite(running)
        self.join()


def counts(results: list[Result]) -> str:
    """``N passed, N failed, N skipped``."""
    tally = {"passed": 0, "failed": 0, "skipped": 0}
    for result in results:
        tally[result.outcome] += 1
    return ", ".join(f"{number} {outcome}" for outcome, number in tally.items())


def _remove_bytecode() -> None:
    """Git ignores it, but a run leaves nothing in the checkout except .venv."""
    for path, directories, _files in os.walk(CHECKOUT):
        directories[:] = [name for name in directories if name not in (".git", ".venv")]
        if "__pycache__" in directories:
            shutil.rmtree(os.path.join(path, "__pycache__"), ignore_errors=True)
            directories.remove("__pycache__")


def _interrupt(number: int, _frame: object) -> None:
    raise Interrupted(signal.Signals(number).name)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="name the suites and stop")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    own, arguments = sys.argv[1:], []
    if "--" in own:
        cut = own.index("--")
        own, arguments = own[:cut], own[cut + 1 :]
    chosen = parser.parse_args(own)
    if chosen.list:
        print("\n".join(SUITES))
        return 0
    for suite in chosen.suites:
        if suite not in SUITES:
            parser.error(f"no suite {suite}; there are {', '.join(SUITES)}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)

    work = tempdirs.make("aoci-tests-")
    results: list[Result] = []
    started = time.monotonic()
    beside: list[Lane] = []
    try:
        if not chosen.suites:
            beside = [Lane(suites, work) for suites in BESIDE]
            for lane in beside:
                lane.start()
        for suite in chosen.suites or [name for name in SUITES if not any(name in lane for lane in BESIDE)]:
            print(f"== {suite}", flush=True)
            begin = time.monotonic()
            found = run_suite(suite, os.path.join(work, suite), arguments)
            results += found
            print(f"   {suite}: {counts(found)} ({time.monotonic() - begin:.0f} s)", flush=True)
        for suite, found, seconds in (entry for lane in beside for entry in lane.results()):
            results += found
            print(f"   {suite}: {counts(found)} ({seconds:.0f} s)", flush=True)
    except Interrupted as signalled:
        results.append(Result("failed", "run", f"interrupted by {signalled}"))
    finally:
        for lane in beside:
            lane.stop()
        leftovers.sweep(work)
        _remove_bytecode()

    for outcome in ("skipped", "failed"):
        chosen_results = [result for result in results if result.outcome == outcome]
        if chosen_results:
            print(f"\n{outcome}:")
            for result in chosen_results:
                print(f"  {result.name}: {result.reason}")
    print(f"\nIn {time.monotonic() - started:.0f} s:\n{counts(results)}")
    return 1 if any(result.outcome == "failed" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
