# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import initprogram
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.runtime import reaper


def test_where_the_host_has_to_have_one(monkeypatch, tmp_path):
    static, dynamic = tmp_path / "static", tmp_path / "dynamic"
    static.write_bytes(reaper.image("x86_64", 1))
    image = bytearray(reaper.image("x86_64", 1))
    image[120:124] = b"\3\0\0\0"  # the second program header: PT_INTERP
    dynamic.write_bytes(image)
    for path in (static, dynamic):
        path.chmod(0o755)
    places = [str(tmp_path / "missing"), str(dynamic)]
    monkeypatch.setattr(initprogram, "_PLACES", places)
    assert initprogram.find({}, "riscv64") == ""
    assert initprogram.find({"init": True}, "x86_64") == ""
    with pytest.raises(ContainerError, match="init: with runtime: crun a program of the host is needed"):
        initprogram.find({"init": True, "runtime": "crun"}, "x86_64")
    with pytest.raises(ContainerError, match="init: on a machine of type riscv64"):
        initprogram.find({"init": True}, "riscv64")
    places.append(str(static))
    assert initprogram.find({"init": True}, "riscv64") == str(static)
