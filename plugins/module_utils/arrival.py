# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core has come to a host in an archive, by the action plugins or the connection plugin, and is in memory only.

What is done with it the arguments VERSION ROOT VERB say (plugin_utils/corearchive.py):

    install        make it the host's copy
    run MODULE …   the same, and then carry out a task by it: the arguments and the input are module_verb.py's
    lend MODULE    carry out a task without leaving anything behind: in check mode, and what only reads
"""

from __future__ import annotations

import json
import os
import sys
import zlib

from .core import install, is_whole, require_root, write_files
from .kernel.errors import Error
from .statedir import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Files = Mapping[str, Callable[[], bytes]]


def main(texts: Mapping[str, str], given: bytes, argv: list[str]) -> int:
    """Do as *argv* says with the core's files *texts* (path → text); *given* is what module_verb.py reads.

    The exit code. A failure to install is told to people, or else as module_verb.py tells that a task has failed.
    """
    version, root, verb = argv[:3]
    files = {name: text.encode for name, text in texts.items()}
    try:
        require_root()
        if verb == "lend":
            return _lend(files, given, argv[3])
        entry = _installed(files, version, root)
    except (Error, OSError) as error:
        if verb == "install":
            sys.stderr.write(f"aoci: {error}\n")
            return 1
        name = json.loads(zlib.decompress(given))["params"].get("name") or argv[3]
        sys.stdout.write(json.dumps({"failed": True, "changed": False, "msg": f"{name}: {error}"}) + "\n")
        return 0
    if verb == "run":
        os.dup2(_input(given), 0)
        os.execv(sys.executable, _command(entry, *argv[3:]))
    return 0


def _installed(files: Files, version: str, root: str) -> str:
    """The copy's ``entry.py``."""
    state = StateDir(os.path.expanduser(os.path.expandvars(root)))
    copy = os.path.join(state.lib, version)
    if not is_whole(copy, files):  # another task may have been faster
        install(state, copy, files)
    return os.path.join(copy, "entry.py")


def _lend(files: Files, given: bytes, module: str) -> int:
    """The exit code of *module*, run from a directory that goes again."""
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory(prefix="aoci-") as directory:
        write_files(files, directory, durable=False)
        command = _command(os.path.join(directory, "entry.py"), module)
        return subprocess.run(command, input=given, check=False).returncode


def _command(entry: str, *words: str) -> list[str]:
    # -B: an installed copy is compiled, and one that is lent need not be.
    return [sys.executable, "-I", "-S", "-B", entry, "module", *words]


def _input(given: bytes) -> int:
    """A descriptor that *given* is read from."""
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        return os.dup(file.fileno())
