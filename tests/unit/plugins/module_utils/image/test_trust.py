# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which authorities and which client certificate are for which host."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import trust
from ansible_collections.agentless.oci.plugins.module_utils.image.auth import Access
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError

pytest.importorskip("requests")


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """Paths of a certificate and its key, and of another's."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    made = tmp_path_factory.mktemp("pem")
    for name in ("a", "b"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", made / f"{name}.key", "-out", made / f"{name}.crt", "-days", "30", "-subj", f"/CN={name}"],
            check=True,
            capture_output=True,
        )  # fmt: skip
    return made


@pytest.fixture
def certs_d(tmp_path, monkeypatch):
    roots = (tmp_path / "containers", tmp_path / "docker")
    monkeypatch.setattr(trust, "CERTS_D", tuple(str(root) for root in roots))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return roots


def put(directory, **files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        shutil.copy(source, directory / name.replace("_", "."))
    return directory


def content(verify):
    with open(verify, "rb") as file:
        return file.read()


def test_nothing_declared(certs_d):
    made = trust.Trust(Access(), ("r.example", "r.example"))
    assert made.of("r.example") == (True, None)
    assert trust.Trust(Access(validate_certs=False), ("r.example",)).of("r.example") == (False, None)


def test_certs_d_adds_to_the_hosts_authorities_for_that_host_only(certs_d, pem):
    directory = put(certs_d[1] / "r.example:5000", ca_crt=pem / "a.crt", me_cert=pem / "b.crt", me_key=pem / "b.key")
    made = trust.Trust(Access(), ("r.example:5000",))
    verify, cert = made.of("r.example:5000")
    assert (pem / "a.crt").read_bytes() in content(verify)
    assert content(verify).count(b"BEGIN CERTIFICATE") > 10
    assert (pem / "b.crt").read_bytes() not in content(verify)
    assert cert == (str(directory / "me.cert"), str(directory / "me.key"))
    assert made.of("elsewhere.example") == (True, None)
    made.close()
    assert not os.path.exists(verify)


def test_the_first_directory_counts_and_docker_io_is_known_by_its_name(certs_d, pem):
    put(certs_d[0] / "docker.io", ca_crt=pem / "a.crt")
    put(certs_d[1] / "docker.io", ca_crt=pem / "b.crt")
    made = trust.Trust(Access(), ("docker.io", "registry-1.docker.io"))
    verify, _cert = made.of("registry-1.docker.io")
    assert (pem / "a.crt").read_bytes() in content(verify)
    assert (pem / "b.crt").read_bytes() not in content(verify)


def test_a_host_that_names_the_directory_above(certs_d, pem):
    put(certs_d[0], ca_crt=pem / "a.crt")
    assert trust.certs_directory((".",)) is None
    assert trust.certs_directory(("..",)) is None


def test_ca_path_counts_alone_and_its_client_certificate_is_the_registrys(certs_d, pem, tmp_path):
    put(certs_d[0] / "r.example", ca_crt=pem / "b.crt")
    directory = put(tmp_path / "ca", root_pem=pem / "a.crt", me_cert=pem / "b.crt", me_key=pem / "b.key")
    made = trust.Trust(Access(ca_path=str(directory)), ("r.example",))
    verify, cert = made.of("r.example")
    assert content(verify).strip() == (pem / "a.crt").read_bytes().strip()
    assert cert == (str(directory / "me.cert"), str(directory / "me.key"))
    verify, cert = made.of("auth.example")
    assert content(verify).strip() == (pem / "a.crt").read_bytes().strip()
    assert cert is None


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"me_key": "a.key"}, "has me.key without me.cert"),
        ({"me_cert": "a.crt", "me_key": "b.key"}, "a client certificate me.cert that cannot be used"),
        ({"ca_crt": "a.key"}, "holds no PEM certificates"),
        ({}, "holds no PEM certificates"),
    ],
)
def test_useless_directories(certs_d, pem, tmp_path, files, said):
    directory = put(tmp_path / "ca", **{name: pem / source for name, source in files.items()})
    with pytest.raises(ImageError, match=said):
        trust.Trust(Access(ca_path=str(directory)), ("r.example",)).of("r.example")


def test_a_damaged_authority_is_named(certs_d, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(ImageError, match=f"ca_path {path} has a certificate that cannot be read"):
        trust.Trust(Access(ca_path=str(path)), ("r.example",)).of("r.example")
    with pytest.raises(ImageError, match="does not exist"):
        trust.Trust(Access(ca_path="/nonexistent"), ("r.example",)).of("r.example")
