# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re

import tempdirs


def test_a_new_directory_has_a_name_that_a_reference_may_have(tmp_path, monkeypatch):
    numbers = [b"\0" * 5, b"\0" * 5, b"\xff" * 5]
    monkeypatch.setattr(os, "urandom", lambda size: numbers.pop(0)[:size])
    made = [tempdirs.make("aoci-", str(tmp_path)) for _each in range(2)]
    assert sorted(os.listdir(tmp_path)) == sorted(map(os.path.basename, made))
    for path in made:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", os.path.basename(path))
        assert os.stat(path).st_mode & 0o777 == 0o700
