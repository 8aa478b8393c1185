# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task sends to a host, and what importing the core costs there; tests/bench/run calls it.

All bytes are counted that a connection is given: command lines, what is piped to them, and files.

usage: python3 tests/bench/payload.py WORK
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zlib

import bench  # which also finds hacking/

import busybox_rootfs  # isort: skip

COUNTED = os.path.join(bench.CHECKOUT, "tests", "integration", "python", "counted")
IMAGE = "localhost/bench/payload:1"
CONTAINER = {"name": "bench", "image": IMAGE, "pull": "never", "network_mode": "none", "command": ["sleep", "1000"]}
BACKGROUND = ["-B", "60", "-P", "0"]
ROUNDS = 15
# In the host's copy of the core: carry out the task that comes on standard input, and tell what has been imported.
_RUN = """
import json, sys
known = set(sys.modules)
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.cli import module_verb
module_verb.run(["module", "oci_container"], None)
print(json.dumps([name for name in sys.modules if name not in known and name != "entry"]))
"""
_IMPORT = """
import sys
from time import perf_counter
begin = perf_counter()
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
for name in sys.argv[2:]:
    __import__(name)
print(perf_counter() - begin)
"""


def sent(work: str, root: str, module: str, options: dict[str, object], *arguments: str, pipelining: bool) -> int:
    """The bytes that a task of *module* has sent."""
    counted = os.path.join(work, "counted")
    with open(counted, "w", encoding="utf-8"):
        pass
    bench.run(
        [
            *("ansible", "-i", "localhost,", "-c", "counted", "localhost", "-m", f"agentless.oci.{module}"),
            *("-a", json.dumps({"root": root, **options}), *arguments),
        ],
        ANSIBLE_CONNECTION_PLUGINS=COUNTED,
        ANSIBLE_PIPELINING=str(pipelining),
        ANSIBLE_ASYNC_DIR=os.path.join(work, "async"),
        ANSIBLE_REMOTE_TMP=os.path.join(work, "remote"),
        AOCI_COUNTED=counted,
    )
    jobs = os.path.join(work, "async")
    while os.path.isdir(jobs) and not all(is_finished(os.path.join(jobs, name)) for name in os.listdir(jobs)):
        time.sleep(0.05)
    with open(counted, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return sum(value for line in lines for value in line.values() if isinstance(value, int))


def is_finished(job: str) -> bool:
    """Whether the file *job* has the result of a task in the background."""
    with open(job, encoding="utf-8") as file:
        text = file.read()
    try:
        return not json.loads(text).get("started")
    except ValueError:  # it is just being written
        return False


def payloads(work: str, rootfs: str, *, pipelining: bool) -> tuple[str, list[tuple[str, int]]]:
    """(the state directory, rows (task, bytes)); the container is there afterwards."""
    root = os.path.join(work, f"state-{pipelining}")
    image: dict[str, object] = {"name": IMAGE, "source": {"rootfs": rootfs}}
    container: dict[str, object] = {**CONTAINER}
    container: dict[str, object] = {**CONTAINER}
    rows = [
        ("the first task on a host: import an image", sent(work, root, "oci_image", image, pipelining=pipelining)),
        ("create and start a container", sent(work, root, "oci_container", container, pipelining=pipelining)),
        ("nothing to change", sent(work, root, "oci_container", container, pipelining=pipelining)),
        ("in the background", sent(work, root, "oci_container", container, *BACKGROUND, pipelining=pipelining)),
    ]
    other = os.path.join(work, f"other-{pipelining}")
    fresh = sent(work, other, "oci_image", image, *BACKGROUND, pipelining=pipelining)
    shutil.rmtree(other)
    return root, [*rows, ("the first task on a host, in the background", fresh)]


def import_times(root: str) -> tuple[float, float, float, int]:
    """(seconds to import what a task of one container imports that changes nothing, those of a whole process that does
    so, of one that does nothing, modules).
    """
    (version,) = os.listdir(os.path.join(root, "lib"))
    python = ["/usr/bin/python3", "-I", "-S", "-c"]
    copy = os.path.join(root, "lib", version)
    done = subprocess.run([*python, _RUN, copy], input=task(root), capture_output=True, check=True)
    result, modules = (json.loads(line) for line in done.stdout.splitlines())
    if result.get("failed") or result["changed"]:
        raise SystemExit(f"failed: there was something to change: {result}")
    inside = []

    def run_imports() -> None:
        ran = subprocess.run([*python, _IMPORT, copy, *modules], stdout=subprocess.PIPE, check=True)
        inside.append(float(ran.stdout))

    whole = bench.median(ROUNDS, run_imports)
    nothing = bench.median(ROUNDS, lambda: bench.run([*python, "pass"]))
    return sorted(inside)[len(inside) // 2], whole, nothing, len(modules)


def task(root: str) -> bytes:
    """The options of the container as the action plugin sends them."""
    sys.path.insert(0, os.path.join(bench.CHECKOUT, "tests"))
    import conftest  # noqa: F401  which names the checkout
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
    from ansible_collections.agentless.oci.plugins.modules.oci_container import MODULE
    from ansible_collections.agentless.oci.plugins.plugin_utils.direct import without_paths

    spec, paths = without_paths(MODULE["argument_spec"])
    params = ArgumentSpecValidator(spec).validate({"root": root, **CONTAINER}).validated_parameters
    given = {"params": params, "paths": paths, "check_mode": False, "verbosity": 0, "diff": False}
    return zlib.compress(json.dumps(given).encode())


def main(work: str) -> None:
    rootfs = os.path.join(work, "rootfs-payload")
    busybox_rootfs.build(rootfs)
    directory = os.path.join(work, "payload")
    os.makedirs(directory)
    root, piped = payloads(directory, rootfs, pipelining=True)
    other, unpiped = payloads(directory, rootfs, pipelining=False)
    width = max(len(label) for label, _bytes in piped)
    print(f"\n{'what a task sends':{width}}  {'pipelining':>13}  {'without':>13}")
    for (label, with_it), (_label, without) in zip(piped, unpiped):
        print(f"{label:{width}}  {with_it / 1000:10.1f} KB  {without / 1000:10.1f} KB")
    inside, whole, nothing, modules = import_times(root)
    print(
        f"importing the core for a task of one container, nothing to change: {inside * 1000:.0f} ms for {modules} "
        f"modules; the process {whole * 1000:.0f} ms, beside {nothing * 1000:.0f} ms of one that does nothing"
    )
    for state in (root, other):
        gone: dict[str, object] = {"name": "bench", "state": "absent", "force_kill": True}
        sent(directory, state, "oci_container", gone, pipelining=True)


if __name__ == "__main__":
    main(sys.argv[1])
