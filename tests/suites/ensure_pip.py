# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the script by which ansible-test brings pip into a new virtual environment.

ansible-test loads it by its own wrapper with pip's arguments in sys.argv. ensurepip works in a child: in this process
it would leave pip's certificates pointing into a zip file that is gone.
"""

from __future__ import annotations

import os
import subprocess
import sys

environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}
packages = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
subprocess.check_call([sys.executable, "-m", "ensurepip"], env=environment, stdout=subprocess.DEVNULL)
if packages:
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", *packages], env=environment)
