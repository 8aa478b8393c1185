# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs that are read while they come in."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import blobfile


def test_whoever_fetches_may_be_killed_before_the_first_look(tmp_path, monkeypatch):
    monkeypatch.setattr(blobfile, "_fetcher", os.getppid() + 1)  # a process that is not our parent any more
    blob = blobfile.BlobFile(str(tmp_path / "whole"), 10, str(tmp_path / "partial"))
    with pytest.raises(OSError, match="was killed"):
        blob.read(10)
