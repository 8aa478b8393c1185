# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime beside runc, crun and podman, and what a container costs a task and the host's memory.

Run by tests/bench/run. Work is measured in turns, one round of each program after the other, so that a noisy moment of
the machine hits all alike; medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(CHECKOUT, "hacking"), os.path.join(CHECKOUT, "plugins", "module_utils")]

import bundles  # noqa: E402
import busybox_rootfs  # noqa: E402
import entry  # noqa: E402

entry.register()

MONITORS = 50


def commands(bundle: str, work: str) -> dict[str, list[str]]:
    """Program → the command that runs the bundle's ``true`` and removes it again."""
    found = {"aoci": [bundles.AOCI, "--root", f"{work}/aoci", "run", "--bundle", bundle, "bench"]}
    for name, options in (("runc", []), ("crun", ["--cgroup-manager=cgroupfs"])):
        program = shutil.which(name)
        if not program:
            print(f"{name}: not on this machine, skipped")
            continue
        command = [program, *options, "--root", f"{work}/{name}", "run", "--bundle", bundle, "bench"]
        tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if tried.returncode:
            print(f"{name}: skipped, it says: {tried.stderr.strip().splitlines()[-1]}")
        else:
            found[name] = command
    return found


def command_line(work: str, rootfs: str, rounds: int) -> None:
    document = bundles.config(rootfs, "true")
    document["linux"]["cgroupsPath"] = f"/{os.path.basename(work)}/run"
    document["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 64}, "cpu": {"shares": 512}}
    document["ociVersion"] = "1.0.2"  # what every one of them accepts
    bundle = os.path.join(work, "bundle")
    os.makedirs(bundle)
    with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
        json.dump(document, file)
    found = commands(bundle, work)
    times: dict[str, list[float]] = {name: [] for name in found}
    for _round in range(rounds):
        for name, command in found.items():
            begin = time.perf_counter()
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.perf_counter() - begin)
    ours = statistics.median(times["aoci"])
    for name, measured in times.items():
        other = statistics.median(measured)
        print(
            f"run true, all namespaces and cgroups: {name:5} {other * 1000:6.1f} ms   ours / {name} {ours / other:.2f}"
        )


def in_a_task(work: str, rootfs: str, rounds: int) -> None:
    """Create and start in a process that runs already, monitor included; then what the monitors weigh."""
    from aoci.container import module, options
    from aoci.image import ensure
    from aoci.image.store import Store
    from aoci.statedir import StateDir

    root = os.path.join(work, "state")
    os.environ["AGENTLESS_OCI_ROOT"] = root
    store = Store(StateDir(root))
    request = ensure.ImageRequest("bench/box:1", source={"rootfs": rootfs, "config": {"command": ["sleep", "1000"]}})
    ensure.apply(ensure.plan(request, store), store)
    known = {name: spec.get("default") for name, spec in options.argument_spec().items()}
    core = os.path.join(CHECKOUT, "plugins", "module_utils", "entry.py")

    def task(name: str, **given: object) -> dict[str, object]:
        parameters = {**known, "name": name, "root": root, "image": "bench/box:1", "network_mode": "none", **given}
        result: dict[str, object] = module.Task(parameters, core).run()
        return result

    times, monitors = [], []
    names = [f"c{number}" for number in range(max(MONITORS, rounds))]
    for name in names:
        begin = time.perf_counter()
        result = task(name, memory="64m", pids_limit=64)
        times.append(time.perf_counter() - begin)
        monitors.append(int(result["container"]["State"]["MonitorPid"]))  # type: ignore[index]
    print(f"create and start in a running task, monitor included: {statistics.median(times) * 1000:.1f} ms a container")
    begin = time.perf_counter()
    for name in names:
        task(name, memory="64m", pids_limit=64)
    again = (time.perf_counter() - begin) / len(names)
    print(f"the same task again, nothing to change: {again * 1000:.1f} ms a container")
    time.sleep(4)  # until the last of them is the light one
    weights = [proportional(pid) for pid in monitors]
    print(f"memory of a monitor, {len(weights)} of them: {statistics.mean(weights) / 1024:.2f} MB PSS")
    for name in names:
        parameters = {**known, "name": name, "root": root, "state": "absent", "force_kill": True}
        module.Task(parameters, core).run()


def proportional(pid: int) -> int:
    """PSS of a process in kB (proc_pid_smaps(5))."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    work = os.path.join(arguments.work, "aoci-runtime")
    os.makedirs(work)
    rootfs = os.path.join(work, "rootfs")
    busybox_rootfs.build(rootfs)
    try:
        command_line(work, rootfs, arguments.rounds)
        in_a_task(work, rootfs, arguments.rounds)
    finally:
        for hierarchy in ("", *os.listdir("/sys/fs/cgroup")):
            path = os.path.join("/sys/fs/cgroup", hierarchy, os.path.basename(work))
            if os.path.isdir(path):
                os.rmdir(path)


if __name__ == "__main__":
    main()
