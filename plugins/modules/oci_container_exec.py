#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_container_exec
short_description: Run a program in a running container
version_added: 0.1.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Runs one more program in a container, waits for its end, and returns what it wrote and its exit code.
  - The program is within the container's limits, namespaces, system call filter and capabilities, and has the
    environment of the container's own program. It is not run by a shell; give one for redirections and the like.
  - The container may be made by any runtime that M(agentless.oci.oci_container) was told to use.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
attributes:
  check_mode:
    support: partial
    details:
      - The program is not run. With O(creates) or O(removes) it is said whether it would be, otherwise the task is
        skipped.
  diff_mode:
    support: none
    details:
      - What a program changes is not known.
  idempotent:
    support: partial
    details:
      - With O(creates) and O(removes).
options:
  name:
    description:
      - Name of the container, or its id or the beginning of its id.
    type: str
    required: true
    aliases: [container]
  argv:
    description:
      - The program and its arguments.
      - Exactly one of O(argv) and O(command) is needed.
    type: list
    elements: str
  command:
    description:
      - The same in one line, in words as a shell takes them, quotes included. Nothing in it is expanded.
    type: str
    aliases: [cmd]
  stdin:
    description:
      - What the program reads on its standard input. By default nothing.
    type: str
  stdin_add_newline:
    description:
      - Whether O(stdin) ends with a newline that is added to it.
    type: bool
    default: true
  strip_empty_ends:
    description:
      - Whether newlines at the ends of RV(stdout) and RV(stderr) are left out.
    type: bool
    default: true
  env:
    description:
      - Environment variables in addition to those of the container's own program, or instead of them.
    type: dict
  user:
    description:
      - Who runs the program, as V(user), V(uid), V(user:group) or V(uid:gid); names are those that the container knows.
      - By default the user of the container.
    type: str
  chdir:
    description:
      - Working directory of the program, in the container. By default that of the container's own program.
    type: str
    aliases: [workdir, working_dir]
  tty:
    description:
      - Whether the program has a terminal. It then writes all on RV(stdout), with carriage returns.
    type: bool
    default: false
  detach:
    description:
      - Whether the program is left to itself as soon as it runs. Nothing that it writes is kept, and nobody waits for
        its end.
    type: bool
    default: false
  creates:
    description:
      - Path or pattern in the container. If it is there, the program is not run.
      - A relative one is looked up in the working directory.
    type: str
  removes:
    description:
      - Path or pattern in the container. If it is not there, the program is not run.
    type: str
notes:
  - What the program leaves running goes on in the container, but what it still writes is not returned.
seealso:
  - module: agentless.oci.oci_container
  - module: ansible.builtin.command
"""

EXAMPLES = r"""
- name: Ask the redis in container cache
  agentless.oci.oci_container_exec:
    name: cache
    argv: [redis-cli, info, memory]
  register: answer
  changed_when: false

- name: Make the database, once
  agentless.oci.oci_container_exec:
    name: db
    command: initdb --pgdata=/var/lib/postgresql/data --auth=scram-sha-256
    user: postgres
    creates: /var/lib/postgresql/data/PG_VERSION

- name: A script for the container's shell
  agentless.oci.oci_container_exec:
    name: web
    argv: [/bin/sh, -e]
    stdin: |
      cd /srv/www
      for page in *.md; do render "$page" > "${page%.md}.html"; done
    chdir: /srv
    env: {LANG: C.UTF-8}
"""

RETURN = r"""
cmd:
  description: The program and its arguments.
  returned: always, unless the container could not be entered
  type: list
  elements: str
  sample: [redis-cli, info, memory]
stdout:
  description: What the program wrote on its standard output.
  returned: unless O(detach=true), and not in check mode
  type: str
  sample: "used_memory:1048576"
stderr:
  description: What it wrote on its standard error.
  returned: unless O(detach=true), and not in check mode
  type: str
  sample: ""
rc:
  description: Its exit code, 128 and the signal's number if a signal ended it. The task fails unless it is 0.
  returned: unless O(detach=true)
  type: int
  sample: 0
start:
  description: When it was started.
  returned: when it was run and waited for
  type: str
  sample: "2026-01-30 12:00:00.000000"
end:
  description: When it ended.
  returned: when it was run and waited for
  type: str
  sample: "2026-01-30 12:00:00.100000"
delta:
  description: How long it ran.
  returned: when it was run and waited for
  type: str
  sample: "0:00:00.100000"
msg:
  description: Why it was not run, or what went wrong.
  returned: when it was not run, or failed
  type: str
  sample: "Did not run command since '/etc/done' exists"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core

ARGUMENT_SPEC = {
    "name": {"type": "str", "required": True, "aliases": ["container"]},
    "argv": {"type": "list", "elements": "str"},
    "command": {"type": "str", "aliases": ["cmd"]},
    "stdin": {"type": "str"},
    "stdin_add_newline": {"type": "bool", "default": True},
    "strip_empty_ends": {"type": "bool", "default": True},
    "env": {"type": "dict"},
    "user": {"type": "str"},
    "chdir": {"type": "str", "aliases": ["workdir", "working_dir"]},
    "tty": {"type": "bool", "default": False},
    "detach": {"type": "bool", "default": False},
    "creates": {"type": "str"},
    "removes": {"type": "str"},
    "root": {"type": "path"},
}

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {
    "argument_spec": ARGUMENT_SPEC,
    "supports_check_mode": True,
    "mutually_exclusive": [("argv", "command"), ("detach", "stdin")],
    "required_one_of": [("argv", "command")],
}


def main() -> None:
    module = AnsibleModule(**MODULE)
    entry = core.enter(module, module.params["name"])
    from ansible_collections.agentless.oci.plugins.module_utils.container.execute import run

    run(module, entry)


if __name__ == "__main__":
    main()
