# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module ends whose work is one function from options to a result."""

from __future__ import annotations

from .kernel.errors import Error, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def answer(module: Any, subject: str, work: Callable[[], Mapping[str, Any]]) -> None:
    """Leave *module* (an AnsibleModule) with what *work* gives, or fail with what it was about, *subject*, and why."""
    try:
        result = work()
    except (Error, OSError) as error:
        module.fail_json(msg=told(subject, error))
    else:
        module.exit_json(**result)
