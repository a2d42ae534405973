"""The skeleton of a mail: header blocks and parts as offsets into the raw bytes.

Cut by hand and not by the standard library's parser, because limits have to hold *while* cutting:
that one takes 2 s for 100,000 parts, dies of 2,000 nested ones, and reads attachments line by line
(33 ms for a megabyte, here below one).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mail.reading.charsets import codec_name, may_be_told
from mail.reading.headers import Parameters, charsets_of_words, is_media_type, media_type

MAX_HEADER_BYTES = 256 * 1024
MAX_FIELDS = 1000
MAX_GUESS_BYTES = 64 * 1024  # how far a boundary is looked for that was not declared
MAX_DEPTH = 30
MAX_PARTS = 500
MAX_FALSE_DELIMITERS = 10_000

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:[ \t]*")
_BLOCK_END = re.compile(rb"\n\r*\n")
_MBOX_LINE = re.compile(rb">?From (?![ \t]*:).*(?:\n|\Z)")
_BLANK_START = re.compile(rb"(?:[ \t]*\r?\n)+")
_GUESSED_DELIMITER = re.compile(rb"(?im)^--([^\r\n]{1,100}?)[ \t]*\r?\ncontent-[a-z-]+:")
# A line that is no header field ends the header, unless one of these still follows: then it is damage.
_KNOWN = re.compile(
    rb"(?im)^(?:from|to|cc|subject|date|message-id|mime-version|content-[a-z-]+|received|reply-to|return-path"
    rb"|references|in-reply-to|sender|x-[a-z-]+|dkim-signature)[ \t]*:"
)

Fields = list[tuple[str, bytes]]


@dataclass(slots=True)
class Entity:
    """A part: its fields (names in lower case, values raw and unfolded) and where its body stands.

    `hollow`: declared as a container, but without a single part; what stands there is read as text.
    """

    fields: Fields
    start: int
    end: int
    depth: int = 0
    type: str = "text/plain"
    parameters: Parameters = field(default_factory=dict)
    children: list[Entity] = field(default_factory=list)
    hollow: bool = False

    def get(self, name: str) -> bytes:
        return next((value for key, value in self.fields if key == name), b"")

    @property
    def has_broken_type(self) -> bool:
        """Whether it says its type, but in no way that can be read."""
        said = self.get("content-type")
        return bool(said) and not is_media_type(said)


@dataclass(slots=True)
class Skeleton:
    """The mail's tree and what was cut or repaired on the way, as codes."""

    root: Entity
    defects: dict[str, None] = field(default_factory=dict)  # a set that keeps its order
    parts: int = 0


def skeleton(raw: bytes, depth: int = 0, within: Skeleton | None = None) -> Skeleton:
    """Cut `raw` (line ends LF or CRLF) into its tree. Linear in its length but for the depth limit.

    A mail unpacked from a part of another one starts `depth` levels down and shares its limits, `within`.
    """
    result = Skeleton(Entity([], 0, len(raw)))
    if within is not None:
        result.defects, result.parts = within.defects, within.parts
    result.root = _entity(raw, 0, len(raw), depth, "text/plain", result)
    if within is not None:
        within.parts = result.parts
    return result


def _entity(raw: bytes, start: int, end: int, depth: int, default: str, result: Skeleton) -> Entity:
    result.parts += 1
    fields, body = read_fields(raw, start, end, result.defects, top=depth == 0)
    entity = Entity(fields, body, end, depth)
    entity.type, entity.parameters = media_type(entity.get("content-type"), default)
    if entity.type.startswith("multipart/"):
        _split(raw, entity, result)
    return entity


def read_raw_values(root: Entity) -> None:
    """Values in raw 8-bit letters become UTF-8, by the charset that the same mail names elsewhere.

    Some letters alone say little of their charset; what the mail says of its text or its other words says more.
    """
    entities = list(_with_children(root))
    raw = [entity for entity in entities if any(_is_raw(value) for _, value in entity.fields)]
    if not raw:
        return
    named = dict.fromkeys(codec_name(entity.parameters.get("charset", "")) for entity in entities)
    for entity in entities:
        named.update(
            dict.fromkeys(codec_name(c) for _, value in entity.fields for c in charsets_of_words(value))
        )
    charsets = [charset for charset in named if charset and may_be_told(charset)]
    for entity in raw:
        entity.fields = [
            (name, _in_utf8(value, charsets) if _is_raw(value) else value) for name, value in entity.fields
        ]
        entity.parameters = media_type(entity.get("content-type"), entity.type)[1]


def _with_children(entity: Entity) -> Iterator[Entity]:
    yield entity
    for child in entity.children:
        yield from _with_children(child)


def _is_raw(value: bytes) -> bool:
    if value.isascii():
        return False
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def _in_utf8(value: bytes, charsets: list[str]) -> bytes:
    for charset in charsets:
        try:
            return value.decode(charset).encode()
        except (UnicodeError, ValueError):
            continue
    return value


def _split(raw: bytes, entity: Entity, result: Skeleton) -> None:
    if entity.depth >= MAX_DEPTH:
        result.defects["depth_cut"] = None
        entity.type = "application/octet-stream"
        return
    default = "message/rfc822" if entity.type == "multipart/digest" else "text/plain"
    boundary = entity.parameters.get("boundary", "").encode("latin-1", "replace")
    spans = _spans(raw, boundary, entity.start, entity.end) if boundary else iter(())
    first = next(spans, None)
    if (
        first is None and boundary != boundary.rstrip()
    ):  # blanks at the end, against RFC 2046: lost on the way
        spans = _spans(raw, boundary.rstrip(), entity.start, entity.end)
        first = next(spans, None)
    if first is None:
        guessed = _GUESSED_DELIMITER.search(
            raw, entity.start, min(entity.end, entity.start + MAX_GUESS_BYTES)
        )
        if guessed is None:
            result.defects["no_parts"] = None
            entity.type, entity.hollow = "text/plain", True
            return
        result.defects["boundary_guessed"] = None
        spans = _spans(raw, guessed[1], entity.start, entity.end)
        first = next(spans, None)
    while first is not None:
        if result.parts >= MAX_PARTS:
            result.defects["parts_cut"] = None
            return
        entity.children.append(_entity(raw, *first, entity.depth + 1, default, result))
        first = next(spans, None)


def _spans(raw: bytes, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the parts between the delimiter lines stand (RFC 2046, 5.1.1); the last may lack its end."""
    opened = -1
    for line_start, body_start, closing in _delimiters(raw, boundary, start, end):
        if opened >= 0:
            yield opened, max(opened, line_start)
        opened = -1 if closing else body_start
        if closing:
            return
    if opened >= 0:
        yield opened, end


def _delimiters(raw: bytes, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """(end of what stands before the line, start of the next line, whether it closes)."""
    needle = b"\n--" + boundary
    position = max(start - 1, 0)
    if start == 0 and raw.startswith(needle[1:]):  # a part without any header at the very top
        needle_at, skip = 0, len(needle) - 1
    else:
        needle_at, skip = raw.find(needle, position, end), len(needle)
    false = 0
    while needle_at >= 0 and false < MAX_FALSE_DELIMITERS:
        after = needle_at + skip
        line_end = raw.find(b"\n", after, end)
        next_line = end if line_end < 0 else line_end + 1
        rest = raw[after : min(next_line, after + 200)].strip()
        if rest in (b"", b"--"):
            before = needle_at - 1 if needle_at > start and raw[needle_at - 1] == 13 else needle_at
            yield before, next_line, rest == b"--"
        else:
            false += 1
        skip = len(needle)
        needle_at = raw.find(needle, max(next_line - 1, after), end)


def read_fields(
    raw: bytes, start: int, end: int, defects: dict[str, None], *, top: bool = False
) -> tuple[Fields, int]:
    """The header fields from `start` on, and the offset of the body."""
    if top:
        start = _skip_prelude(raw, start, end)
    if raw.startswith((b"\n", b"\r\n"), start, end):  # a part without fields
        return [], raw.index(b"\n", start) + 1
    found = _BLOCK_END.search(raw, start, end)
    body = found.end() if found else end
    block = raw[start : min(found.start() if found else end, start + MAX_HEADER_BYTES)]
    if body - start > len(block) + 4 and len(block) == MAX_HEADER_BYTES:
        defects["header_cut"] = None
        block = block[: block.rfind(b"\n") + 1] or block
    return _fields(block, start, body, defects)


def _skip_prelude(raw: bytes, start: int, end: int) -> int:
    """Past a byte order mark, blank lines and the `From ` line of an mbox."""
    if raw.startswith(b"\xef\xbb\xbf", start):
        start += 3
    blank = _BLANK_START.match(raw, start, end)
    if blank and _FIELD.match(raw, blank.end(), end):
        start = blank.end()
    mbox = _MBOX_LINE.match(raw, start, end)
    return mbox.end() if mbox else start


def _fields(block: bytes, start: int, body: int, defects: dict[str, None]) -> tuple[Fields, int]:
    fields: Fields = []
    pieces: list[bytes] = []
    offset, last_known = 0, -1
    for line in block.split(b"\n"):
        length = len(line) + 1
        line = line.rstrip(b"\r")
        match = _FIELD.match(line)
        if line[:1] in (b" ", b"\t") and pieces:
            pieces.append(b" " + line[1:])  # a tab is how some fold, and no part of the words
        elif match:
            _finish(fields, pieces)
            if len(fields) >= MAX_FIELDS:
                defects["header_cut"] = None
                return fields, body
            fields.append((match[1].decode("ascii").lower(), b""))
            pieces = [line[match.end() :]]
        elif line.strip():
            if last_known < 0:
                last_known = max((m.start() for m in _KNOWN.finditer(block, offset)), default=0)
            if last_known <= offset:
                _finish(fields, pieces)
                return fields, start + offset  # the header simply ends here, without a blank line
            defects["stray_line"] = None
            if fields and fields[-1][0] == "subject":
                pieces.append(b" " + line)
        offset += length
    _finish(fields, pieces)
    return fields, body


def _finish(fields: Fields, pieces: list[bytes]) -> None:
    if pieces:
        fields[-1] = (fields[-1][0], b"".join(pieces).strip())
