# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oci_container_copy, with the controller's files: what they are goes along with the task, small ones whole.

Only where the answer is that others are needed are these sent, and the task is done in a second call.
"""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.agentless.oci.plugins.plugin_utils import manifest
from ansible_collections.agentless.oci.plugins.plugin_utils.direct import Direct

_OWN = "_sent"  # the option by which the module is told


class ActionModule(Direct):
    """See there."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result."""
        args = {key: value for key, value in self._task.args.items() if key != _OWN}
        src = args.get("src", args.get("path"))
        if not isinstance(src, str) or self._says(args, "remote_src") or self._says(args, "from_container"):
            return super().run(tmp, task_vars)
        if self._task.async_val:
            raise AnsibleActionFail("files of the controller cannot be copied in the background: leave async out")
        result: dict[str, Any] = super(Direct, self).run(tmp, task_vars)
        variables = task_vars or {}
        try:
            source = manifest.Manifest(
                self._find(src),
                follow=self._says(args, "local_follow", default=True),
                real=self._loader.get_real_file if self._says(args, "decrypt", default=True) else str,
                shows=bool(self._task.diff),
            )
        except OSError as error:
            raise AnsibleActionFail(f"src: {error.filename or src}: {error.strerror}") from error
        except ValueError as error:
            raise AnsibleActionFail(f"src: {error}") from error
        done = self._done(variables, {**args, _OWN: {"manifest": source.entries}})
        if done.get("needed"):
            done = self._sent(variables, args, source, done)
        done.pop("needed", None)
        done.get("invocation", {}).get("module_args", {}).pop(_OWN, None)
        result.update(done)
        return result

    def _says(self, args: dict[str, Any], name: str, *, default: bool = False) -> bool:
        """What a yes or no of the task is; one that is neither, the module complains of."""
        return bool(boolean(args.get(name, default), strict=False))

    def _find(self, src: str) -> str:
        """Where *src* is on the controller, as ansible.builtin.copy looks for it; a / at its end stays."""
        try:
            found = str(self._find_needle("files", src.rstrip("/") or "/"))
        except AnsibleError as error:
            raise AnsibleActionFail(str(error)) from error
        return found + "/" if src.endswith("/") and not found.endswith("/") else found

    def _sent(
        self, variables: dict[str, Any], args: dict[str, Any], source: manifest.Manifest, first: dict[str, Any]
    ) -> dict[str, Any]:
        """The second call, with the files that the *first* has found to be needed."""
        made = not self._connection._shell.tmpdir
        if made:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "copied")
        try:
            local, archive = source.packed(first["needed"])
            try:
                self._transfer_file(local, remote)
            finally:
                if archive:
                    os.unlink(local)
            sent = {"manifest": source.entries, "staged": remote, "archive": archive}
            done = self._done(variables, {**args, _OWN: sent})
        finally:
            if made:
                self._remove_tmp_path(self._connection._shell.tmpdir, force=True)
        if "diff" in first:
            done["diff"] = first["diff"]
        return done
