"""Signed and encrypted mail: recognised and named, what was signed is taken out to be read.

Nothing is checked or decrypted here; every part stays downloadable. Standards: RFC 8551 (S/MIME), RFC 3156
and RFC 9580 (PGP).
"""

from __future__ import annotations

import re

from mail.types import Seal

PKCS7 = ("application/pkcs7-mime", "application/x-pkcs7-mime")
MAX_ELEMENTS = 100_000  # of a signed message's DER; its content may come in chunks (BER)
MAX_DEPTH = 12

_SIGNED_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"  # 1.2.840.113549.1.7.2
_ENVELOPED_DATA = re.compile(
    rb"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03|\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17"
)  # enveloped-data and auth-enveloped-data
_ARMOUR = re.compile(r"\s{0,200}-----BEGIN PGP (SIGNED )?MESSAGE-----[ \t]*\n")
_OCTETS, _OCTETS_IN_CHUNKS, _SEQUENCE, _SET, _EXPLICIT = 0x04, 0x24, 0x30, 0x31, 0xA0


def seal_of(media_type: str, parameters: dict[str, str]) -> Seal | None:
    """What a multipart says of itself: multipart/signed, multipart/encrypted."""
    protocol = parameters.get("protocol", "").lower()
    if media_type == "multipart/signed":
        return Seal.PGP_SIGNED if "pgp" in protocol else Seal.SMIME_SIGNED
    if media_type == "multipart/encrypted":
        return Seal.SMIME_ENCRYPTED if "pkcs7" in protocol else Seal.PGP_ENCRYPTED
    return None


def seal_of_pkcs7(data: bytes, parameters: dict[str, str]) -> Seal | None:
    """Of a single S/MIME part: by its first bytes, since mail programs often leave the parameter out."""
    head = data[:64]
    if _SIGNED_DATA in head:
        kind = parameters.get("smime-type", "").lower()
        return None if kind == "certs-only" else Seal.SMIME_SIGNED
    return Seal.SMIME_ENCRYPTED if _ENVELOPED_DATA.search(head) else None


def seal_of_text(text: str) -> Seal | None:
    """PGP in the text itself, as older mail programs write it; quoted in an answer it does not count."""
    found = _ARMOUR.match(text)
    if not found:
        return None
    return Seal.PGP_SIGNED if found[1] else Seal.PGP_ENCRYPTED


def signed_content(data: bytes) -> bytes:
    """The mail inside an S/MIME message that is signed and not encrypted (RFC 5652, 5.2), or nothing.

    ContentInfo is a SEQUENCE of type and [0] SignedData; SignedData one of version, digests and
    encapContentInfo: type and [0] OCTET STRING.
    """
    try:
        reader = _Der(data)
        outer = reader.children(*reader.element(0))
        signed = reader.children(*reader.children(*outer[1])[0])
        content = reader.children(*signed[2])
        return reader.octets(*reader.children(*content[1])[0])
    except (IndexError, ValueError):
        return b""


class _Der:
    """Just enough of ASN.1, with limits: an element is (tag, start of its content, end, start of the next)."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.seen = 0

    def element(self, at: int, depth: int = 0) -> tuple[int, int, int, int]:
        self.seen += 1
        if self.seen > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise ValueError
        tag, length = self.data[at], self.data[at + 1]
        start = at + 2
        if tag & 0x1F == 0x1F:
            raise ValueError  # no such tag belongs here
        if length == 0x80:  # indefinite (BER, Outlook and streams): up to two zero octets
            end = start
            while self.data[end : end + 2] != b"\0\0":
                end = self.element(end, depth + 1)[3]
            return tag, start, end, end + 2
        if length & 0x80:
            size = length & 0x7F
            if size > 4:
                raise ValueError
            length = int.from_bytes(self.data[start : start + size], "big")
            start += size
        if start + length > len(self.data):
            raise ValueError
        return tag, start, start + length, start + length

    def children(self, tag: int, start: int, end: int, _next: int) -> list[tuple[int, int, int, int]]:
        if tag not in (_SEQUENCE, _SET, _EXPLICIT):
            raise ValueError
        found: list[tuple[int, int, int, int]] = []
        while start < end and len(found) < 8:
            found.append(self.element(start))
            start = found[-1][3]
        return found

    def octets(self, tag: int, start: int, end: int, _next: int) -> bytes:
        if tag == _OCTETS:
            return self.data[start:end]
        if tag != _OCTETS_IN_CHUNKS:
            raise ValueError
        pieces = []
        while start < end:
            inner = self.element(start)
            if inner[0] != _OCTETS:
                raise ValueError
            pieces.append(self.data[inner[1] : inner[2]])
            start = inner[3]
        return b"".join(pieces)
