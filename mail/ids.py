"""The names that we sign: Message-IDs, reply addresses, markers in the body, the loop header.

Each is HMAC-SHA256 over its purpose and its content, so that one can never stand in for another.
Signatures are written in lower case base32 and verify in any case: some servers and address
books change the case of a local part, and a few gateways that of a Message-ID.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice

from mail.domains import ascii_domain

LOOP_HEADER = "X-Poststelle-Loop"

LONGEST_LOCAL_PART = 64  # octets, RFC 5321 section 4.5.3.1.1
MARKERS_TRIED = 50  # a mail may quote a long history, not cost us a long calculation

_TICKET = r"(0|[1-9][0-9]{0,17})"
_MESSAGE_ID = re.compile(rf"<{_TICKET}\.([a-z2-7]{{1,64}})\.([a-z2-7]{{32}})@[^<>@\s]+>", re.I | re.A)
_REPLY_TAG = re.compile(rf"{_TICKET}-([a-z2-7]{{26}})", re.I | re.A)
_RETURN_TAG = re.compile(r"b([1-9][0-9]{0,17})-([a-z2-7]{26})", re.I | re.A)
_MARKER = re.compile(rf"\bref:{_TICKET}\.([a-z2-7]{{26}}):ref\b", re.I | re.A)
_LOOP = re.compile(r"([a-z2-7]{1,64})\.([a-z2-7]{32})", re.I | re.A)


def new_token(random: Callable[[int], bytes]) -> str:
    """80 random bits as 16 letters; `random` is `secrets.token_bytes` outside of tests."""
    return _base32(random(10))


def sign_message_id(key: bytes, ticket: int, token: str, domain: str) -> str:
    """A Message-ID with its angle brackets (RFC 5322 section 3.6.4), signed with 160 bits."""
    token = token.lower()
    return f"<{ticket}.{token}.{_sign(key, 160, 'message-id', str(ticket), token)}@{ascii_domain(domain)}>"


def system_message_id(key: bytes, token: str, domain: str) -> str:
    """The Message-ID of a mail without a ticket; `read_message_id` answers 0 for it."""
    return sign_message_id(key, 0, token, domain)


def read_message_id(key: bytes, message_id: str) -> int | None:
    """The ticket number of a Message-ID that we signed, 0 for our mails without one, else None."""
    found = _MESSAGE_ID.fullmatch(message_id.strip())
    if not found:
        return None
    ticket, token, signature = found.groups()
    return int(ticket) if _matches(signature, key, 160, "message-id", ticket, token.lower()) else None


def sign_reply_address(key: bytes, ticket: int, address: str) -> str:
    """`support@x` becomes `support+1042-<signature>@x`, signed with 128 bits over address and ticket.

    Empty if the local part would grow over 64 octets: such a mail has to do without.
    """
    local, _, domain = address.rpartition("@")
    tagged = f"{local}+{ticket}-{_sign(key, 128, 'reply', str(ticket), _canonical(address))}"
    if not local or len(tagged.encode()) > LONGEST_LOCAL_PART:
        return ""
    return f"{tagged}@{domain}"


def read_reply_address(key: bytes, address: str) -> tuple[str, int] | None:
    """The channel's own address and the ticket number, or None if it is not a reply address of ours."""
    tagged, _, domain = address.strip().rpartition("@")
    local, _, tag = tagged.rpartition("+")
    found = _REPLY_TAG.fullmatch(tag)
    if not local or not found:
        return None
    ticket, signature = found.groups()
    base = f"{local}@{domain}"
    return (base, int(ticket)) if _matches(signature, key, 128, "reply", ticket, _canonical(base)) else None


def sign_return_address(key: bytes, recipient: int, address: str) -> str:
    """The envelope's sender for one recipient of a mail (VERP); empty if it would grow too long, as above."""
    local, _, domain = address.rpartition("@")
    tagged = f"{local}+b{recipient}-{_sign(key, 128, 'return', str(recipient), _canonical(address))}"
    if not local or len(tagged.encode()) > LONGEST_LOCAL_PART:
        return ""
    return f"{tagged}@{domain}"


def read_return_address(key: bytes, address: str) -> int | None:
    """The recipient for whom we signed this address, or None."""
    tagged, _, domain = address.strip().rpartition("@")
    local, _, tag = tagged.rpartition("+")
    found = _RETURN_TAG.fullmatch(tag)
    if not local or not found:
        return None
    number, signature = found.groups()
    content = (number, _canonical(f"{local}@{domain}"))
    return int(number) if _matches(signature, key, 128, "return", *content) else None


def sign_marker(key: bytes, ticket: int) -> str:
    """A word for the quoted body; it has no blank, so that no client wraps it in two."""
    return f"ref:{ticket}.{_sign(key, 128, 'marker', str(ticket))}:ref"


def read_markers(key: bytes, body: str) -> Iterator[int]:
    """The ticket numbers of our valid markers in a text or HTML body, in order of appearance."""
    for found in islice(_MARKER.finditer(body), MARKERS_TRIED):
        ticket, signature = found.groups()
        if _matches(signature, key, 128, "marker", ticket):
            yield int(ticket)


def sign_loop(key: bytes, token: str) -> str:
    """The value of our loop header; servers that replace the Message-ID leave this one alone."""
    token = token.lower()
    return f"{token}.{_sign(key, 160, 'loop', token)}"


def read_loop(key: bytes, value: str) -> bool:
    """Whether we wrote this value of the loop header."""
    found = _LOOP.fullmatch(value.strip())
    return found is not None and _matches(found[2], key, 160, "loop", found[1].lower())


def _matches(signature: str, key: bytes, bits: int, *content: str) -> bool:
    return hmac.compare_digest(signature.lower().encode(), _sign(key, bits, *content).encode())


def _sign(key: bytes, bits: int, *content: str) -> str:
    if not key:
        raise ValueError("the signing key is empty")
    return _base32(hmac.digest(key, "\0".join(content).encode(), sha256)[: bits // 8])


def _base32(octets: bytes) -> str:
    return b32encode(octets).decode().rstrip("=").lower()


def _canonical(address: str) -> str:
    """One spelling for one mailbox, whatever a mail server on the way made of its case or domain."""
    local, _, domain = address.rpartition("@")
    return f"{local.casefold()}@{ascii_domain(domain)}"
