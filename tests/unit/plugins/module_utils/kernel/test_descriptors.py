# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import descriptors


@pytest.fixture
def pair():
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def test_a_descriptor_comes_with_its_message_and_goes_to_no_child(pair, tmp_path):
    (tmp_path / "file").write_text("content")
    sent = os.open(tmp_path / "file", os.O_RDONLY)
    descriptors.send(pair[0], b"name", sent)
    os.close(sent)
    data, fd = descriptors.receive(pair[1], 100)
    try:
        assert data == b"name"
        assert os.read(fd, 100) == b"content"
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_a_message_without_one(pair):
    pair[0].send(b"name")
    assert descriptors.receive(pair[1], 100) == (b"name", -1)


def test_the_end(pair):
    pair[0].close()
    assert descriptors.receive(pair[1], 100) == (b"", -1)
