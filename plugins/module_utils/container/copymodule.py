# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module oci_container_copy does: files into a container, or out of it.

What lies on the controller comes by the action plugin (plugins/action/oci_container_copy.py): first a manifest, and
when the answer is that files are ``needed``, these in a second call.
"""

from __future__ import annotations

import base64
import contextlib
import posixpath

from ..kernel.errors import Error, told
from ..statedir import StateDir
from . import copy, copyplan, inside, roots
from .copyplan import DIRECTORY, PRESERVE
from .copysource import Sent, Source, Text, Tree
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .roots import Root

_ACTIONS = 100  # lines of a result, of a long list the first


def run(module: Any) -> None:
    """Do what *module* (an AnsibleModule) asks for and leave through its exit."""
    name = module.params["name"]
    try:
        result = perform(module.params, check_mode=module.check_mode, diff=module._diff)
    except (Error, OSError) as error:
        module.fail_json(msg=_shown(told(name, error)))
    module.exit_json(**_shown(result))


def _shown(value: Any) -> Any:
    """*value* with text that can be sent and shown: a container's names of files need not be UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return {key: _shown(item) for key, item in value.items()} if isinstance(value, dict) else value


def perform(params: dict[str, Any], *, check_mode: bool = False, diff: bool = False) -> dict[str, Any]:
    """The result of a task with the module's options *params*. Raises Error, OSError."""
    _check(params)
    state = StateDir(params["root"])
    try:
        record = inside.find(state, params["name"])
    except ContainerError as error:
        if not check_mode:
            raise
        return {"changed": True, "actions": [], "msg": f"Would have copied if not in check mode ({error.message} now)"}
    out = params["from_container"]
    with contextlib.ExitStack() as opened:
        container = opened.enter_context(roots.of_container(state, record, writes=not out and not check_mode))
        host = opened.enter_context(roots.of_host())
        source = _source(params, container if out else host, trusted=not out)
        return _copy(params, source, host if out else container, check_mode=check_mode, diff=diff)


def _check(params: dict[str, Any]) -> None:
    """Raise ContainerError for options that make no sense, or not together."""
    if not params["dest"].startswith("/"):
        raise ContainerError(f"dest: {params['dest']} is not absolute", step="options", obj="dest")
    if params["from_container"] and params["src"] is None:
        raise ContainerError("from_container: there is no src, which is a path in the container", step="options")
    if params["from_container"] and params["remote_src"]:
        raise ContainerError(
            "from_container and remote_src contradict each other: src is in the container", step="options"
        )
    if params["src"] is not None and not params["src"].startswith("/") and params["_sent"] is None:
        raise ContainerError(f"src: {params['src']} is not absolute", step="options", obj="src")
    if params["content"] is not None and params["dest"].endswith("/"):
        raise ContainerError(
            f"dest: {params['dest']} is a directory, and content has no name", step="options", obj="dest"
        )


def _source(params: dict[str, Any], root: Root, *, trusted: bool) -> Source:
    if params["content"] is not None:
        data = params["content"].encode()
        if params["content_is_b64"]:
            try:
                data = base64.b64decode(data, validate=True)
            except ValueError as error:
                raise ContainerError(f"content is not in base64: {error}", step="options", obj="content") from error
        return Text(data)
    if params["_sent"] is not None:
        return Sent(**params["_sent"])
    if trusted and not params["remote_src"]:
        raise ContainerError(
            "src: files of the controller come by the action plugin of this module, which was not used",
            step="options",
            hint="Call the module by its full name, or set remote_src: true for a path of the managed host",
        )
    return Tree(root, params["src"], follow=params["local_follow"], trusted=trusted)


def _copy(params: dict[str, Any], source: Source, root: Root, *, check_mode: bool, diff: bool) -> dict[str, Any]:
    directory, src = source.items[0].kind == DIRECTORY, params["src"] or ""
    name = posixpath.basename(src.rstrip("/")) or posixpath.basename(params["dest"])
    path = copy.destination(root, params["dest"], name, directory=directory, contents=src.endswith("/"), makes=True)
    if params["content"] is not None and path != params["dest"]:
        raise ContainerError(
            f"dest: {params['dest']} is a directory {root.where}, and content has no name", step="options", obj="dest"
        )
    if params["follow"]:
        from ..kernel import entries

        path = entries.resolve(root.fd, path) if path.strip("/") else path
    result: dict[str, Any] = {"changed": False, "actions": [], "dest": path}
    if not params["force"] and copy.is_there(root, path):
        return {**result, **copy.state_of(root, path, None)}
    makes = directory or params["dest"].endswith("/")
    changes = copy.plan(source, root, path, _wishes(params, root), makes=makes, named=params["dest"])
    needed = source.missing(item for item in source.items if _is_written(item.digest, changes))
    if diff:
        result["diff"] = copy.differences(changes, source, root)
    if needed and not check_mode:
        return {**result, "needed": needed}
    actions = [copyplan.action(change) for change in changes]
    if len(actions) > _ACTIONS:
        actions[_ACTIONS:] = [f"and {len(actions) - _ACTIONS} more"]
    result.update(changed=bool(changes), actions=actions)
    own = next((change for change in changes if change.wanted.path == path), None)
    if not check_mode:
        copy.apply(changes, source, root)
    return {**result, **copy.state_of(root, path, own)}


def _is_written(digest: str, changes: list[copyplan.Change]) -> bool:
    return any(change.writes and digest and change.wanted.digest == digest for change in changes)


def _wishes(params: dict[str, Any], root: Root) -> copy.Attributes:
    """What the options say of modes and owners, names as the place of the copy knows them. Raises ContainerError."""
    default = None if params["content"] is not None else PRESERVE
    mode, directory_mode = (
        copyplan.parse_mode(default if params[option] is None else params[option], option)
        for option in ("mode", "directory_mode")
    )
    given = (params["owner"], params["group"])
    texts = ["", ""]
    if any(owner not in (None, PRESERVE) and not owner.isdigit() for owner in given):
        from .bundlefile import users_below

        texts = users_below(root.fd)
    from .userdb import group_id, owner_id

    uid, gid = (
        owner if owner in (None, PRESERVE) else find(owner, text)
        for owner, find, text in zip(given, (owner_id, group_id), texts)
    )
    return copy.Attributes(mode, directory_mode, uid, gid)
