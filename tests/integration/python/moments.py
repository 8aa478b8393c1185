# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are killed at random moments of their life, on machines that change their speed."""

from __future__ import annotations

import itertools
import random
import time


class Killer:
    """Kills programs while they work.

    How long they take is measured by *whole*, a call of the same work, and learnt from each that ends before its kill.
    """

    def __init__(self, seed, whole):
        self._numbers = random.Random(seed)
        begun = time.monotonic()
        whole()
        self._takes = time.monotonic() - begun
        self._killed = 0

    def rounds(self, kills):
        """Numbers from 0 on, until so many have died of their kill."""
        for number in itertools.count():
            if self._killed == kills:
                return
            assert number < 10 * kills, "they end before they are killed"
            yield number

    def kill(self, process):
        """Let *process*, whose output goes into pipes, live for some of its time."""
        time.sleep(self._takes * self._numbers.uniform(0.2, 1))
        process.kill()
        process.communicate()
        if process.returncode:
            self._killed += 1
        else:
            self._takes *= 0.9
