"""Header fields of strangers: encoded words, parameters, addresses, Message-IDs, dates.

Lenient, linear in their length, never raising.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from mail.reading.charsets import decode
from mail.reading.transfer_encodings import base64_bytes, is_plain_words
from mail.types import Address

MAX_STRUCTURED_BYTES = 64 * 1024
MAX_ADDRESSES = 500
MAX_REFERENCES = 50
MAX_ADDRESS = 500
MAX_NAME = 300
MAX_NAME_PIECES = 20  # commas that an unquoted name may have before it is no name
MAX_ID = 998  # the longest line of RFC 5322

Parameters = dict[str, str]

# Up to three question marks inside are forgiven (against RFC 2047, but seen); the bound keeps it linear.
_WORD = re.compile(rb"=\?([\w.:*-]{1,60})\?([bBqQ])\?([^?]*(?:\?(?!=)[^?]*){0,3})\?=")
_BETWEEN_WORDS = re.compile(rb"(\?=)[ \t\r\n]+(?==\?[\w.:*-]{1,60}\?[bBqQ]\?)")
_SPACES = re.compile(r"\s+")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]")
# Zones that the standard library does not know by name (RFC 5322 knows North American ones only).
_ZONES = {
    "WET": "+0000", "BST": "+0100", "CET": "+0100", "MET": "+0100", "MEZ": "+0100", "CEST": "+0200", "MEST": "+0200",
    "MESZ": "+0200", "EET": "+0200", "EEST": "+0300", "MSK": "+0300", "JST": "+0900",
}  # fmt: skip
_ZONE_NAME = re.compile(rf"(?<=\d )(?:{'|'.join(_ZONES)})\Z", re.I)
_UNUSUAL = re.compile(rb"[\x00-\x08\n-\x1f\x7f]")
_LINE_BREAKS = re.compile(r"[\r\n\u0085\u2028\u2029]+")
_TYPE = re.compile(r"\s*([\w!#$&^.+-]{1,80})\s*/\s*([\w!#$&^.+-]{1,120})")
_PARAMETER = re.compile(rb';\s*([^\s=;"]{1,80})\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_CONTINUED = re.compile(r"(.+?)\*(\d{1,3})?(\*?)\Z")
_ADDRESS_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*("?)|\((?:[^()\\]|\\.){0,100}\)|<([^<>]*)>|[,;:]|[^"(<,;:]+|.', re.DOTALL
)
_LOCAL_PART_ENDS = re.compile(rb"[\s,;<>()]")
_QUOTED_LOCAL_PART = re.compile(r'"((?:[^"\\]|\\.)+)"@')
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")  # they need no quotes
_COMMENT = re.compile(rb"\([^()]*\)")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_BIDI = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ID = re.compile(r"<[^<>]+>")


def text(value: bytes) -> str:
    """A field as people read it: encoded words decoded (RFC 2047), raw 8-bit read, one line, no edges."""
    if b"=?" not in value:
        if value.isascii() and not _UNUSUAL.search(value):
            return value.decode("ascii").strip()
        return _one_line(decode(value))
    value = _BETWEEN_WORDS.sub(rb"\1", value)
    out: list[str] = []
    position = 0
    waiting: tuple[bytes, bytes] | None = None  # charset and bytes: letters may be split between words
    for match in _WORD.finditer(value):
        before = value[position : match.start()]
        charset, data = match[1], _word_bytes(match[2], match[3])
        if waiting and (before or waiting[0].lower() != charset.lower()):
            out.append(decode(waiting[1], waiting[0].decode("latin-1")))
            waiting = None
        if before:
            out.append(decode(before))
        waiting = (charset, waiting[1] + data if waiting else data)
        position = match.end()
    if waiting:
        out.append(decode(waiting[1], waiting[0].decode("latin-1")))
    out.append(decode(value[position:]))
    return _one_line("".join(out))


def charsets_of_words(value: bytes) -> list[str]:
    """The charsets that the encoded words of a field name."""
    return [match[1].decode("latin-1") for match in _WORD.finditer(value)] if b"=?" in value else []


def is_media_type(value: bytes) -> bool:
    return _TYPE.match(value[:MAX_STRUCTURED_BYTES].partition(b";")[0].decode("latin-1")) is not None


def media_type(value: bytes, default: str) -> tuple[str, Parameters]:
    """`Content-Type` as lower-case type and parameters; what is no type is `default` (RFC 2045, 5.2)."""
    if not value:
        return default, {}
    head, parameters = value_and_parameters(value)
    match = _TYPE.match(head)
    return (f"{match[1]}/{match[2]}".lower() if match else default), parameters


def value_and_parameters(value: bytes) -> tuple[str, Parameters]:
    """`inline; filename=…` as its head and parameters, with RFC 2231 pieces joined and decoded."""
    value = value[:MAX_STRUCTURED_BYTES]
    head = value.partition(b";")[0].decode("latin-1").strip()
    plain: dict[str, bytes] = {}
    pieces: dict[str, dict[int, tuple[bool, bytes]]] = {}
    for match in _PARAMETER.finditer(value):
        name, raw = match[1].decode("latin-1").lower(), _unquoted(match[2].strip())
        extended = _CONTINUED.match(name)
        if extended:
            index = int(extended[2] or 0)
            encoded = bool(extended[3]) or extended[2] is None
            pieces.setdefault(extended[1], {}).setdefault(index, (encoded, raw))
        else:
            plain.setdefault(name, raw)
    # A boundary is compared byte by byte, so it is never decoded.
    parameters = {n: raw.decode("latin-1") if n == "boundary" else text(raw) for n, raw in plain.items()}
    parameters.update({name: _joined(found) for name, found in pieces.items()})
    return head, parameters


def addresses(values: Iterable[bytes], limit: int = MAX_ADDRESSES) -> tuple[list[Address], bool]:
    """Mailboxes of a field in order, and whether there were more than `limit`.

    Split before decoding, so that an encoded name can never become an address. Groups are flattened;
    an unquoted comma in a name (`Müller, Hans <h@x.de>`, Outlook) does not split it.
    """
    found: list[Address] = []
    for value in values:
        for address in _mailboxes(value[:MAX_STRUCTURED_BYTES]):
            if len(found) >= limit:
                return found, True
            found.append(address)
        if len(value) > MAX_STRUCTURED_BYTES:
            return found, True
    return found, False


def message_ids(value: bytes) -> list[str]:
    """Every Message-ID of a field with its angle brackets, in order and once; odd ones as they are."""
    line = text(value[:MAX_STRUCTURED_BYTES])
    ids = _ID.findall(line)
    if not ids:
        words = line.split() if line.count("@") > 1 else [line]
        ids = [f"<{word}>" for word in (w.strip("<>, ") for w in words) if word and "@" in word]
    stripped = ("<" + found[1:-1].strip() + ">" for found in ids)
    return list(dict.fromkeys(i[:MAX_ID] for i in stripped if i != "<>"))


def message_id(value: bytes) -> str:
    """The mail's own Message-ID, or an empty string. One without brackets gets them and is kept."""
    line = text(value[:MAX_ID])
    found = _ID.search(line)
    inner = (found[0][1:-1] if found else line.strip("<>")).strip()
    return f"<{inner}>" if inner else ""


def date(value: bytes) -> datetime | None:
    """The Date field in UTC, or None when it is missing or nonsense. Zones by name and ISO 8601 are forgiven."""
    written = _ZONE_NAME.sub(lambda found: _ZONES[found[0].upper()], text(value[:MAX_ID]))
    try:
        when = datetime.fromisoformat(written) if _ISO_DATE.match(written) else parsedate_to_datetime(written)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except Exception:  # ValueError, TypeError, IndexError, OverflowError: whatever a stranger's date provokes
        return None


def _one_line(words: str) -> str:
    """A decoded word may smuggle line ends in; inner spaces stay as they were written."""
    return _LINE_BREAKS.sub(" ", words).strip()


def _word_bytes(encoding: bytes, data: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(data.replace(b"_", b" "), header=False)
    return data if is_plain_words(data) else base64_bytes(data)


def _unquoted(raw: bytes) -> bytes:
    if not raw.startswith(b'"'):
        return raw
    raw = raw[1:-1] if len(raw) > 1 and raw.endswith(b'"') else raw[1:]
    # Only what needs it: Windows paths (`C:\new.pdf`) come unescaped in quotes.
    return raw.replace(b'\\"', b'"').replace(b"\\\\", b"\\")


def _joined(found: dict[int, tuple[bool, bytes]]) -> str:
    """RFC 2231: pieces in order; the first encoded one names the charset."""
    charset, data = "", b""
    first = min(found)
    for index in sorted(found):
        encoded, raw = found[index]
        if encoded:
            if index == first and raw.count(b"'") >= 2:
                name, _, raw = raw.split(b"'", 2)
                charset = name.decode("latin-1")
            raw = unquote_to_bytes(raw)
        data += raw
    return text(data) if not charset and b"=?" in data else decode(data, charset)


def _mailboxes(value: bytes) -> Iterator[Address]:
    """A mailbox ends at a comma, a semicolon, a further `<…@…>` or the end."""
    words: list[bytes] = []
    comment = b""
    angle: bytes | None = None
    before_angle = 0
    for token, kind in _tokens(value):
        if kind == "word":
            words.append(token)
        elif kind == "address":
            angle, before_angle = token, len(words)
        elif kind == "comment":
            comment = comment or token
        elif kind == "group":
            words = []
        elif kind == "angle":
            if angle is not None and b"@" in angle and b"@" in token:
                if address := _mailbox(words[:before_angle], angle, comment):
                    yield address
                words, comment, angle = words[before_angle:], b"", None
            if angle is None or b"@" in token:
                angle, before_angle = token, len(words)
        elif address := _mailbox(words, angle, comment):
            yield address
            words, comment, angle = [], b"", None
        elif angle is None and words and token == b"," and len(words) < MAX_NAME_PIECES:
            words.append(b", ")  # no address yet: the comma belongs to the name
        else:
            words, comment, angle = [], b"", None


def _tokens(value: bytes) -> Iterator[tuple[bytes, str]]:
    position, quotes = 0, True
    while position < len(value):
        match = _ADDRESS_TOKEN.match(value, position)
        assert match is not None  # the last alternative takes any byte
        token, position = match[0], match.end()
        first = token[:1]
        if first == b'"':
            if quotes and match[1] and value[position : position + 1] == b"@":  # a quoted local part
                end = _LOCAL_PART_ENDS.search(value, position)
                position = end.start() if end else len(value)
                yield value[match.start() : position], "address"
            elif quotes and len(token) > 1 and match[1]:
                yield _ESCAPED.sub(rb"\1", token[1:-1]), "word"
            else:  # never closed: read on as if quotes meant nothing, or one mark would swallow the address
                value, position, quotes = value[match.start() + 1 :].replace(b'"', b" "), 0, False
        elif first == b"(" and len(token) > 1:
            yield token[1:-1], "comment"
        elif first == b"<" and len(token) > 1:
            yield match[2], "angle"
        elif first in b",;":
            yield token, "end"
        else:
            yield token, "group" if first == b":" else "word"
    yield b";", "end"


def _mailbox(words: list[bytes], angle: bytes | None, comment: bytes) -> Address | None:
    name = b"".join(words).strip(b" ,\t" if angle is None else b" ,\t<>")
    if angle is not None:
        address = _spec(angle)
        if address:
            return Address(display_name(name or comment), address)
    for candidate, other in ((name, comment), (comment, name)):
        for word in candidate.split() if b"@" in candidate else ():
            address = _spec(word)
            if address:
                return Address(display_name(candidate.replace(word, b"", 1).strip() or other), address)
    if b"=?" in name and b"@" in (decoded := text(name).encode()) and b"=?" not in decoded:
        # Name and address encoded together, against RFC 2047; nothing else here can be the address.
        before, _, inside = decoded.partition(b"<")
        return _mailbox([before], inside.partition(b">")[0], b"")
    return None


def _spec(raw: bytes) -> str:
    """`user@host` of what stands between the brackets, or an empty string."""
    if b"@" not in raw:
        if b"=?" not in raw:
            return ""
        raw = text(raw).encode()
    if raw.lstrip().startswith(b"@") and b":" in raw:  # a source route: <@relay,@relay2:user@host>
        raw = raw.rpartition(b":")[2]
    if b"(" in raw and b'"' not in raw:
        raw = _COMMENT.sub(b"", raw)
    spec = _BIDI.sub("", text(raw)).strip(" ,;'")
    if found := _QUOTED_LOCAL_PART.match(spec):
        spec = found[1] + spec[found.end() - 1 :] if _ATOMS.fullmatch(found[1]) else spec
    else:
        spec = spec.strip(" ,;'\"").removeprefix("mailto:")
    if '"' not in spec:
        spec = _SPACES.sub("", spec)
    local, at, domain = spec.rpartition("@")
    domain = domain.rstrip(".> ")
    return f"{local}@{domain}" if at and local and domain and len(spec) <= MAX_ADDRESS else ""


def display_name(raw: bytes) -> str:
    """A name as shown beside the address: decoded, one line, no quotes around, no direction overrides."""
    name = _SPACES.sub(" ", _BIDI.sub("", text(raw))).strip()
    while len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1].strip()
    return name[:MAX_NAME]
