# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of cgroup_limit on a host, Ansible left out."""

from __future__ import annotations

from program import Program

# A task for each line that comes in, in a process of its own; what all need is imported once.
TASKS = r"""
import json, os, sys
sys.path.insert(0, "/root/oci/plugins/module_utils")
import entry
entry.register()
from aoci import core
core.activate(None, False)
from aoci.cgroup import module, unit_steps
from aoci.kernel.errors import Error
defaults = dict.fromkeys(%r, None)
for line in sys.stdin:
    options, check_mode = json.loads(line)
    if os.fork() == 0:
        try:
            print(json.dumps(module.result({**defaults, "state": "present", "kill": False, **options}, check_mode)))
        except Error as error:
            print(json.dumps({"msg": str(error)}))
        sys.exit()
    os.wait()
"""
SERVICE = "[Service]\nExecStart=/bin/sleep infinity\nMemoryMax=300M\n"
DROP_INS = "find /etc/systemd/system.control /run/systemd/system.control -type f 2>/dev/null; true"


def _options():
    """The names of the module's options, from its argument spec."""
    from ansible_collections.agentless.oci.plugins.modules.cgroup_limit import MODULE

    return sorted(MODULE["argument_spec"])


class Limits(Program):
    """The module's core on *host*, as a task runs it: from the host's own copy."""

    def __init__(self, host):
        super().__init__(host, "tasks", TASKS % _options())

    def begin(self, check_mode=False, **options):
        """Start a task and do not wait for it."""
        self.tell([options, check_mode])

    def __call__(self, check_mode=False, **options):
        self.begin(check_mode, **options)
        return self.answer()

    def files(self, path, *names):
        return self.host.run(f"cd /sys/fs/cgroup{path} && cat {' '.join(names)}").stdout.splitlines()

    def there(self, path):
        return self.host.run(f"test -e {path}", check=False).returncode == 0


def begun(network, name, **options):
    """Limits on a new host, started, with the services demo, which runs, and idle, which does not."""
    host = network.host(name, mem="384M", **options)
    host.start()
    host.copy_checkout("/root/oci")
    made = Limits(host)
    for service in ("demo", "idle"):
        host.run(f"printf '{SERVICE}' > /etc/systemd/system/{service}.service".replace("\n", "\\n"))
    host.run("systemctl start demo.service; sync")
    return made
