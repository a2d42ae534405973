"""Transfer encodings (RFC 2045, 6) as mail brings them: in pieces, damaged, with plain lines of others behind."""

from __future__ import annotations

import binascii
import re
from itertools import zip_longest

MAX_BLOCKS = 50_000
LONG_WORD = 20
LONG_LINE = 60  # letters of a line that is base64 and no word; programs write 64 or 76

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=\s]")
_FOREIGN_BYTES = bytes(set(range(256)) - set(_LETTERS))
_SENTENCE = re.compile(rb"[A-Za-z0-9]+(?:[ ,.:!-]+[A-Za-z0-9]+)+[.!?]?")
_WORD = re.compile(rb"[A-Z]?[a-z]{3,}")  # few pieces of base64 look like one
_FIRST_LINE = re.compile(rb"\s*[A-Za-z0-9+/]+=*\s*(?:[\r\n]|\Z)")
_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2}\Z")


def decoded(data: bytes, encoding: str, *, is_text: bool) -> tuple[bytes, bytes]:
    """The content without its encoding (in small letters), and what others wrote behind it without one."""
    if encoding == "base64":
        # Text that only claims to be base64 is common enough; its first line gives it away.
        if is_text and not _FIRST_LINE.match(data):
            return data, b""
        data, behind = cut_off_plain_lines(data)
        return base64_bytes(data), behind
    return (binascii.a2b_qp(data) if encoding == "quoted-printable" else data), b""


def base64_bytes(data: bytes) -> bytes:
    """Line ends and foreign characters are skipped, missing padding is added,
    several padded blocks in a row (mailers that encode in chunks) are all read."""
    try:
        whole = binascii.a2b_base64(data)
        if b"=" not in data.rstrip(b"\r\n \t=") or _FOREIGN.search(data):
            return whole
    except binascii.Error:
        pass
    letters = data.translate(None, _FOREIGN_BYTES)
    if letters.count(b"=") > MAX_BLOCKS:  # no mailer does that; hostile
        letters = letters.replace(b"=", b"")
    blocks = letters.replace(b"=", b" ").split()
    out = bytearray()
    for block in blocks:
        block = block[:-1] if len(block) % 4 == 1 else block
        out += binascii.a2b_base64(block + b"=" * (-len(block) % 4))
    return bytes(out)


def is_plain_words(data: bytes) -> bool:
    """Whether somebody wrote letters where they had announced base64."""
    if _SENTENCE.fullmatch(data):
        return True
    if not _WORD.fullmatch(data) or len(data) > LONG_WORD:
        return False
    try:
        base64_bytes(data).decode()
    except UnicodeDecodeError:
        return True
    return False


def cut_off_plain_lines(data: bytes) -> tuple[bytes, bytes]:
    """The base64, and what a list server or a virus scanner wrote behind it as it stands; mostly nothing.

    A damaged line within is no end: where a whole line of base64 still follows, all of it is base64.
    """
    if not data.translate(None, _LETTERS + b"\r\n"):  # the usual case, at the speed of memory
        return data, b""
    lines = data.splitlines(keepends=True)
    filled = [(number, letters) for number, line in enumerate(lines) if (letters := line.strip())]
    width, end = len(filled[0][1]) if filled else 0, 0
    for (number, letters), (after, next_letters) in zip_longest(filled, filled[1:], fillvalue=(0, b"")):
        if not _LINE.match(letters):
            break
        end = number + 1
        is_last = len(letters) < width or after != end
        if is_last and not (len(next_letters) == width and _LINE.match(next_letters)):
            break  # shorter than the others, or a blank line follows; some encode in chunks
    behind = lines[end:]
    if not end or any(len(line) > LONG_LINE and _LINE.match(line.strip()) for line in behind):
        return data, b""
    return b"".join(lines[:end]), b"".join(behind).strip(b"\r\n")
