"""Files in the text itself: `begin 644 name`, as mail programs sent them before MIME, and some scanners do still."""

from __future__ import annotations

import binascii
import re
from itertools import islice

MAX_FILES = 50  # beginnings that are looked at

_BEGIN = re.compile(rb"(?m)^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n")
_LINE = re.compile(rb"[ -`]{1,90}")
_END = re.compile(rb"(?m)^(?:`|[ \t]*)\r?\nend[ \t]*\r?(?:\n|\Z)")


def take_out(text: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The text without its files, and the files as (name, data). What is no proper file stays in the text."""
    if b"begin " not in text:
        return text, []
    rest: list[bytes] = []
    files: list[tuple[bytes, bytes]] = []
    position = 0
    for begin in islice(_BEGIN.finditer(text), MAX_FILES):
        if begin.start() < position:
            continue
        end = _END.search(text, begin.end())
        if end is None:
            break
        data = _decoded(text[begin.end() : end.start()])
        if data is not None:
            rest.append(text[position : begin.start()])
            files.append((begin[1].strip(), data))
            position = end.end()
    rest.append(text[position:])
    return b"".join(rest), files


def _decoded(lines: bytes) -> bytes | None:
    """A line begins with the number of octets in it; None where one does not hold what it promises."""
    out = bytearray()
    for line in lines.splitlines():
        if not line.strip(b" \t"):
            continue
        count = (line[0] - 32) & 0x3F
        needed = (count + 2) // 3 * 4
        if not _LINE.fullmatch(line) or len(line) > needed + 2:
            return None  # a shorter one lost blanks at its end on the way, which are zeros
        try:
            out += binascii.a2b_uu(line[: 1 + needed])
        except binascii.Error:
            return None
    return bytes(out) if out else None
