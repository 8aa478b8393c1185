# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks do with containers on a host, and what is to be seen of it there."""

from __future__ import annotations

from program import Program

# Does what each line lists, in order, and answers all: the parameters of a task, {"sh": command}, {"look": name},
# {"await": name, …: what inspect says of it}, {"kill": name, "of": "Pid" or "MonitorPid"},
# {"lose": name}, whose task is killed before it says "start", {"harm": parameters, "seed": number}: a task that is
# killed, or something that has come of it, at some moment.
STEPS = r"""
import contextlib, glob, json, os, random, signal, subprocess, sys, time, traceback
sys.path.insert(0, "/root/oci/plugins/module_utils")
import entry
entry.register()
from aoci import core
own = core.activate(None, False)
from aoci.container import launch, module, options, records
from aoci.container.inspect import inspect
from aoci.container.observe import observe
from aoci.image import ensure
from aoci.image.store import Store
from aoci.statedir import StateDir
state = StateDir()
store = Store(state)
request = ensure.ImageRequest("localhost/box:1", source={"rootfs": "/root/rootfs", "config": {"env": {"PATH": "/bin"}}})
ensure.apply(ensure.plan(request, store), store)
known = {name: spec.get("default") for name, spec in options.argument_spec().items()}
shown = "ActiveState,MainPID,ControlGroup,Delegate,TimeoutStopUSec,MemoryCurrent"

def sh(command):
    own = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    return subprocess.run(["sh", "-c", command], check=True, text=True, **own).stdout

def seen(name):
    record = records.load(state, name)
    return record, inspect(record, observe(state, record))

def look(name):
    record, found = seen(name)
    found["Log"] = sh(f"cat {record.path}/log/container.log*") if glob.glob(f"{record.path}/log/container.log*") else ""
    found["Unit"] = {}
    for unit in sh(f"systemctl list-units --all --plain --no-legend 'aoci-{name}-*'").split()[:1]:
        lines = sh(f"systemctl show {unit} -p {shown}").splitlines()
        found["Unit"] = dict([("Id", unit), *(line.split("=", 1) for line in lines)])
    if found["State"]["Pid"]:
        found["Parent"] = int(sh(f"ps -o ppid= -p {found['State']['Pid']}"))
    for pid in ("Pid", "MonitorPid"):
        if found["State"][pid]:
            found[pid + "Group"] = sh(f"cat /proc/{found['State'][pid]}/cgroup || :").strip()
    if found.get("PidGroup"):
        found["Memory"] = sh(f"cat /sys/fs/cgroup{found['PidGroup'][3:]}/memory.max").strip()
    return found

def task(given):
    parameters = {**known, "image": "localhost/box:1", "network_mode": "none", **given}
    return module.Task(parameters, own).run()

def harm(given, chance):
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            task(given)
        finally:
            os._exit(0)
    time.sleep(chance.random() * 4)
    groups = glob.glob(f"/sys/fs/cgroup/system.slice/aoci-{given['name']}-*/**/cgroup.procs", recursive=True)
    victims = [pid, *(int(word) for path in groups for word in open(path).read().split())]
    for victim in chance.sample(victims, chance.randint(1, min(2, len(victims)))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]

def kill(pid):
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 60
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.01)

def step(given):
    if "sh" in given:
        return sh(given["sh"])
    if "look" in given:
        return look(given["look"])
    if "kill" in given:
        return kill(seen(given["kill"])[1]["State"][given["of"]])
    if "lose" in given:
        record = records.load(state, given["lose"])
        records.withdraw_stop(record)
        pid = os.fork()
        if not pid:
            launch.launched(state, record, own).wait_created()
            os.kill(os.getpid(), signal.SIGKILL)
        return os.waitpid(pid, 0)[1]
    if "harm" in given:
        return harm(given["harm"], random.Random(given["seed"]))
    if "await" in given:
        name = given.pop("await")
        end = time.monotonic() + 120
        while time.monotonic() < end:
            _record, found = seen(name)
            found["Healthy"] = found["State"].get("Health", {}).get("Status") == "healthy"
            if given.items() <= {**found, **found["State"]}.items():
                return look(name)
            time.sleep(0.1)
        raise AssertionError(found)
    launch.BOOTED = "/nonexistent" if given.pop("bare", False) else "/run/systemd/system"
    result = task(given)
    return result["actions"] if given.get("detach", True) else [result[name] for name in ("stdout", "stderr", "rc")]

for line in sys.stdin:
    try:
        answer = {"done": [step(given) for given in json.loads(line)]}
    except Exception:
        answer = {"failed": traceback.format_exc()}
    print(json.dumps(answer))
"""
SLEEP = ["sh", "-c", "trap 'exit 0' TERM; echo begun; sleep 10000 & wait"]
# Ends by its own stop signal alone, and takes a while for it.
SLOW = [
    "sh",
    "-c",
    "trap '' TERM; trap 'sleep 2; echo goodbye; exit 7' USR1; echo begun; sleep 10000 & while :; do wait; done",
]


class Steps(Program):
    """What a task does on *host*, from the host's own copy, and looks at it."""

    def __init__(self, host):
        super().__init__(host, "steps", STEPS)

    def __call__(self, *given):
        self.tell(given)
        answer = self.answer()
        assert "failed" not in answer, answer["failed"]
        return answer["done"]


def only(name, **given):
    """A task that says nothing else of container *name*."""
    return {"name": name, "image": None, **given}


def begun(name, times=1):
    """Wait until the program of container *name* minds its signals, for the *times*-th time."""
    logs = f"/var/lib/agentless-oci/containers/{name}/log/container.log*"
    return {"sh": f"until [ $(cat {logs} | grep -c begun) -ge {times} ]; do sleep 0.1; done"}
