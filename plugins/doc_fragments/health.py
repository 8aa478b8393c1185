# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a container's health check."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  healthcheck:
    description:
      - A program that is run in the container again and again, and whose exit code says whether the container is well.
        What is not declared comes from the image's HEALTHCHECK, and else has the default that is given here.
      - A dictionary. C(test) is V([CMD, program, argument]), V([CMD-SHELL, command for the shell]), V([NONE]) for no
        check, or a string for the shell.
      - C(interval) is the time from the end of a check to the next, V(30s) by default; the first check is one interval
        after the start. After C(timeout), V(30s) by default, a check is killed and counts as failed.
      - After C(retries) failures in a row, V(3) by default, the container is unhealthy, after one success healthy.
        Failures within C(start_period), V(0s) by default, do not count until the first success, and the checks are
        C(start_interval), V(5s) by default, apart then.
      - Times are written as V(5s), V(1m30s) or V(500ms). V(0) is as if it was not declared.
      - A string instead of the dictionary is the test alone, as podman has it. It may begin with C(CMD) or
        C(CMD-SHELL), or be a JSON list.
      - Checks are run as the container's own user, with its environment, and within its limits. A paused container is
        not checked. C(State.Health) of the returned container has the state and the last five results, as with Docker.
      - Changed in place. The container is C(starting) again then.
    type: raw
    aliases: [health_cmd]
  healthcheck_interval:
    description: The same as C(interval) of O(healthcheck).
    type: str
    aliases: [health_interval]
  healthcheck_timeout:
    description: The same as C(timeout) of O(healthcheck).
    type: str
    aliases: [health_timeout]
  healthcheck_retries:
    description: The same as C(retries) of O(healthcheck).
    type: int
    aliases: [health_retries]
  healthcheck_start_period:
    description: The same as C(start_period) of O(healthcheck).
    type: str
    aliases: [health_start_period]
  no_healthcheck:
    description: The same as V([NONE]) for the test of O(healthcheck).
    type: bool
  on_unhealthy:
    description:
      - What is done when the container becomes unhealthy. Changed in place.
      - With V(restart) it is stopped with O(stop_signal) and O(stop_timeout) and started again, whatever
        O(restart_policy) says. With V(kill) it is killed, and O(restart_policy) decides. With V(stop) it is stopped,
        and stays so. With V(none), the default, nothing.
    type: str
    choices: [none, restart, kill, stop]
    aliases: [healthcheck_failure_action, health_on_failure]
  healthy_wait_timeout:
    description:
      - Most seconds that O(state=healthy) waits. V(0) is without limit.
    type: float
    default: 300.0
"""
