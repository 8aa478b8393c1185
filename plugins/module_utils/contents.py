# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core, file by file; never imported at run time.

Ansible sends along what it sees imported. core.py names this file where only readers of source look, so every task
brings the whole core, and all tasks of one version share one copy on the host.
"""

from __future__ import annotations

from . import (
    entry,
    statedir,
)
from .cgroup import (
    api,
    bpf,
    control,
    devices,
    errors,
    explain,
    freezer,
    hierarchy,
    kinds,
    module,
    plan,
    processes,
    readback,
    resources,
    units,
    v1,
    v2,
    validate,
    vocabulary,
)
from .cli import (
    containers,
    exec_verb,
    features,
    foreground,
    images,
    main,
    more_verbs,
    runtime_verbs,
    terminal,
    words,
)
from .container import (
    apply,
    bundle,
    checks,
    errors,
    inspect,
    launch,
    logs,
    module,
    monitor,
    observe,
    options,
    plan,
    records,
    resources,
    restart,
    seccomp,
    seccomp_profile,
    spec,
    start,
    stop,
    userdb,
    values,
    wanted,
)
from .image import (
    auth,
    blobfile,
    deflate,
    ensure,
    errors,
    importer,
    inflate,
    layers,
    lower,
    media,
    module,
    pull,
    push,
    reference,
    registry,
    rootdir,
    store,
    tarstream,
    tarwrite,
    transport,
    unpack,
    workers,
)
from .kernel import (
    capabilities,
    constants,
    errors,
    files,
    idmap,
    mounts,
    procfs,
    safepath,
    selfexe,
    syscalls,
)
from .runtime import (
    channel,
    child,
    config,
    console,
    create,
    dismantle,
    errors,
    exec,
    hooks,
    init,
    libseccomp,
    lifecycle,
    limits,
    namespaces,
    process,
    rootfs,
    seccomp,
    state,
)
