# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module oci_image does with its parameters: request, plan, apply, and the result a person reads."""

from __future__ import annotations

import os

from ..kernel.errors import Error, told
from ..statedir import StateDir
from .auth import Access
from .ensure import Plan, apply, plan
from .errors import ImageError
from .request import ImageRequest
from .store import Image, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .signature import Verify


def run(module: Any) -> None:
    """Ensure the image that *module* (an AnsibleModule) asks for, and exit it."""
    name = str(module.params["name"])
    try:
        request = request_of(module.params)
        store = Store(StateDir(module.params["root"]))
        made = plan(request, store)
        progress = None
        if module._verbosity >= 2 and made.changed and not module.check_mode:
            from .progress import Tracker

            progress = Tracker()
        try:
            before = made.image
            after = before if module.check_mode else apply(made, store, progress)
        finally:
            made.close()
    except (Error, OSError) as error:
        module.fail_json(msg=told(name, error))
    else:
        for warning in made.warnings:
            module.warn(f"{name} on {os.uname().nodename}: {warning}")
        sides = diff_side(before), predicted(made) if module.check_mode else diff_side(after)
        if made.request.archive:
            add_archive(made, *sides)
        module.exit_json(
            changed=made.changed,
            actions=[str(action) for action in made.actions],
            image=describe(after),
            **({"timings": progress.timings()} if progress else {}),
            diff=dict(zip(("before", "after"), sides)),
        )


def request_of(params: dict[str, Any]) -> ImageRequest:
    """The request in a module's parameters. Raises ImageError for options that contradict each other."""
    if params["state"] == "absent":
        for option in ("source", "tag", "push", "archive"):
            if params[option]:
                raise ImageError(
                    f"state is absent and {option} is given: they contradict each other",
                    step="options",
                    hint=f"Leave out {option}, or set state to present",
                )
    if params["source"] and params["pull"] in ("always", "newer"):
        raise ImageError(
            f"source is given and pull is {params['pull']}: the image cannot come from both",
            step="options",
            hint="Leave out one of the two",
        )
    access = Access(
        params["username"],
        params["password"],
        params["authfile"],
        params["validate_certs"],
        params["ca_path"],
        params["mirrors"],
    )
    return ImageRequest(
        params["name"],
        state=params["state"],
        pull=params["pull"],
        source=params["source"],
        platform=params["platform"],
        access=access,
        tags=params["tag"] or (),
        push=params["push"],
        force=params["force"],
        archive=params["archive"],
        verify=verify_of(params["verify"]),
        require_digest=params["require_digest"],
    )


def verify_of(options: dict[str, Any] | None) -> Verify | None:
    """What a task's option ``verify`` wants; None where it is not given. Raises ImageError for a key that is none."""
    if not options:
        return None
    from .signature import Verify

    return Verify(options["cosign_public_key"], options.get("identity") or "")


def describe(image: Image | None) -> dict[str, Any] | None:
    """An image as modules return it."""
    if image is None:
        return None
    return {
        "id": image.id,
        "digest": image.digest,
        "names": image.names,
        "size": image.size,
        "layers": list(image.layers),
        "config": image.config.get("config") or {},
        "created": image.created,
        "platform": str(image.platform),
    }


def diff_side(image: Image | None) -> dict[str, Any]:
    if image is None:
        return {"state": "absent"}
    return {"state": "present", "id": image.id, "digest": image.digest, "names": image.names}


def predicted(made: Plan) -> dict[str, Any]:
    """What will be there, as far as it can be known before: for check mode's diff."""
    request = made.request
    if request.state == "absent":
        return {"state": "absent"}
    side = diff_side(made.image)
    if made.image is None:
        side = {"state": "present", "names": []}
    names = set(side["names"]) | {action.object for action in made.actions if action.verb == "tagged image"}
    if not request.by_id:
        names.add(request.full_name)
    side["names"] = sorted(names)
    if made.prepared is not None:
        known = {"id": made.prepared.image_id, "digest": made.prepared.digest}
        side = {
            **{key: side[key] for key in ("state", "names")},
            **{key: value for key, value in known.items() if value},
        }
    elif made.resolved is not None:
        side.update(id=made.resolved.image_id, digest=made.resolved.manifest.digest)
    return side


def add_archive(made: Plan, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Tell both sides of a diff which image the archive holds, as far as it can be known."""
    path = (made.request.archive or {})["path"]
    before["archive"] = {"path": path, "image": made.archived or None}
    after["archive"] = {"path": path, "image": after.get("id") or made.request.full_name}
