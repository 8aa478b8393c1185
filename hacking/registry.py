# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real registry (Debian's docker-registry) on a free loopback port, for the demo, the tests and the benchmark.

usage: python3 hacking/registry.py start DIRECTORY [--auth USER:PASSWORD] [--tls]
       python3 hacking/registry.py stop DIRECTORY

``start`` prints, once the registry answers, one JSON object: address ("127.0.0.1:PORT", or "localhost:PORT" with
--tls), url, pid, ca (path, with --tls). Everything lies in DIRECTORY.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence

PROGRAM = "/usr/bin/docker-registry"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Registry:
    """One registry process. ``auth`` is "user:password"; with ``tls`` a CA of its own signs its certificate.

    ``hosts`` are names that the certificate is for besides this machine's.
    ``token`` is what its configuration has to have below ``auth.token`` (see token_server).
    """

    def __init__(
        self,
        directory: str,
        *,
        auth: str = "",
        tls: bool = False,
        token: dict[str, str] | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        self.token = token
        self.hosts = hosts
        self.directory = os.path.abspath(directory)
        self.auth = auth
        self.ca = os.path.join(self.directory, "ca.pem") if tls else ""
        self.pid = 0
        self.port = 0

    @property
    def address(self) -> str:
        return f"{'localhost' if self.ca else '127.0.0.1'}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.ca else 'http'}://{self.address}"

    def start(self) -> Registry:
        """Return once ``GET /v2/`` is answered. Raises RuntimeError with the registry's own words."""
        os.makedirs(os.path.join(self.directory, "data"), exist_ok=True)
        if self.ca:
            self._make_certificates()
        log = os.path.join(self.directory, "registry.log")
        for self.port in _free_ports(5):  # somebody else may take one before the registry does
            with open(log, "wb") as output:
                process = subprocess.Popen(
                    [PROGRAM, "serve", self._write_config()],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    # It takes REGISTRY_… for its own options, other tools' REGISTRY_AUTH_FILE too.
                    env={key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_")},
                    start_new_session=True,
                )
            self.pid = process.pid
            while process.poll() is None:
                if self._answers():
                    with open(os.path.join(self.directory, "pid"), "w", encoding="ascii") as file:
                        file.write(str(self.pid))
                    return self
                time.sleep(0.05)
        with open(log, encoding="utf-8", errors="replace") as file:
            raise RuntimeError(f"docker-registry does not start: {file.read()[-2000:]}")

    def stop(self) -> None:
        stop(self.directory)

    def __enter__(self) -> Registry:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        connection: http.client.HTTPConnection
        if self.ca:
            context = ssl.create_default_context(cafile=self.ca)
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=2, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status in (200, 401)
        except OSError:
            return False
        finally:
            connection.close()

    def _write_config(self) -> str:
        config: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": os.path.join(self.directory, "data")},
                "delete": {"enabled": True},
            },
        }
        # Layers that lie elsewhere may be named in manifests.
        config["validation"] = {"manifests": {"urls": {"allow": [".*"]}}}
        listen: dict[str, object] = {"addr": f"127.0.0.1:{self.port}"}
        if self.ca:
            listen["tls"] = {"certificate": self._path("server.pem"), "key": self._path("server.key")}
        config["http"] = listen
        if self.auth:
            user, password = self.auth.split(":", 1)
            entry = subprocess.run(
                ["htpasswd", "-niB", user], input=password, check=True, capture_output=True, text=True
            ).stdout
            with open(self._path("htpasswd"), "w", encoding="ascii") as file:
                file.write(entry)
            config["auth"] = {"htpasswd": {"realm": "tests", "path": self._path("htpasswd")}}
        if self.token:
            config["auth"] = {"token": self.token}
        path = self._path("config.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)  # JSON is YAML
        return path

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _make_certificates(self) -> None:
        authority = Authority(self.directory)
        authority.sign("server", server=True, hosts=self.hosts)


class Authority:
    """A certificate authority below *directory*: ``ca.pem``, and ``NAME.pem`` and ``NAME.key`` for what it signs."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.ca = self._path("ca.pem")
        # Python 3.13 verifies strictly (RFC 5280): a CA without these extensions is refused.
        _openssl(
            "req", "-x509", *NEW_KEY, "-keyout", self._path("ca.key"), "-out", self.ca, "-days", "30",
            "-subj", "/CN=tests CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def sign(self, name: str, *, server: bool, hosts: Sequence[str] = ()) -> tuple[str, str]:
        """A certificate for a server on this machine and *hosts*, or a client called *name*, and its key (paths)."""
        certificate, key, request = self._path(f"{name}.pem"), self._path(f"{name}.key"), self._path(f"{name}.csr")
        subject = "localhost" if server else name
        _openssl("req", *NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={subject}")
        extensions = self._path(f"{name}.cnf")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(
                "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
                f"keyUsage=digitalSignature\nextendedKeyUsage={'serverAuth' if server else 'clientAuth'}\n"
            )
            if server:
                file.write(",".join(["subjectAltName=DNS:localhost,IP:127.0.0.1", *(f"DNS:{host}" for host in hosts)]))
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._path("ca.key"), "-CAcreateserial",
            "-out", certificate, "-days", "30", "-extfile", extensions,
        )  # fmt: skip
        return certificate, key


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def stop(directory: str) -> None:
    """End the registry of *directory*; nothing when none runs."""
    path = os.path.join(os.path.abspath(directory), "pid")
    try:
        with open(path, encoding="ascii") as file:
            pid = int(file.read())
    except FileNotFoundError:
        return
    os.unlink(path)
    config = os.path.join(os.path.abspath(directory), "config.yml").encode()
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if not _runs(pid, config):
            return
        os.kill(pid, sent)
        deadline = time.monotonic() + 5
        while _runs(pid, config) and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.02)


def _runs(pid: int, config: bytes) -> bool:
    """Whether *pid* is still that registry, not a zombie and not a later process of the same number."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return config in file.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as probes:
        bound = [probes.enter_context(socket.socket()) for each in range(number)]
        for probe in bound:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in bound]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verb", choices=("start", "stop"))
    parser.add_argument("directory")
    parser.add_argument("--auth", default="", metavar="USER:PASSWORD")
    parser.add_argument("--tls", action="store_true")
    arguments = parser.parse_args()
    if arguments.verb == "stop":
        stop(arguments.directory)
        return
    registry = Registry(arguments.directory, auth=arguments.auth, tls=arguments.tls).start()
    json.dump({"address": registry.address, "url": registry.url, "pid": registry.pid, "ca": registry.ca}, sys.stdout)


if __name__ == "__main__":
    main()
