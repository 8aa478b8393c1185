# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the core starts as a program: ``python3 -I -S entry.py VERB …``.

The same tree lies in a checkout, in an installed collection and in the host's own copy. It is imported as the
package ``aoci`` wherever it lies, so nothing has to be on sys.path.
"""

from __future__ import annotations

import gc
import os
import sys

PACKAGE = "aoci"
LAYERS = ("kernel", "cgroup", "runtime", "image", "network", "volume", "container", "cli")


# Objects to be made before the garbage collector looks at them all: more than a command makes while it starts. Looking
# costs a tenth of a container's start, and after a fork copies every page it looks at.
_COLLECT_AFTER = 100_000


def register() -> None:
    """Make the directory of this file importable as the package ``aoci``."""
    here = os.path.dirname(os.path.realpath(__file__))
    package = type(sys)(PACKAGE)
    package.__path__ = [here]
    sys.modules[PACKAGE] = package
    # The layers are directories without code: registered likewise, they need not be searched for.
    for layer in LAYERS:
        below = type(sys)(f"{PACKAGE}.{layer}")
        below.__path__ = [f"{here}/{layer}"]
        sys.modules[below.__name__] = below
        setattr(package, layer, below)


def run(argv: list[str]) -> None:
    """Run the command line *argv* and end the process with its exit code; tearing the interpreter down is not waited
    for.
    """
    gc.set_threshold(_COLLECT_AFTER)
    register()
    main = __import__(PACKAGE + ".cli.main", fromlist=["main"]).main
    code = 1
    try:
        code = main(argv)
    except BaseException:  # noqa: BLE001  a fault of ours: shown as such
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = code or 1
        os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1:])
