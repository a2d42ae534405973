"""Raw bytes to a `Mail`. Never raises and never hangs: a parser error must not lose a mail.

Limits are kept while reading (mime, headers); what is cut or repaired is named in `Mail.defects`,
and the raw mail stays available beside it.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from mail.reactions import REACTION, sign_or_files
from mail.reading import tnef, uuencode
from mail.reading.charsets import decode
from mail.reading.crypto_parts import PKCS7, seal_of, seal_of_pkcs7, seal_of_text, signed_content
from mail.reading.file_names import clean_name, made_up_name, type_of_name
from mail.reading.headers import (
    MAX_ID,
    MAX_REFERENCES,
    MAX_STRUCTURED_BYTES,
    addresses,
    date,
    display_name,
    message_id,
    message_ids,
    text,
    value_and_parameters,
)
from mail.reading.invitations import read_invitation
from mail.reading.mime import MAX_DEPTH, Entity, Skeleton, read_fields, read_raw_values, skeleton
from mail.reading.plaintext import ENRICHED, text_of, text_of_enriched, unflowed
from mail.reading.transfer_encodings import decoded
from mail.types import Address, Invitation, Mail, Part, Seal

MAX_SUBJECT = 4096  # characters
# Characters of the body in each of its forms; what is longer is attached as a file besides.
MAX_TEXT = 1_000_000
MAX_DECODED = 4 * MAX_TEXT + 3  # octets, of which the longest letter has four
MAX_SOURCE = 64_000  # octets of a mail that is shown as it came, because it cannot be read
HEAD = 16 * 1024  # octets of it in which sender and subject are looked for
MAX_VALUE = 16 * 1024  # bytes of one field in `Mail.headers`

_CID = re.compile(r"(?i)\bcid:([^\"'\s<>)]{1,500})")
_META_CHARSET = re.compile(rb"(?i)<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{1,40})")
MAX_PLACEHOLDER = 400  # characters of a plain form that may only say that there is another one
_NAMES_HTML = re.compile(r"\b(?:HTML|MIME)\b", re.I)
# A letter behind a tag: then the HTML has words, mostly, and need not be parsed to know it.
_WORD_BEHIND_TAG = re.compile(r">(?:\s|&(?:nbsp|zwnj|#\d{1,6});)*+[^\s<&]")
_BODIES = ("text/plain", "text/html", "text/markdown", *ENRICHED)
CALENDARS = ("text/calendar", "application/ics")
_UNSEEN_ALTERNATIVES = {"text/x-amp-html", "text/watch-html"}  # second copies of the same words


def parse(raw: bytes, tree: Skeleton | None = None) -> Mail:
    """Everything that Poststelle shows of a mail, from its bytes as they came.

    `tree` is what `skeleton_of(raw)` answered, where it was asked before. Mail of strangers is read by
    `mail.safe_reading.read`, which has limits that no bug of ours can break.

    Codes in `defects`: unreadable, header_cut, stray_line, subject_cut, addresses_cut, references_cut,
    depth_cut, parts_cut, no_parts, boundary_guessed, text_cut.
    """
    try:
        return _read(_with_line_feeds(raw), tree)
    except Exception:  # the last net; whatever it was, a person gets to see the mail
        return unreadable(raw)


def skeleton_of(raw: bytes) -> Skeleton | None:
    """The mail cut into its parts, which costs little and has limits; None if even that went wrong."""
    try:
        return skeleton(_with_line_feeds(raw))
    except Exception:  # as above
        return None


def unreadable(raw: bytes) -> Mail:
    """What is left where reading failed: sender and subject if they can be had, and the raw mail attached."""
    try:
        fields, _ = read_fields(raw, 0, min(len(raw), HEAD), {}, top=True)
        head = _head(Entity([field for field in fields if len(field[1]) < MAX_ID], 0, 0), {})
    except Exception:  # nothing at all, then
        head = Mail()
    original = Part("original.eml", "message/rfc822", raw)
    return replace(head, text=decode(raw[:MAX_SOURCE]), attachments=(original,), defects=("unreadable",))


@dataclass(slots=True)
class _Section:
    """A stretch of the body in up to two forms of the same words."""

    plain: str = ""
    html: str = ""
    inside: bool = False  # from a winmail.dat, which mostly repeats what stands before it


@dataclass(slots=True)
class _Content:
    raw: bytes
    tree: Skeleton
    parts: list[Part] = field(default_factory=list)
    room: int = MAX_TEXT
    invitation: Invitation | None = None
    reaction: Part | None = None
    # The form of the body that calendars show; most programs attach it as well.
    shown_calendar: Part | None = None
    seals: dict[Seal, None] = field(default_factory=dict)  # a set that keeps its order


def _with_line_feeds(raw: bytes) -> bytes:
    """As old Macs wrote it, lines end with a carriage return alone."""
    return raw if b"\n" in raw else raw.replace(b"\r", b"\n")


def _read(raw: bytes, tree: Skeleton | None) -> Mail:
    tree = tree or skeleton(raw)
    read_raw_values(tree.root)
    content = _Content(raw, tree)
    sections = _sections(tree.root, "", content)
    body, markup = _joined(sections)
    head = _head(tree.root, tree.defects)
    files = _without_second_calendar(content)
    sign, files = sign_or_files(content.reaction, files, head.sender.name, body, markup)
    return replace(
        head,
        text=body,
        html=markup,
        attachments=_with_inline(files, markup),
        invitation=content.invitation,
        reaction=sign,
        seals=tuple(content.seals),
        defects=tuple(tree.defects),
    )


def _head(root: Entity, defects: dict[str, None]) -> Mail:
    def every(name: str) -> list[bytes]:
        return [value for key, value in root.fields if key == name]

    def people(name: str) -> tuple[Address, ...]:
        found, cut = addresses(every(name))
        if cut:
            defects["addresses_cut"] = None
        return tuple(found)

    subject = next((text(value[: MAX_SUBJECT * 8]) for value in every("subject") if value), "")
    if len(subject) > MAX_SUBJECT:
        defects["subject_cut"] = None
    references = message_ids(b" ".join(every("references")))
    if len(references) > MAX_REFERENCES:  # the first opened the thread, the last are nearest
        defects["references_cut"] = None
        references = references[:1] + references[1 - MAX_REFERENCES :]
    return Mail(
        message_id=message_id(root.get("message-id")),
        in_reply_to=tuple(message_ids(b" ".join(every("in-reply-to")))[:MAX_REFERENCES]),
        references=tuple(references),
        subject=subject[:MAX_SUBJECT],
        sender=_sender(root),
        reply_to=people("reply-to"),
        to=people("to"),
        cc=people("cc"),
        date=date(root.get("date")),
        headers=tuple((key, text(value[:MAX_VALUE])) for key, value in root.fields),
    )


def _sender(root: Entity) -> Address:
    """The first usable address of From, Reply-To, Return-Path; without any, what From says as a name."""
    for name in ("from", "reply-to", "return-path"):
        found, _ = addresses((value for key, value in root.fields if key == name), limit=1)
        if found:
            return found[0]
    return Address(_name_without_address(root.get("from")[:MAX_STRUCTURED_BYTES]), "")


def _name_without_address(said: bytes) -> str:
    """Of `Mail Delivery Subsystem <MAILER-DAEMON>` and `MAILER-DAEMON (Mail Delivery System)` what people call it."""
    name, _, inside = said.partition(b"<")
    name, _, comment = name.partition(b"(")
    pieces = (comment.rstrip(b") "), name, inside.rstrip(b"> "))
    return next((shown for piece in pieces if (shown := display_name(piece))), "")


def _sections(entity: Entity, parent: str, content: _Content) -> list[_Section]:
    if entity.children:
        if seal := seal_of(entity.type, entity.parameters):
            content.seals[seal] = None
        if entity.type == "multipart/alternative":
            return _alternative(entity, content)
        if entity.type == "multipart/related":
            return [
                s
                for i, e in enumerate(entity.children)
                for s in _sections(e, "" if i else entity.type, content)
            ]
        return [section for child in entity.children for section in _sections(child, entity.type, content)]
    if entity.type.startswith("multipart/"):  # cut by the limit of parts before the first
        return []
    if parent == "multipart/alternative" and entity.type in _UNSEEN_ALTERNATIVES:
        return []
    if entity.type == REACTION and content.reaction is None:
        content.reaction = _part(entity, "", _decoded(entity, content.raw)[0], len(content.parts) + 1)
        return []
    disposition, parameters = value_and_parameters(entity.get("content-disposition"))
    name = clean_name(parameters.get("filename") or entity.parameters.get("name", ""))
    if name and entity.has_broken_type:
        entity.type = type_of_name(name)
    data, behind = _decoded(entity, content.raw)
    if _is_body(entity, parent, disposition.lower(), name):
        if entity.type == "text/plain" and b"begin " in data:
            data = _without_files(data, content)
        words = _words(entity, data)
        if behind:
            lines = _line_feeds(decode(behind))
            is_html = entity.type == "text/html"
            words += f"<pre>{html.escape(lines, quote=False)}</pre>" if is_html else f"\n\n{lines}"
        if "-----BEGIN PGP" in words and (seal := seal_of_text(words)):
            content.seals[seal] = None
        if len(words) > content.room or len(data) > MAX_DECODED:
            content.tree.defects["text_cut"] = None
            content.parts.append(_part(entity, name, data, len(content.parts) + 1))
            words = words[: content.room]
        content.room -= len(words)
        return [_Section(html=words) if entity.type == "text/html" else _Section(plain=words)]
    if entity.type in tnef.TYPES or name.lower() == "winmail.dat":
        return _unwrapped(entity, name, data, content)
    content.parts.append(_part(entity, name, data, len(content.parts) + 1))
    if entity.type in PKCS7 or name.lower().endswith(".p7m"):
        return _signed(entity, data, parent, content)
    if entity.type in CALENDARS and content.invitation is None:
        said = entity.parameters
        content.invitation = read_invitation(data, said.get("charset", ""), said.get("method", ""))
        if parent == "multipart/alternative":
            content.shown_calendar = content.parts[-1]
    return []


def _without_second_calendar(content: _Content) -> list[Part]:
    """Google and Outlook send the invitation as a form of the body and as a file: one of them is enough."""
    shown = content.shown_calendar
    if shown is None or not any(
        part is not shown and part.type in CALENDARS and _says_the_same(part, content.invitation)
        for part in content.parts
    ):
        return content.parts
    return [part for part in content.parts if part is not shown]


def _says_the_same(part: Part, invitation: Invitation | None) -> bool:
    return invitation is not None and read_invitation(part.data, "", invitation.method) == invitation


def _without_files(data: bytes, content: _Content) -> bytes:
    """The text; the files that stand in it (uuencoded) become attachments."""
    data, files = uuencode.take_out(data)
    for name, inside in files:
        cleaned = clean_name(text(name))
        content.parts.append(_file(cleaned, type_of_name(cleaned), inside, len(content.parts) + 1))
    return data


def _unwrapped(entity: Entity, name: str, data: bytes, content: _Content) -> list[_Section]:
    """The files of a winmail.dat in its place, and its text. It stays beside them if something stays in it."""
    found = tnef.unpack(data)
    if found is None or not found.complete or not (found.files or found.text or found.html):
        content.parts.append(_part(entity, name, data, len(content.parts) + 1))
    if found is None:
        return []
    for file in found.files:
        cleaned = clean_name(file.name)
        part = _file(cleaned, file.type or type_of_name(cleaned), file.data, len(content.parts) + 1)
        content.parts.append(replace(part, content_id=file.content_id))
    return (
        [_Section(found.text[:MAX_TEXT], found.html[:MAX_TEXT], inside=True)]
        if found.text or found.html
        else []
    )


def _file(name: str, media_type: str, data: bytes, number: int) -> Part:
    return Part(name or made_up_name(media_type, number), media_type, data)


def _signed(entity: Entity, data: bytes, parent: str, content: _Content) -> list[_Section]:
    """An S/MIME message in one part: what was only signed is read as if it stood there itself."""
    seal = seal_of_pkcs7(data, entity.parameters)
    if seal is None:
        return []
    content.seals[seal] = None
    inner = signed_content(data) if seal is Seal.SMIME_SIGNED else b""
    if not inner or entity.depth >= MAX_DEPTH:
        return []
    outer = content.raw
    content.raw = inner
    try:
        return _sections(skeleton(inner, entity.depth + 1, content.tree).root, parent, content)
    finally:
        content.raw = outer


def _alternative(entity: Entity, content: _Content) -> list[_Section]:
    """One section of several forms: the first that is only plain text, the last that has HTML."""
    plain, markup = "", ""
    for child in entity.children:
        found = _sections(child, entity.type, content)
        if any(section.html.strip() for section in found):
            markup = _joined_html(found)
        elif not plain.strip():
            plain = "\n".join(section.plain for section in found)
    return [_Section(plain, markup)] if plain or markup else []


def _is_body(entity: Entity, parent: str, disposition: str, name: str) -> bool:
    if entity.type not in _BODIES or disposition == "attachment":
        return False
    return not name or entity.depth == 0 or parent in ("multipart/alternative", "multipart/related")


def _words(entity: Entity, data: bytes) -> str:
    charset = entity.parameters.get("charset", "")
    if not charset and entity.type == "text/html" and (meta := _META_CHARSET.search(data, 0, 4096)):
        charset = meta[1].decode("ascii")
    if len(data) > MAX_DECODED:
        data = data[: data.rfind(b"\n", 0, MAX_DECODED) + 1 or MAX_DECODED]
    words = _line_feeds(decode(data, charset))
    if entity.parameters.get("delsp", "").lower() == "yes":
        words = unflowed(words)
    return text_of_enriched(words) if entity.type in ENRICHED else words


def _line_feeds(words: str) -> str:
    return words.replace("\r\n", "\n").replace("\r", "\n") if "\r" in words else words


def _decoded(entity: Entity, raw: bytes) -> tuple[bytes, bytes]:
    encoding = text(entity.get("content-transfer-encoding")[:200]).lower().strip("\"' ;")
    return decoded(raw[entity.start : entity.end], encoding, is_text=entity.type.startswith("text/"))


def _part(entity: Entity, name: str, data: bytes, number: int) -> Part:
    if not name and entity.type == "message/rfc822":
        fields, _ = read_fields(data, 0, len(data), {}, top=True)
        subject = next((text(value[:1000]) for key, value in fields if key == "subject"), "")
        name = clean_name(f"{subject.replace('/', '_')}.eml") if subject else ""
    return Part(
        name=name or made_up_name(entity.type, number),
        type=entity.type,
        data=data,
        content_id=text(entity.get("content-id")[:1000]).strip("<> "),
    )


def _joined(sections: list[_Section]) -> tuple[str, str]:
    """Text and HTML of the whole body; HTML is empty when no section has it."""
    if any(s.inside for s in sections) and any(s.plain.strip() or s.html for s in sections if not s.inside):
        sections = [section for section in sections if not section.inside]
    words = [_words_of(section) for section in sections]
    has_html = any(section.html for section in sections)
    return "\n".join(words).strip("\n").rstrip(), _joined_html(sections) if has_html else ""


def _words_of(section: _Section) -> str:
    """The plain form, unless it only says that there is another one. HTML without a word gives way to it."""
    if not section.html:
        return section.plain
    plain = section.plain.strip()
    if not plain:
        return text_of(section.html)
    if len(plain) <= MAX_PLACEHOLDER and _NAMES_HTML.search(plain):
        return text_of(section.html) or section.plain
    if not _has_words(section.html):
        section.html = ""
    return section.plain


def _has_words(markup: str) -> bool:
    lower = markup.lower()
    body = max(lower.rfind("</style>"), lower.rfind("</head>"), 0)
    return _WORD_BEHIND_TAG.search(markup, body) is not None or bool(text_of(markup).strip())


def _joined_html(sections: list[_Section]) -> str:
    return "\n".join(
        s.html or f'<div style="white-space:pre-wrap">{html.escape(s.plain, quote=False)}</div>'
        for s in sections
        if s.html or s.plain.strip()
    )


def _with_inline(parts: list[Part], markup: str) -> tuple[Part, ...]:
    if not markup or not any(part.content_id for part in parts):
        return tuple(parts)
    used = {unquote(html.unescape(found)) for found in _CID.findall(markup)}
    return tuple(replace(p, inline=True) if p.content_id and p.content_id in used else p for p in parts)
