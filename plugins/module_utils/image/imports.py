# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of files that images were made of, or written to: so that the next run need not read them.

A record is only ever a reason not to read; without it, or with a damaged one, the files themselves are compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .store import Store

# A file written within this many seconds before it is looked at may be written again without its time moving.
RACY = 2


def file_fingerprint(status: os.stat_result) -> str:
    """Of one file: nothing can write to it without moving its change time."""
    return f"file {status.st_dev} {status.st_ino} {status.st_size} {status.st_ctime_ns}"


def is_settled(change_time: float) -> bool:
    """Whether a fingerprint with this newest change time (seconds) may be relied on."""
    return change_time <= time.time() - RACY


def read_record(store: Store, key: bytes, *fields: str) -> dict[str, Any]:
    """What is recorded under *key*; ``{}`` without a record that has all *fields*."""
    from ..kernel.files import read_bytes

    try:
        record = json.loads(read_bytes(_path(store, key)))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) and all(field in record for field in fields) else {}


def write_record(store: Store, key: bytes, record: dict[str, str]) -> None:
    """Record *record* under *key*. Raises OSError."""
    from ..kernel.files import write_atomic

    store.state.ensure(store.state.images, store.imports)
    write_atomic(_path(store, key), json.dumps(record).encode(), durable=False)


def _path(store: Store, key: bytes) -> str:
    return os.path.join(store.imports, hashlib.sha256(key).hexdigest())
