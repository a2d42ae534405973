"""DKIM signatures of our own mail (RFC 6376, rsa-sha256, relaxed/relaxed): keys, their line for DNS, signing.

A signature of our own code takes a millisecond where the library that verifies takes seventeen; and since
another library verifies in the tests, a misreading of the RFC would show.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from mail.domains import ascii_domain

KEY_BITS = 2048  # RFC 8301; longer ones do not fit into one packet of many name servers
# RFC 6376, 5.4.1, and what tells a reader who wrote and what kind of mail it is.
SIGNED = (
    "from", "to", "cc", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding", "auto-submitted",
)  # fmt: skip
# Named once more than they are there, so that nobody adds a second one that readers would see.
SEALED = ("from", "to", "subject", "date")
LINE = 72

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
_BLANKS = re.compile(rb"[ \t]+")


def new_key() -> str:
    """A private key as PEM. Takes a tenth of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_record(private_key: str) -> str:
    """What stands in DNS under `selector._domainkey.domain` (RFC 6376, 3.6.1)."""
    octets = _loaded(private_key).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    return f"v=DKIM1; k=rsa; p={b64encode(octets).decode()}"


def record_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{ascii_domain(domain)}"


def key_of_record(record: str) -> str:
    """The public key of a record without the blanks it may have: empty if it was revoked or has none."""
    return _tags(record).get("p", "")


def key_bits(record: str) -> int:
    """How strong the key of a record is; 0 if it cannot be read. Ed25519 counts as strong (RFC 8463)."""
    tags = _tags(record)
    if tags.get("k", "rsa") == "ed25519":
        return 256
    try:
        key = serialization.load_der_public_key(b64decode(tags.get("p", ""), validate=True))
    except (NoBase64, ValueError, UnsupportedAlgorithm):
        return 0
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else 0


def is_signed(raw: bytes) -> bool:
    """Whether `sign` made these bytes: none of our mails begins so by itself."""
    return raw.startswith(b"DKIM-Signature:")


def sign(raw: bytes, private_key: str, selector: str, domain: str, at: datetime) -> bytes:
    """The mail with its signature on top, and with the line ends over which it was made (CRLF)."""
    raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    header, _, body = raw.partition(b"\r\n\r\n")
    fields = [(found[1].decode("ascii").lower(), found[2]) for found in _FIELD.finditer(header + b"\r\n")]
    names = _signed_names(fields)
    tags = (
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={ascii_domain(domain)};\r\n"
        f"\ts={selector}; t={int(at.timestamp())};\r\n"
        f"\th={_folded(':'.join(names), ':')};\r\n"
        f"\tbh={b64encode(sha256(relaxed_body(body)).digest()).decode()};\r\n"
        "\tb="
    ).encode("ascii")
    left = {name: [value for key, value in fields if key == name] for name in names}
    signed = [relaxed_field(name, left[name].pop()) + b"\r\n" for name in names if left[name]]
    signed.append(relaxed_field("dkim-signature", tags.partition(b":")[2]))
    octets = _loaded(private_key).sign(b"".join(signed), padding.PKCS1v15(), SHA256())
    value = b64encode(octets).decode()
    lines = [value[start : start + LINE] for start in range(0, len(value), LINE)]
    return tags + "\r\n\t".join(lines).encode("ascii") + b"\r\n" + raw


def relaxed_field(name: str, value: bytes) -> bytes:
    """RFC 6376, 3.4.2, without the line end."""
    return name.encode("ascii") + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" \t")


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376, 3.4.4."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _signed_names(fields: list[tuple[str, bytes]]) -> list[str]:
    """In the order of SIGNED, each as often as it is there; the last of a name is signed first."""
    there = [key for key, _ in fields]
    return [name for name in SIGNED for _ in range(there.count(name) + (name in SEALED))]


def _folded(text: str, at: str) -> str:
    lines, line = [], ""
    for word in text.split(at):
        if len(line) + len(word) > LINE:
            lines.append(line)
            line = ""
        line += word + at
    return "\r\n\t".join([*lines, line])[: -len(at)]


def _tags(record: str) -> dict[str, str]:
    """`tag=value` pairs; blanks inside a value are folding (RFC 6376, 3.2)."""
    pairs = (pair.partition("=") for pair in record.split(";"))
    return {name.strip().lower(): re.sub(r"\s", "", value) for name, _, value in pairs}


@lru_cache(maxsize=4)
def _loaded(private_key: str) -> rsa.RSAPrivateKey:
    """Once per process: loading checks the key, which takes longer than a signature."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key
