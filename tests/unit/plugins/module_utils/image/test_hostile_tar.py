# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the headers of a layer say, unpacking it ends well or with an error of ours, and leaves the rest alone."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import unpack
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.rootdir import NeedsLower
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes device nodes and sets owners")

EXAMPLES = int(os.environ.get("AGENTLESS_OCI_HOSTILE_TARS", "300"))

BLOCK = 512
# name, mode, uid, gid, size, mtime, type, linkname, major, minor, prefix (POSIX, ustar): offset and width
FIELDS = [
    (0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100), (329, 8), (337, 8), (345, 155),
]  # fmt: skip
KEYS = [
    *(b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"),
    *(b"GNU.sparse.major", b"GNU.sparse.map", b"GNU.sparse.size", b"GNU.sparse.name", b"GNU.sparse.realsize"),
    *(b"GNU.sparse.offset", b"GNU.sparse.numbytes", b"SCHILY.xattr.user.a", b"SCHILY.xattr.security.capability"),
    *(b"SCHILY.xattr.system.posix_acl_access", b"SCHILY.xattr.system.posix_acl_default", b"SCHILY.xattr."),
    *(b"SCHILY.xattr.trusted.overlay.opaque", b"SCHILY.xattr.nobody"),
]
PLAIN = [
    b"", b"0", b"1", b"7", b"-1", b"0,1", b"1.5", b"9" * 40, b"9" * 5000, b"18446744073709551616", b"\0", b"a\0b", b".",
    b"..", b"/", b"../../evil", b"d/f", b"link/evil", b"/etc/passwd", b".wh.f", b".wh..wh..opq", b"d/.wh.", b"x" * 300,
    b"a/" * 300, b"caf\xe9", b"\x80" + b"\x7f" * 11, b"\xff" * 12, b"0000644\0",
]  # fmt: skip
TYPES = b"01234567LKxgS\0DXZ"


def base():
    """A small archive with a bit of everything, as a list of blocks."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as file:
        for name, kind, link in (
            ("d", tarfile.DIRTYPE, ""),
            ("d/f", tarfile.REGTYPE, ""),
            ("hard", tarfile.LNKTYPE, "d/f"),
            ("link", tarfile.SYMTYPE, "d"),
            ("null", tarfile.CHRTYPE, ""),
            ("link/g", tarfile.REGTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.devmajor, info.devminor = kind, link, 1, 3
            info.pax_headers = {"SCHILY.xattr.user.b": "c"}
            info.size = 600 if kind == tarfile.REGTYPE else 0
            file.addfile(info, io.BytesIO(b"z" * info.size))
    return buffer.getvalue()


BASE = base()
HEADERS = [at for at in range(0, len(BASE), BLOCK) if BASE[at + 257 : at + 262] == b"ustar"]

values = st.one_of(st.sampled_from(PLAIN), st.binary(max_size=12))
records = st.lists(st.tuples(st.sampled_from(KEYS), values), min_size=1, max_size=4)
changes = st.lists(
    st.tuples(st.sampled_from(HEADERS), st.sampled_from(FIELDS), values, st.sampled_from(TYPES)), max_size=4
)


def changed(changes):
    """BASE with fields changed and checksums that are right all the same."""
    data = bytearray(BASE)
    for at, (offset, width), value, kind in changes:
        value = bytes([kind]) if width == 1 else value[:width].ljust(width, b"\0")
        data[at + offset : at + offset + width] = value
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + BLOCK])
    return bytes(data)


def extended(records):
    """An extended header of *records*."""
    body = b""
    for key, value in records:
        bare = len(key) + len(value) + 3
        length = next(bare + digits for digits in range(1, 9) if len(str(bare + digits)) == digits)
        body += b"%d %s=%s\n" % (length, key, value)
    info = tarfile.TarInfo("PaxHeaders")
    info.type, info.size = tarfile.XHDTYPE, len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % BLOCK)


@given(changes=changes, records=records, where=st.sampled_from([None, *HEADERS]), lowers=st.sampled_from([None, []]))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_header_is_unpacked_or_refused(tmp_path, changes, records, where, lowers):
    data = changed(changes)
    if where is not None:
        data = data[:where] + extended(records) + data[where:]
    shutil.rmtree(tmp_path / "place", ignore_errors=True)
    (tmp_path / "place/layer").mkdir(parents=True)
    blob = tmp_path / "place/blob"
    blob.write_bytes(data)
    diff_id = f"sha256:{hashlib.sha256(data).hexdigest()}"
    layer = unpack.Layer(str(blob), diff_id, len(data), "tar", diff_id)
    before = set(os.listdir("/proc/self/fd"))
    mask = os.umask(0)
    try:
        unpack.unpack(layer, str(tmp_path / "place/layer"), lowers)
    except (ImageError, NeedsLower):
        pass
    finally:
        os.umask(mask)
    assert set(os.listdir("/proc/self/fd")) == before
    assert sorted(os.listdir(tmp_path / "place")) == ["blob", "layer"]
    assert os.listdir(tmp_path) == ["place"]
