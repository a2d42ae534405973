"""Whether a mail carries our link that lets its reader choose somebody's password, however it came back.

Such a link comes back in bounces, out-of-office answers and forwards, and gateways have rewritten it by then: as the
parameter of their own address (Outlook's SafeLinks, Barracuda, Cisco, Trend Micro: percent-encoded; Sophos: base64;
Proofpoint: urldefense v1 and v2 with `-2F` and `_`, v3 between `__`), as HTML, broken over lines, or as the source of
the mail in quoted-printable or base64. Each form is undone where the link may stand and looked
at; what is made of it is never shown. An address
that only the gateway can read back is not found here: such a mail is known by the Message-ID that it names.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from html import unescape
from itertools import islice
from urllib.parse import unquote, urlsplit

from mail.types import Mail, Part

MOST = (
    1024 * 1024
)  # characters of a text, and of all files, that are searched; our mails with a link are much shorter
WRAPS = 4  # gateways around gateways
ADDRESSES = 500  # in base64, of one text
LAYERS = 3  # base64 in base64: a mail in a mail, with an address of Sophos
INNER = 1000  # texts in base64 of one mail that are looked into
HEADER = 2000  # characters of a part's header that say what its base64 is
BEFORE, BEHIND = (
    700,
    800,
)  # characters around a sign of the link in which all of it stands, however it is encoded
LOOKED_AT = 128 * 1024  # characters of one mail in which encodings are undone; it takes a quarter of a second

# A line end inside an address, with the marks of a quotation behind it; in quoted-printable "=" stands before it.
_BREAK = re.compile(r"=?\r?\n[ \t>|]*")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\\s]+")
_TAG = re.compile(r"<[^<>]{1,1500}>")
_QUOTED_PRINTABLE = re.compile(r"=([0-9A-Fa-f]{2})")
_PROOFPOINT = re.compile(r"-([0-9A-Fa-f]{2})")  # v2: "-" in place of "%", "_" in place of "/"
_BLANK_LINE = re.compile(r"\n\r?\n")
_OTHER_TYPE = re.compile(r"^content-type:(?!\s*(?:text/|message/|multipart/))", re.M)
_BASE64_ADDRESS = re.compile(r"aHR0c[A-Za-z0-9+/_-]{8,2000}")  # begins with "http"
_MESSAGE_ID = re.compile(r"(?im)^message-id:\s*(<[^<>\s]{1,250}>)")


def holds(mail: Mail, address: str) -> bool:
    """Whether a link `address` + token stands in it or in one of its files. `address` is ours, up to the token."""
    search = _Search(address)
    return any(search.finds(text, LAYERS) for text in (mail.subject, mail.text, mail.html, *_files(mail)))


def attached_ids(mail: Mail) -> list[str]:
    """The Message-IDs of the mails inside it, with their brackets."""
    return list(dict.fromkeys(found for text in _files(mail) for found in _MESSAGE_ID.findall(text)))


def _files(mail: Mail) -> Iterator[str]:
    """The files that are text or mail, as characters; what is neither shows no link to anybody."""
    left = MOST
    for part in mail.attachments:
        if left > 0 and _is_legible(part):
            text = part.data[:left].decode("latin-1")
            left -= len(text)
            yield text


def _is_legible(part: Part) -> bool:
    kind, name = part.type.casefold(), part.name.casefold()
    return part.is_mail or kind.startswith(("text/", "message/")) or name.endswith((".eml", ".txt"))


class _Search:
    """The search for one address in the texts of one mail, with an end to its work."""

    def __init__(self, address: str) -> None:
        where = urlsplit(address)
        host, path = where.netloc.casefold(), where.path.casefold()
        self._wanted = re.compile(re.escape(host + path) + r"[\w*-]")
        # No line end breaks both of them, and no gateway encodes letters but by base64.
        self._signs = (host, path.strip("/").rpartition("/")[2])
        self._left, self._inner = LOOKED_AT, INNER

    def finds(self, text: str, layers: int) -> bool:
        text = text[:MOST]
        plain = text.lower()
        if any(self._wanted.search(form) for place in self._places(text, plain) for form in _forms(place)):
            return True
        return layers > 0 and any(self.finds(inner, layers - 1) for inner in self._inside(text, plain))

    def _inside(self, text: str, plain: str) -> Iterator[str]:
        for inner in _decoded(text, plain):
            self._inner -= 1
            if self._inner < 0:
                return
            yield inner

    def _places(self, text: str, plain: str) -> Iterator[str]:
        """Where the link may stand; what lies close together is one place."""
        start = end = 0
        for found in self._signs_in(plain):
            if end and found - BEFORE > end:
                yield self._place(text, start, end)
                end = 0
            start = start if end else max(0, found - BEFORE)
            end = found + BEHIND
            if self._left < end - start:
                break
        if end:
            yield self._place(text, start, end)

    def _signs_in(self, plain: str) -> Iterator[int]:
        """Where one of them stands, in order."""
        nexts = [plain.find(sign) for sign in self._signs]
        while (at := min((place for place in nexts if place >= 0), default=-1)) >= 0:
            yield at
            nexts = [
                plain.find(sign, at + 1) if place == at else place
                for sign, place in zip(self._signs, nexts, strict=True)
            ]

    def _place(self, text: str, start: int, end: int) -> str:
        place = text[start : min(end, start + max(self._left, 0))]
        self._left -= len(place)
        return place


def _forms(text: str) -> Iterator[str]:
    """What the text may have been, in lower case: without breaks, tags, encodings, and Proofpoint's."""
    whole = _INVISIBLE.sub("", _BREAK.sub("", text)).replace("[.]", ".")
    for form in dict.fromkeys((whole, _TAG.sub("", whole))):
        for encoded in dict.fromkeys((form, _PROOFPOINT.sub(r"%\1", form).replace("_", "/"))):
            for _ in range(WRAPS):
                yield encoded.lower()
                undone = unquote(unescape(_QUOTED_PRINTABLE.sub(r"%\1", encoded)))
                if undone == encoded:
                    break
                encoded = undone


def _decoded(text: str, plain: str) -> Iterator[str]:
    """The texts that stand in it in base64: parts of a mail's source, and addresses."""
    at = plain.find("base64")
    while at >= 0:
        begin = _BLANK_LINE.search(text, at)
        if begin is None:
            break
        end = _BLANK_LINE.search(text, begin.end())
        block = text[begin.end() : end.start() if end else len(text)].partition("\n--")[0]
        # What stands far above is not looked at: for a thousand blocks that would be a thousand times the text.
        nearest = max(0, begin.start() - HEADER)
        header = plain[max(nearest, plain.rfind("\n\n", nearest, at) + 1) : begin.start()]
        if not _OTHER_TYPE.search(header.rpartition("\n--")[2]):
            yield _from_base64(re.sub(r"[^A-Za-z0-9+/]", "", block))
        at = plain.find("base64", begin.end())
    if "aHR0c" in text:
        for found in islice(_BASE64_ADDRESS.finditer(text), ADDRESSES):
            yield _from_base64(found[0])


def _from_base64(block: str) -> str:
    block = block[: len(block) - 1] if len(block) % 4 == 1 else block  # one character alone says nothing
    block = block.translate(_URL_SAFE) + "=" * (-len(block) % 4)
    return b64decode(block).decode("utf-8", "replace")


_URL_SAFE = str.maketrans("-_", "+/")
