"""Encryption that was checked: certificates are always verified, and each fault has a code of its own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from wire import Encryption, PermanentFailure, ServerAddress, TemporaryFailure, TransportFailure
from wire.address import server_name

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_VERIFY_CODES = {
    2: "certificate_unknown",
    20: "certificate_unknown",
    21: "certificate_unknown",
    10: "certificate_expired",
    18: "certificate_self_signed",
    19: "certificate_self_signed",
    62: "certificate_name",
    64: "certificate_name",
}
# What OpenSSL says when the other side speaks plain text: the port is not one for TLS.
_PLAIN_TEXT = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


def client_context() -> ssl.SSLContext:
    """Trusts the system's store, or the file that SSL_CERT_FILE names; checks the host name."""
    return ssl.create_default_context()


def wrap(connection: socket.socket, server: ServerAddress) -> ssl.SSLSocket:
    """Encrypt a connection; the certificate has to be for the name that was typed.

    Raises TransportFailure (see `tls_failure`) and closes the connection then.
    """
    connection.settimeout(server.timeouts.connect)
    try:
        return client_context().wrap_socket(connection, server_hostname=server_name(server.host))
    except TimeoutError as error:
        connection.close()
        raise TemporaryFailure("timeout") from error
    except OSError as error:
        connection.close()
        raise tls_failure(error) from error


def upgrade(server: ServerAddress, start: Callable[[], bool]) -> bool:
    """STARTTLS, where it is not SSL from the first byte. Answers whether the connection is encrypted now.

    `start` encrypts, or answers False where the server does not offer it. Nothing goes on in plain text unless
    an administrator allowed it: neither then nor where no encryption was chosen. Raises PermanentFailure.
    """
    if server.encryption == Encryption.STARTTLS and start():
        return True
    if not server.allow_plaintext:
        chosen = server.encryption == Encryption.STARTTLS
        raise PermanentFailure("starttls_missing" if chosen else "plaintext_refused")
    return False


def tls_failure(error: OSError) -> TransportFailure:
    """The code of a fault during the handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = _VERIFY_CODES.get(error.verify_code, "certificate_invalid")
        return PermanentFailure(code, error.verify_message)
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if reason in _PLAIN_TEXT:
            return PermanentFailure("wrong_port_ssl", reason)
        return TemporaryFailure("tls_failed", reason or str(error.strerror or ""))
    return TemporaryFailure("tls_failed", error.strerror or "")


def certificate_facts(connection: socket.socket | None) -> tuple[tuple[str, str], ...]:
    """`subject`, `issuer`, `not_after` (ISO 8601, UTC) and `protocol` of a verified connection."""
    if not isinstance(connection, ssl.SSLSocket):
        return ()
    certificate = connection.getpeercert() or {}
    facts = [
        ("subject", _name(certificate, "subject", "commonName") or _first_name(certificate)),
        ("issuer", _name(certificate, "issuer", "organizationName", "commonName")),
        ("protocol", connection.version() or ""),
    ]
    if "notAfter" in certificate:
        seconds = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        facts.append(("not_after", datetime.fromtimestamp(seconds, UTC).isoformat()))
    return tuple((key, value) for key, value in facts if value)


def _name(certificate: object, side: str, *fields: str) -> str:
    assert isinstance(certificate, dict)
    values = {key: str(value) for group in certificate.get(side, ()) for key, value in group}
    return next((values[field] for field in fields if field in values), "")


def _first_name(certificate: object) -> str:
    assert isinstance(certificate, dict)
    return next((str(value) for _, value in certificate.get("subjectAltName", ())), "")
