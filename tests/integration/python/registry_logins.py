# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who logs in at the registries of tests, and what a task may say that fails there."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from image_sources import task

USER, PASSWORD = "tester", "Correct-horse-9"
LOGIN = {"username": USER, "password": PASSWORD}
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def fails(state_dir, name, **options):
    """The message of a task that fails; no secret is in it."""
    with pytest.raises(ImageError) as caught:
        task(state_dir, name, **options)
    assert PASSWORD not in str(caught.value)
    assert BASIC[6:] not in str(caught.value)
    return str(caught.value)
