# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of how a container ends, what is kept of its output and when it is started again."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  stop_signal:
    description:
      - Signal that asks the container to end. By default the image's, else V(SIGTERM). Changed in place.
    type: str
  stop_timeout:
    description:
      - Seconds that the container has to end before it is killed, V(10) by default. Changed in place.
    type: int
  stop_time:
    description:
      - Seconds that the container has to end where this task stops it, instead of O(stop_timeout).
    type: float
    aliases: [delete_time]
  log_driver:
    description:
      - Where what the container writes goes. Changed in place.
      - With V(k8s-file), the default, into files of lines C(TIME STREAM F|P TEXT), with V(json-file) into files in
        Docker's format, in which bytes that are not UTF-8 are lost.
      - With V(journald) to the host's journal, with the fields that podman and Docker have (C(CONTAINER_NAME),
        C(CONTAINER_ID), C(CONTAINER_ID_FULL), C(CONTAINER_TAG), C(IMAGE_NAME), C(SYSLOG_IDENTIFIER) …). While journald
        is not there, it is lost.
      - V(local) is V(k8s-file).
      - With V(none) it is not kept, and a task that waits for the container's end returns nothing of it. Under systemd
        another driver in its place needs a restart of the container.
    type: str
    choices: [k8s-file, json-file, journald, none, local]
  log_options:
    description:
      - Options of the log. C(max-size) is the size at which a new file is begun, V(10m) by default, V(0) for never;
        C(max-file) how many files are kept, V(5) by default. Changed in place.
      - For V(k8s-file) and V(json-file), C(path) is where a link to the current file of the log is made, in a directory
        that is there. It goes with the container.
      - For V(json-file) and V(journald), C(labels) are names of labels, with commas between, that go along with each
        entry, and C(tag) is a text that does. It may have V({{.Name}}), V({{.ID}}), V({{.FullID}}), V({{.ImageName}}),
        V({{.ImageID}}) and V({{.ImageFullID}}) in it.
    type: dict
    aliases: [log_opt]
  restart_policy:
    description:
      - Whether the container is started again when it ends by itself. Changed in place.
      - With V(on-failure) only if its exit code is not 0, and at most O(restart_retries) times in a row.
      - With V(always) and V(unless-stopped) each time, and when the host has started; with V(unless-stopped) not if it
        was stopped on purpose before. Where systemd is process 1 the task installs a unit for that,
        C(agentless-oci-containers.service); elsewhere the host's init has to call
        C(/var/lib/agentless-oci/core/entry.py boot) with Python.
      - Restarts in a row wait longer and longer, from 0.1 to 60 seconds. The default is V(no).
      - V(on-failure:3) is V(on-failure) with O(restart_retries=3).
    type: str
  restart_retries:
    description:
      - How often O(restart_policy=on-failure) tries in a row. V(0), the default, is without end. Changed in place.
    type: int
  auto_remove:
    description:
      - Remove the container when it has ended. Changed in place.
    type: bool
    aliases: [rm, remove]
  cleanup:
    description:
      - With O(detach=false) the same as O(auto_remove).
    type: bool
"""
