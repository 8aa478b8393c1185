# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aoci pull`` as a person sees it, on a terminal and elsewhere; what the module tells under ``-vv``."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import pty
import random
import re
import shutil
import struct
import subprocess
import termios

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import module
from ansible_collections.agentless.oci.plugins.module_utils.image.media import host_platform
from image_sources import OTHER
from oci_layout import member, write_layout

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")
LAYERS = 3


def push(layout, name, *options):
    command = ["skopeo", "copy", "-q", "--dest-tls-verify=false", *options, f"oci:{layout}:test", f"docker://{name}"]
    subprocess.run(command, check=True)
    return name


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    path = tmp_path_factory.mktemp("layout")
    numbers = random.Random(11)
    layers = [[member(f"file{index}", content=numbers.randbytes(1_000_000))] for index in range(LAYERS)]
    write_layout(path, layers, host_platform(platform.machine()).architecture)
    return path


@pytest.fixture(scope="module")
def name(registry, layout):
    return push(layout, f"{registry.address}/progress/app:1")


def aoci_pull(*arguments, **options):
    return subprocess.run(
        ["/usr/bin/python3", "-I", AOCI, "pull", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def test_elsewhere_than_on_a_terminal_it_writes_lines(name, state_dir):
    pulled = aoci_pull(name)
    assert pulled.returncode == 0, pulled.stderr
    lines = pulled.stderr.splitlines()
    for state in ("fetched", "unpacked"):
        said = [re.fullmatch(rf"[0-9a-f]{{12}} {state} 1\.0 MB in [0-9.]+ s", line) for line in lines]
        assert len([match for match in said if match]) == LAYERS, pulled.stderr
    assert len(lines) == 2 * LAYERS
    assert "\x1b" not in pulled.stderr
    action, image_id = pulled.stdout.splitlines()
    assert action == f"pulled image {name}"
    assert os.path.exists(os.path.join(state_dir, "images/blobs/sha256", image_id.partition(":")[2]))
    again = aoci_pull(name)
    assert again.stdout.splitlines() == [f"{name} is up to date", image_id]
    assert again.stderr == ""
    assert aoci_pull("-q", name).stdout == f"{image_id}\n"


def test_on_a_terminal_bars_are_drawn_within_its_width(name, state_dir):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 90, 0, 0))
    process = subprocess.Popen(
        ["/usr/bin/python3", "-I", AOCI, "pull", name],
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(slave)
    shown = b""
    try:
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # EIO: its other end is closed
                break
            if not chunk:
                break
            shown += chunk
    finally:
        os.close(master)
        process.communicate(timeout=120)
    assert process.returncode == 0
    text = shown.decode()
    assert f"\x1b[{LAYERS + 1}A" in text  # back up over what was drawn
    lines = [re.sub(r"\x1b\[[0-9]*[A-Z]|\r", "", line) for line in text.splitlines()]
    assert max(len(line) for line in lines) == 89
    assert any(re.search(r"\[=+\]  +1\.0 MB / 1\.0 MB", line) for line in lines)
    assert re.match(
        rf"{LAYERS} layers: 3\.0 MB / 3\.0 MB, .*, {LAYERS} unpacked$", [line for line in lines if line][-1]
    )


def test_credentials_on_the_command_line(layout, make_registry, state_dir, tmp_path):
    guarded = make_registry(auth="tester:secret")
    name = push(layout, f"{guarded.address}/guarded/app:1", "--dest-creds=tester:secret")
    refused = aoci_pull("--creds", "tester:wrong", name)
    assert refused.returncode == 1
    assert guarded.address in refused.stderr
    assert "wrong" not in refused.stderr
    pulled = aoci_pull("--creds", "tester:secret", name)
    assert pulled.returncode == 0, pulled.stderr
    authfile = tmp_path / "auth.json"
    authfile.write_text(json.dumps({"auths": {guarded.address: {"auth": "dGVzdGVyOnNlY3JldA=="}}}))
    assert aoci_pull("--authfile", str(authfile), name).stdout.startswith(f"{name} is up to date")
    assert aoci_pull("--creds", ":x", name).stderr.startswith("aoci: --creds names no user")


def test_mirrors_on_the_command_line(registry, name, state_dir):
    elsewhere = "no-such-host.invalid/app:1"
    mirrors = ["--mirror", "127.0.0.1:1", "--mirror", f"http://{registry.address}/progress"]
    pulled = aoci_pull("-q", *mirrors, elsewhere)
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout == aoci_pull("-q", name).stdout
    assert "'app' has neither a dot nor a port" in aoci_pull("--mirror", "app", elsewhere).stderr


def test_signatures_and_digests_on_the_command_line(registry, name, state_dir, tmp_path):
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import ec
    from image_signatures import Repository, public

    digest = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{name}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    keys = [ec.generate_private_key(ec.SECP256R1()) for _key in range(2)]
    files = [str(tmp_path / f"{number}.pub") for number in range(2)]
    for file, key in zip(files, keys):
        with open(file, "w", encoding="ascii") as out:
            out.write(public(key))
    Repository(registry.address, "progress/app").sign(digest, keys[0])
    refused = aoci_pull("--verify", files[1], name)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"refused {name}: none of its cosign signatures was made by the key" in refused.stderr
    assert aoci_pull("--verify", files[0], "--identity", "r.example/other", name).returncode == 1
    assert "without --verify" in aoci_pull("--identity", "r.example/other", name).stderr
    pulled = aoci_pull("--verify", files[0], name)
    assert pulled.returncode == 0, pulled.stderr
    assert "it names no digest" in aoci_pull("--require-digest", name).stderr
    assert aoci_pull("--require-digest", f"{name.rpartition(':')[0]}@{digest}").returncode == 0


def test_another_platform_than_the_hosts(registry, raw, state_dir):
    mine, other = (
        raw.image("progress/two", [[member("mine")]]),
        raw.image("progress/two", [[member("other")]], where=OTHER),
    )
    raw.index("progress/two", [mine, other], "1")
    name = f"{registry.address}/progress/two:1"
    images = {}
    for options in ((), ("--platform", "linux/s390x")):
        pulled = aoci_pull(*options, name)
        assert pulled.returncode == 0, pulled.stderr
        images[options] = pulled.stdout.splitlines()[-1]
    for options, where in (((), mine), (("--platform", "linux/s390x"), other)):
        assert images[options] == raw.document("progress/two", where["digest"])["config"]["digest"]
    assert "has no image for the platform linux/riscv64" in aoci_pull("--platform", "riscv64", name).stderr


@pytest.mark.skipif(not shutil.which("ansible"), reason="needs ansible")
@pytest.mark.parametrize(("shown", "told"), [("-v", False), ("-vv", True)])
def test_ansible_shows_them_to_a_person(name, state_dir, shown, told):
    checkout = os.path.join(os.path.dirname(AOCI), "..")
    command = ["ansible", "localhost", shown, "-m", "agentless.oci.oci_image", "-a", f"name={name} root={state_dir}"]
    done = subprocess.run(
        command,
        env={**os.environ, "ANSIBLE_CONFIG": os.path.join(checkout, "ansible.cfg")},
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert f'"pulled image {name}"' in done.stdout
    assert (len(re.findall(r'"fetch": [0-9.]+,\s+"layer": "sha256:[0-9a-f]+"', done.stdout)) == LAYERS) is told
    assert ("timings" in done.stdout) is told


class Exited(Exception):
    pass


class Module:
    """As much of AnsibleModule as the task needs."""

    check_mode = False

    def __init__(self, verbosity, **params):
        self._verbosity = verbosity
        absent = ("source", "platform", "username", "password", "authfile", "ca_path", "tag")
        self.params = {
            **dict.fromkeys((*absent, "archive", "mirrors", "verify")),
            "state": "present",
            "pull": "missing",
            "validate_certs": True,
            **dict.fromkeys(("push", "force", "require_digest"), False),
            **params,
        }
        self.result = {}

    def exit_json(self, **result):
        self.result = result

    def fail_json(self, **result):
        raise Exited(result["msg"])

    def warn(self, _text):
        """Nothing here warns."""


@pytest.mark.parametrize(("verbosity", "told"), [(1, False), (2, True), (3, True)])
def test_times_of_layers_are_told_from_vv_on(name, state_dir, verbosity, told):
    task = Module(verbosity, name=name, root=state_dir)
    module.run(task)
    assert task.result["changed"]
    assert ("timings" in task.result) is told
    if told:
        timings = task.result["timings"]
        assert [timing["size"] > 1_000_000 for timing in timings] == [True] * LAYERS
        assert all(timing["fetch"] >= 0 and timing["unpack"] > 0 for timing in timings)
        assert all(timing["layer"].startswith("sha256:") for timing in timings)
    again = Module(verbosity, name=name, root=state_dir)
    module.run(again)
    assert not again.result["changed"]
    assert "timings" not in again.result
