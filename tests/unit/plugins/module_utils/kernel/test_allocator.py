# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that is freed and wanted again is not asked of the kernel each time."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry

# Pieces as large as those of a layer: (page faults of 300 of them) after what is done before.
FAULTS = """
import resource
import entry
entry.register()
{before}
def faults():
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _piece in range(300):
        kept = b"x" * 400_000
        kept = b"y" * 400_000
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin
faults()
print(faults())
"""


def faults(before):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(before=before)],
        env={**os.environ, "PYTHONPATH": os.path.dirname(entry.__file__), "MALLOC_TRIM_THRESHOLD_": "131072"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc")
@pytest.mark.parametrize(
    "before",
    [
        "from aoci.kernel.allocator import keep_freed_memory; keep_freed_memory(8 << 20)",
        "from aoci.image.workers import started_workers; started_workers(None, 0).__enter__()",
    ],
)
def test_what_is_freed_is_kept(before):
    assert faults("") > 10_000
    assert faults(before) < 1000


def test_another_c_library(monkeypatch):
    from ansible_collections.agentless.oci.plugins.module_utils.kernel import allocator

    def missing(name, *_types):
        raise OSError(f"Symbol not found: {name}")

    monkeypatch.setattr(allocator, "function", missing)
    allocator.keep_freed_memory(1 << 20)
