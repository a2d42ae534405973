"""What mail servers write into a mail that lies with them, or wrap around it: it is the same mail without that."""

from __future__ import annotations

import re

# Fields by which mbox servers (GNU mailutils, UW IMAP, qpopper, old Dovecots) remember flags and numbers. They appear
# after the first session, and change with the flags.
_MBOX_FIELDS = rb"status|x-status|x-uid|x-uidl|x-imap|x-imapbase|x-keywords|content-length|lines"
_MARK = re.compile(rb"^(?:" + _MBOX_FIELDS + rb")[ \t]*:.*\n?(?:[ \t].*\n?)*", re.IGNORECASE | re.MULTILINE)
_BLOCK_END = re.compile(rb"\n\r?\n")

# Courier's POP3 server hands out this, by the name of its own, in the place of a mail with an 8-bit byte in its
# header, unless it was told UTF8 (RFC 6856).
_WRAPPER_SUBJECT = b"Subject: Cannot display Unicode content"
_WRAPPER_SENDER = re.compile(rb"^From: Mail Delivery Subsystem <postmaster>\r?$", re.MULTILINE)
_WRAPPER_BOUNDARY = re.compile(
    rb'^Content-Type: multipart/mixed; boundary="([^"\r\n]{1,70})"\r?$', re.MULTILINE
)
_WRAPPED = re.compile(rb"\r?\nContent-Type: message/global\r?\n\r?\n")
_WRAPPER_FIELDS = [b"content-type", b"from", b"mime-version", b"subject"]
_FIELD_NAME = re.compile(rb"^([^\s:]+)[ \t]*:", re.MULTILINE)
_WRAPPER_HEAD = 16 * 1024  # bytes in which its own words have ended


def unwrapped(raw: bytes) -> bytes:
    """The mail inside of Courier's notice; any other mail as it is.

    Only of what a POP3 server hands out, and only where nothing but the notice's own fields stands above it: whatever
    came by mail has at least a Received there, and what a stranger had packed inside is no mail of the mailbox.
    """
    head = raw[:_WRAPPER_HEAD]
    if _WRAPPER_SUBJECT not in head:
        return raw
    end = _BLOCK_END.search(head)
    fields = head[: end.start()] if end else b""
    if sorted(_FIELD_NAME.findall(fields.lower())) != _WRAPPER_FIELDS:
        return raw
    boundary, inside = _WRAPPER_BOUNDARY.search(fields), _WRAPPED.search(head)
    if not (boundary and inside and _WRAPPER_SENDER.search(fields)):
        return raw
    last = raw.rfind(b"\n--" + boundary[1], inside.end())
    return raw[inside.end() : last if last >= 0 else len(raw)].removesuffix(b"\r") or raw


def without_marks(raw: bytes) -> bytes:
    """A mail to be compared with another copy of it: unwrapped, without mbox fields and line ends at its end."""
    return unmarked(unwrapped(raw)).rstrip(b"\r\n")


def has_marks(raw: bytes) -> bool:
    return _MARK.search(header_block(raw)) is not None


def unmarked(raw: bytes) -> bytes:
    """Without mbox fields, and otherwise byte for byte."""
    header = header_block(raw)
    return _MARK.sub(b"", header) + raw[len(header) :]


def header_block(raw: bytes) -> bytes:
    """What stands above the first empty line, with the line end of its last line; all of it where none is empty."""
    end = _BLOCK_END.search(raw)
    return raw[: end.start() + 1] if end else raw
