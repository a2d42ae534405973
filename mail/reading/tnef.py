"""winmail.dat: what Outlook and Exchange wrap a mail in, taken out again ([MS-OXTNEF], [MS-OXPROPS]).

An own reader with limits: the one library for it reads without any. A body in compressed RTF stays inside, since
such mails carry their text outside too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mail.reading.charsets import decode

TYPES = ("application/ms-tnef", "application/vnd.ms-tnef")
SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_ATTRIBUTES = 5_000
MAX_PROPERTIES = 2_000
MAX_FILES = 200
MAX_DEPTH = 5

# Attributes: the lower half names them, the upper half is the type of their value.
_ATTACH_BEGINS, _ATTACH_TITLE, _ATTACH_DATA, _ATTACH_PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_MESSAGE_PROPERTIES, _CODE_PAGE, _BODY = 0x9003, 0x9007, 0x800C
# Properties of MAPI.
_PLAIN, _HTML, _HTML_CODE_PAGE = 0x1000, 0x1013, 0x3FDE
_DATA, _NAME, _LONG_NAME, _MIME, _CONTENT_ID = 0x3701, 0x3704, 0x3707, 0x370E, 0x3712
_FIXED = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}  # octets, padding included
_OBJECT, _STRING, _UNICODE, _BINARY, _MANY = 0x0D, 0x1E, 0x1F, 0x102, 0x1000


@dataclass(slots=True)
class File:
    """`type` is empty where nobody said it."""

    name: str = ""
    type: str = ""
    data: bytes = b""
    content_id: str = ""


@dataclass(slots=True)
class Contents:
    """What was inside. `complete`: there was nothing that could not be taken out."""

    text: str = ""
    html: str = ""
    files: list[File] = field(default_factory=list)
    complete: bool = True


def unpack(data: bytes) -> Contents | None:
    """The contents of a winmail.dat, or None if it is none. Never raises; a cut one gives what is there."""
    if not data.startswith(SIGNATURE):
        return None
    contents = Contents()
    try:
        _read(data, contents, 0)
    except (ValueError, IndexError):
        contents.complete = False
    contents.files = [file for file in contents.files if file.data]
    return contents


def _read(data: bytes, contents: Contents, depth: int) -> None:
    code_page = ""
    file: File | None = None
    for name, value in _attributes(data):
        if name == _ATTACH_BEGINS:
            if len(contents.files) >= MAX_FILES:
                contents.complete = False
                return
            file = File()
            contents.files.append(file)
        elif name == _CODE_PAGE and len(value) >= 4:
            code_page = f"cp{int.from_bytes(value[:4], 'little')}"
        elif name == _BODY and depth == 0:
            contents.text = contents.text or _string(value, code_page)
        elif name == _MESSAGE_PROPERTIES and depth == 0:
            _message(value, contents, code_page)
        elif file is not None:
            _attachment(name, value, file, contents, code_page, depth)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Level (1 octet), id and type (4), length (4), value, checksum (2)."""
    at = 6
    for _ in range(MAX_ATTRIBUTES):
        if at + 9 > len(data):
            return
        length = _number(data, at + 5)
        if at + 9 + length > len(data):
            raise ValueError
        yield int.from_bytes(data[at + 1 : at + 3], "little"), data[at + 9 : at + 9 + length]
        at += 9 + length + 2
    raise ValueError


def _message(value: bytes, contents: Contents, code_page: str) -> None:
    found = {name: (kind, inner) for name, kind, inner in _properties(value)}
    if _PLAIN in found:
        contents.text = _property_text(*found[_PLAIN], code_page)
    if _HTML in found:
        page = found.get(_HTML_CODE_PAGE, (0, b""))[1]
        contents.html = _string(found[_HTML][1], f"cp{int.from_bytes(page, 'little')}" if page else code_page)


def _attachment(name: int, value: bytes, file: File, contents: Contents, code_page: str, depth: int) -> None:
    if name == _ATTACH_TITLE:
        file.name = file.name or _string(value, code_page)
    elif name == _ATTACH_DATA:
        file.data = value
    elif name == _ATTACH_PROPERTIES:
        for key, kind, inner in _properties(value):
            if key == _LONG_NAME or (key == _NAME and not file.name):
                file.name = _property_text(kind, inner, code_page)
            elif key == _MIME:
                file.type = _property_text(kind, inner, code_page).lower()
            elif key == _CONTENT_ID:
                file.content_id = _property_text(kind, inner, code_page).strip("<> ")
            elif key == _DATA and kind == _OBJECT and inner[16:20] == SIGNATURE:
                contents.complete = False  # an attached mail: its files are taken out, its words stay inside
                if depth < MAX_DEPTH:
                    _read(inner[16:], contents, depth + 1)
            elif key == _DATA and not file.data:
                file.data = inner[16:] if kind == _OBJECT else inner


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(name, type, value); of several values the first."""
    at = 4
    for _ in range(min(_number(data, 0), MAX_PROPERTIES)):
        kind, name = (
            int.from_bytes(data[at : at + 2], "little"),
            int.from_bytes(data[at + 2 : at + 4], "little"),
        )
        at += 4
        if name >= 0x8000:  # named: by a number or by a word
            at += 16
            at += 8 if _number(data, at) == 0 else 8 + _padded(_number(data, at + 4))
        many, kind = kind & _MANY, kind & ~_MANY
        if size := _FIXED.get(kind):
            count = 1
            if many:
                count, at = _number(data, at), at + 4
            yield name, kind, data[at : at + size]
            at += size * count
        elif kind in (_OBJECT, _STRING, _UNICODE, _BINARY):
            count, at = _number(data, at), at + 4
            for number in range(count):
                length = _number(data, at)
                if number == 0:
                    yield name, kind, data[at + 4 : at + 4 + length]
                at += 4 + _padded(length)
        else:
            raise ValueError
        if at > len(data):
            raise ValueError


def _number(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise ValueError
    return int.from_bytes(data[at : at + 4], "little")


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _property_text(kind: int, value: bytes, code_page: str) -> str:
    if kind == _UNICODE:
        return decode(value, "utf-16-le").rstrip("\0")
    return _string(value, code_page)


def _string(value: bytes, code_page: str) -> str:
    return decode(value.rstrip(b"\0"), code_page).replace("\r\n", "\n")
