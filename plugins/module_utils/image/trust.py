# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to trust, and as whom to appear, when TLS is spoken: the option ca_path and the directories certs.d.

containers-certs.d(5): ``certs.d/HOST[:PORT]/`` has ``*.crt``, authorities to trust besides the host's own, and pairs of
``*.cert`` and ``*.key``, a client certificate and its key.
"""

from __future__ import annotations

import os

from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from .auth import Access

CERTS_D = ("/etc/containers/certs.d", "/etc/docker/certs.d")

# The file of all authorities that a distribution's certifi names, and the same ones in a directory where OpenSSL finds
# each by the hash of its name: Debian's update-ca-certificates, Fedora's update-ca-trust.
_ONE_BY_ONE = {
    "/etc/ssl/certs/ca-certificates.crt": "/etc/ssl/certs",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": "/etc/pki/ca-trust/extracted/pem/directory-hash",
}


class Trust:
    """What TLS needs for one registry and for whom it sends us on to.

    registry  names of the registry itself (``HOST[:PORT]`` as the user wrote it and as it is reached)
    """

    def __init__(self, access: Access, registry: tuple[str, ...]) -> None:
        self.access = access
        self.registry = registry
        self._known: dict[str, tuple[bool | str, tuple[str, str] | None]] = {}
        self._bundles: list[int] = []

    def close(self) -> None:
        while self._bundles:
            os.close(self._bundles.pop())

    def of(self, host: str) -> tuple[bool | str, tuple[str, str] | None]:
        """For *host* (``HOST[:PORT]``): what ``requests`` calls *verify*, and the client certificate and its key.

        A client certificate is for the host it was put down for and no other. Raises ImageError.
        """
        if host not in self._known:
            self._known[host] = self._look_up(host)
        return self._known[host]

    def _declared(self, host: str) -> tuple[str | None, tuple[str, str] | None]:
        """For *host*: its directory below certs.d, and the client certificate and its key."""
        names = self.registry if host in self.registry else (host,)
        directory = None if self.access.ca_path and names is self.registry else certs_directory(names)
        cert = client_certificate(directory) if directory else None
        if self.access.ca_path and names is self.registry and os.path.isdir(self.access.ca_path):
            cert = client_certificate(self.access.ca_path)
        return directory, cert

    def _look_up(self, host: str) -> tuple[bool | str, tuple[str, str] | None]:
        directory, cert = self._declared(host)
        if not self.access.validate_certs:
            return False, cert
        if self.access.ca_path:
            return self._bundle(authorities(self.access.ca_path), self.access.ca_path), cert
        own = certificates(directory, (".crt",)) if directory else []
        from_environment = _from_environment()
        if not own:
            return from_environment or True, cert
        from .transport import import_requests

        with open(from_environment or import_requests().certs.where(), "rb") as file:
            return self._bundle([*own, file.read()], str(directory)), cert

    def context(self, host: str) -> ssl.SSLContext | None:
        """The same for the standard library; None when the host's authorities are requests' to find. Raises ImageError.

        They are looked up one by one where that can be: loading all takes longer than a whole question does.
        """
        import ssl

        directory, cert = self._declared(host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if cert:
            context.load_cert_chain(*cert, password=lambda: "")
        if not self.access.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if self.access.ca_path:
            _load(context, authorities(self.access.ca_path), self.access.ca_path)
            return context
        own = certificates(directory, (".crt",)) if directory else []
        if own:
            _load(context, own, str(directory))
        return context if _load_everyones(context) else None

    def _bundle(self, parts: list[bytes], path: str) -> str:
        """One file of all *parts*, as the library wants it: in memory, so that nothing is left of it."""
        import ssl

        content = _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), parts, path)
        fd = os.memfd_create("authorities")
        self._bundles.append(fd)
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        return f"/proc/self/fd/{fd}"


def _load(context: ssl.SSLContext, parts: list[bytes], path: str) -> bytes:
    """Let *context* trust the authorities *parts*, which came from *path*; them as one file. Raises ImageError."""
    import ssl

    content = b"\n".join(parts)
    try:
        context.load_verify_locations(cadata=content.decode("utf-8", "replace"))
    except ssl.SSLError as error:
        raise _useless(path, f"has a certificate that cannot be read ({error.reason})") from error
    return content


def _from_environment() -> str | None:
    """The authorities that the environment names for requests and curl."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")


def _load_everyones(context: ssl.SSLContext) -> bool:
    """Let *context* trust whom requests trusts by default; whether that was possible."""
    path = _from_environment()
    if not path:
        try:
            import certifi  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError:
            return False
        path = str(certifi.where())
    one_by_one = _ONE_BY_ONE.get(os.path.realpath(path), path)
    if os.path.isdir(one_by_one):
        context.load_verify_locations(capath=one_by_one)
        return True
    try:
        context.load_verify_locations(cafile=path)
    except OSError:  # none there, or none in it
        return False
    return True


def certs_directory(names: tuple[str, ...]) -> str | None:
    """The directory below certs.d for a registry called *names*; the first that exists."""
    for root in CERTS_D:
        for name in names:
            directory = os.path.join(root, name)
            if os.path.isdir(directory) and not name.startswith("."):  # a redirect may name any host
                return directory
    return None


def authorities(path: str) -> list[bytes]:
    """The PEM certificates of ca_path, a file or a directory (OpenSSL's own ones need hashed names, this does not)."""
    if not os.path.exists(path):
        raise _useless(path, "does not exist")
    if not os.path.isdir(path):
        with open(path, "rb") as file:
            return [file.read()]
    found = certificates(path, (".crt", ".pem", ".cert", ".ca", ".0"))
    if not found:
        raise _useless(path, "holds no PEM certificates (*.crt, *.pem)")
    return found


def certificates(directory: str, endings: tuple[str, ...]) -> list[bytes]:
    """The contents of the files of PEM certificates in *directory*, clients' left out."""
    found = []
    names = sorted(os.listdir(directory))
    for name in names:
        if name.endswith(endings) and not (name.endswith(".cert") and f"{name[:-5]}.key" in names):
            with open(os.path.join(directory, name), "rb") as file:
                content = file.read()
            if b"BEGIN CERTIFICATE" in content and b"PRIVATE KEY" not in content:
                found.append(content)
    return found


def client_certificate(directory: str) -> tuple[str, str] | None:
    """Paths of the first pair ``NAME.cert`` and ``NAME.key`` in *directory*, known to fit together."""
    import ssl

    names = sorted(os.listdir(directory))
    for name in names:
        if name.endswith(".key") and f"{name[:-4]}.cert" not in names:
            raise _useless(directory, f"has {name} without {name[:-4]}.cert")
    for name in names:
        if not name.endswith(".cert") or f"{name[:-5]}.key" not in names:
            continue
        pair = os.path.join(directory, name), os.path.join(directory, f"{name[:-5]}.key")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*pair, password=lambda: "")
        except (ssl.SSLError, OSError) as error:
            why = getattr(error, "reason", None) or error.strerror or error
            raise _useless(directory, f"has a client certificate {name} that cannot be used ({why})") from error
        return pair
    return None


def _useless(path: str, why: str) -> ImageError:
    origin = "certificate directory" if path.startswith(CERTS_D) else "ca_path"
    hint = "Give a file of PEM certificates, or a directory of such files"
    if origin != "ca_path":
        hint = "It wants *.crt, authorities, and pairs of *.cert and *.key, all PEM"
    return ImageError(f"{origin} {path} {why}", step="tls", obj=path, hint=hint)
