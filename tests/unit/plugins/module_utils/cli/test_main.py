# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as such: help, and options that there are not, end as a person and a script expect it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry

# Those for people.
VERBS = ["containers", "inspect", "logs", "networks", "stats", "images", "pull", "rmi", "check", "save", "load"]


def aoci(*arguments):
    return subprocess.run(
        [sys.executable, "-I", "-S", entry.__file__, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb):
    done = aoci(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: aoci {verb}")


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_there_is_not(verb):
    done = aoci(verb, "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: aoci {verb}")
    assert done.stderr.splitlines()[-1].startswith(f"aoci {verb}: error: ")
