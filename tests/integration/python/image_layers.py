# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two layers with one of everything that layers can have, the second at odds with the first wherever it can be."""

from __future__ import annotations

import tarfile

import trees
from oci_layout import directory, member

CAPABILITY = {"SCHILY.xattr.security.capability": trees.CAPABILITY.decode()}
LIB = directory("usr/lib", mode=0o711, uid=3, mtime=1_550_000_000)
KEPT = directory("kept", mode=0o751, gid=4)
LAYERS = [
    [
        directory("./", mode=0o755),
        directory("bin", mode=0o1777, mtime=1_500_000_000),
        member("bin/su", content=b"su", mode=0o4711, uid=1, gid=2, pax_headers={"SCHILY.xattr.user.a": "b"}),
        member("bin/sudo", tarfile.LNKTYPE, linkname="bin/su", mode=0o4711, uid=1, gid=2),
        member("sh", tarfile.SYMTYPE, linkname="bin/su", uid=7),
        directory("dev"),
        member("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("dev/disk", tarfile.BLKTYPE, devmajor=8, devminor=1, mode=0o600),
        member("pipe", tarfile.FIFOTYPE, mode=0o640, gid=9),
        directory("gone"),
        member("gone/below"),
        directory("emptied", mode=0o700),
        member("emptied/old"),
        directory("usr"),
        LIB,
        member("lib", tarfile.SYMTYPE, linkname="usr/lib"),
        member("replaced", content=b"file"),
        directory("swapped"),
        member("swapped/x"),
        KEPT,
        member("kept/before"),
        member("kept/after"),
        member("a" * 90 + "b" * 60, content=b"long name"),
        member("caf\udce9", content=b"not utf-8"),
        member("moment", pax_headers={"mtime": "1500000000.123456789"}),
        directory("moments", pax_headers={"mtime": "1500000000.5"}),
        member("moments/before", pax_headers={"mtime": "-1.5"}),
    ],
    [
        member(".wh.gone"),
        directory("emptied", mode=0o750),
        member("emptied/.wh..wh..opq"),
        member("emptied/new", content=b"new"),
        member("usr/lib/libx", content=b"x" * 5000, uid=5, pax_headers=CAPABILITY),
        directory("replaced", mode=0o500),
        member("replaced/in"),
        member("swapped", content=b"now a file"),
        member("bin/link-below", tarfile.LNKTYPE, linkname="bin/su"),
        directory("/app", mode=0o700),  # ko's form
        member("/app/x", content=b"x", gid=3),
        member("app/y", tarfile.LNKTYPE, linkname="/app/x", gid=3),
        member("app/../beside", uid=1),
        directory("anew"),
        member("anew/.wh.nothing"),
        member("anew/there", mtime=1_400_000_000),
        directory("anew/deeper"),
        member("anew/deeper/.wh.nothing"),
        member("kept/.wh.before"),
        member("kept/before", content=b"before is new"),
        member("kept/after", content=b"after is new"),
        member("kept/.wh.after"),
        member("made/for/this", uid=8),
    ],
]
