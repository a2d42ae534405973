"""A certificate authority of our own: what a test trusts when it sets SSL_CERT_FILE to `path`."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerCertificate:
    """Paths of a PEM certificate and its key."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """What a TLS server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """Signs certificates. `environment` is what a process needs to trust them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ca.pem"
        self.environment = {"SSL_CERT_FILE": str(self.path)}
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Poststelle test authority")
        self._write(self.path, self._build(self._name, self._key.public_key(), authority=True))

    def issue(
        self,
        *names: str,
        valid: timedelta = timedelta(days=30),
        self_signed: bool = False,
        file: str = "server",
    ) -> ServerCertificate:
        """A server certificate for these names (default: this machine). A negative `valid` has expired."""
        names = names or LOCAL_NAMES
        key = ec.generate_private_key(ec.SECP256R1())
        signer = key if self_signed else self._key
        certificate = self._build(_name(names[0]), key.public_key(), names, valid, signer)
        paths = ServerCertificate(self.folder / f"{file}.pem", self.folder / f"{file}.key")
        self._write(paths.certificate, certificate)
        paths.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths

    def _build(self, subject, public_key, names=(), valid=timedelta(days=30), signer=None, authority=False):
        signer = signer or self._key
        begins = datetime.now(UTC) - timedelta(days=60)
        usage = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name if signer is self._key else subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(datetime.now(UTC) + valid)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(map(_general, names)), critical=False)
        if not authority:
            issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
            builder = builder.add_extension(issuer_key, critical=False)
        return builder.sign(signer, hashes.SHA256())

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
