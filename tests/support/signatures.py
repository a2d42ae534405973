"""DKIM signatures as a stranger could have them made: over any fields, of any key, with a length.

The library that verifies would not sign without From, and not with Ed25519.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mail.writing.dkim_signing import relaxed_body, relaxed_field

Key = RSAPrivateKey | Ed25519PrivateKey

RSA = generate_private_key(public_exponent=65537, key_size=1024)
CURVE = Ed25519PrivateKey.generate()


def record(key: Key) -> bytes:
    """What stands in DNS under `SELECTOR._domainkey.DOMAIN`."""
    public = key.public_key()
    if isinstance(key, Ed25519PrivateKey):
        return b"v=DKIM1; k=ed25519; p=" + b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
    octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + b64encode(octets)


def signed(
    raw: bytes,
    fields: str,
    key: Key = RSA,
    domain: str = "customer.example",
    more: str = "",
    selector: str = "s1",
) -> bytes:
    """The mail (with CRLF) with a signature over these fields on top; `more` are further tags, as `l=7;`."""
    header, _, body = raw.partition(b"\r\n\r\n")
    lines = [line.partition(b":") for line in header.split(b"\r\n")]
    method = "ed25519" if isinstance(key, Ed25519PrivateKey) else "rsa"
    content = relaxed_body(body)
    if more.startswith("l="):
        content = content[: int(more[2:].rstrip(";"))]
    digest = b64encode(sha256(content).digest()).decode()
    tags = (
        f" v=1; a={method}-sha256; c=relaxed/relaxed; d={domain}; s={selector}; {more} "
        f"h={':'.join(fields.split())}; bh={digest}; b="
    )
    found = []
    for name in fields.lower().split():
        values = [value for key_, _, value in lines if key_.lower() == name.encode()]
        found += [relaxed_field(name, values[-1]) + b"\r\n"] if values else []
    data = b"".join([*found, relaxed_field("dkim-signature", tags.encode())])
    if isinstance(key, Ed25519PrivateKey):
        octets = key.sign(sha256(data).digest())
    else:
        octets = key.sign(data, padding.PKCS1v15(), SHA256())
    return b"DKIM-Signature:" + tags.encode() + b64encode(octets) + b"\r\n" + raw
