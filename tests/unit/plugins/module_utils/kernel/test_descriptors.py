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


@pytest.mark.parametrize("holes", [(), (0,), (3,), (2, 5), (9,), (1, 2, 3), (0, 2, 4, 6, 8)])
def test_all_are_closed_and_no_other(holes):
    fds = [os.open(os.devnull, os.O_RDONLY) for _number in range(10)]
    opened = [fd for place, fd in enumerate(fds) if place not in holes]
    descriptors.close_all(opened)
    assert opened == []
    still = {fd for fd in fds if os.path.exists(f"/proc/self/fd/{fd}")}
    for fd in still:
        os.close(fd)
    assert still == {fds[place] for place in holes}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (0, 2, 1), (2, 0), (3, 0, 1)])
def test_in_whatever_order_they_are(order):
    fds = [os.open(os.devnull, os.O_RDONLY) for _number in range(4)]
    descriptors.close_all([fds[place] for place in order])
    still = {place for place, fd in enumerate(fds) if os.path.exists(f"/proc/self/fd/{fd}")}
    for place in still:
        os.close(fds[place])
    assert still == set(range(4)) - set(order)


def test_none_to_close():
    descriptors.close_all([])
    assert os.path.exists("/proc/self/fd/0")
