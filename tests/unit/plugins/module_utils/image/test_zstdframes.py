# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of zstd's own program: a stream may end where they end, and nowhere else."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.zstdframes import Frames

pytestmark = pytest.mark.skipif(not shutil.which("zstd"), reason="needs the program zstd")

CONTENTS = {
    "nothing": b"",
    "a byte": b"x",
    "words": b"many words " * 40,
    "noise": random.Random(1).randbytes(3000),
    "runs": bytes(300_000) + b"x" + bytes(300_000),
}


def frame(content, *options):
    """One frame; through a pipe zstd does not know the size beforehand, and leaves it out."""
    return subprocess.run(["zstd", "-q", "-c", *options], input=content, stdout=subprocess.PIPE, check=True).stdout


def whole(data, step):
    frames = Frames()
    for start in range(0, len(data), step):
        frames.feed(data[start : start + step])
    return frames.whole


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("options", [(), ("--no-check",), ("-19",)], ids=" ".join)
@pytest.mark.parametrize("sized", [False, True])
def test_a_frame_ends_at_its_end(tmp_path, content, options, sized):
    if sized:  # whose frame is a single segment where it is short
        (tmp_path / "file").write_bytes(CONTENTS[content])
        data = frame(None, *options, str(tmp_path / "file"))
    else:
        data = frame(CONTENTS[content], *options)
    assert [cut for cut in range(len(data) + 1) if whole(data[:cut], 1 << 20)] == [len(data)]
    assert whole(data, 1)
    assert whole(data, 7)


def test_several_frames(tmp_path):
    parts = [
        frame(b"one"),
        b"\x5f\x2a\x4d\x18\x00\x00\x00\x00",
        b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc",
        frame(b"two" * 99),
    ]
    data = b"".join(parts)
    ends = [len(b"".join(parts[: number + 1])) for number in range(len(parts))]
    assert [cut for cut in range(len(data) + 1) if whole(data[:cut], 1 << 20)] == ends


@pytest.mark.parametrize(
    "data", [b"", b"\x28\xb5\x2f", b"no frame at all", frame(b"x") + b"garbage" if shutil.which("zstd") else b""]
)
def test_what_is_no_stream_never_ends(data):
    assert not whole(data, 1)
