"""Builds the octets of a mail once; the outbox freezes them, so that a retry sends the same mail."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from email import headerregistry, policy
from email.message import EmailMessage

from mail.domains import ascii_domain
from mail.types import Address, Outgoing, Part

REFERENCES_KEPT = 20  # besides the first, which names the thread; a longer chain makes servers refuse

LINE = 78  # characters, RFC 5322 section 2.1.1
LONGEST_QUOTED = 60  # a quoted name stays on one line
LONGEST_WORD = 900  # the line limit of SMTP is 998

IDENTIFICATION = frozenset(("message-id", "in-reply-to", "references"))
NEVER_WRITTEN = frozenset(("bcc", "resent-bcc"))

_REPLY_PREFIX = re.compile(
    r"\s*(?:re|aw|antw|antwort|wg|fwd?|sv|vs|ref|rif|tr|rv|r)\s*(?:\[\d+\])?\s*:", re.I | re.A
)
_NUMBER = re.compile(r"\s*\[#\d+\]", re.A)


class WirePolicy(policy.EmailPolicy):
    """Folds and encodes what people write by the plain words of RFC 5322 and RFC 2047.

    The library's own folding takes the quotes off a long `"Huber, Max …"` (which then reads as several
    recipients), loses blanks in a long subject and encodes Message-IDs that are longer than a line.
    """

    def fold(self, name: str, value: str) -> str:
        if isinstance(value, headerregistry.AddressHeader):
            words = _mailbox_words(value.addresses)
        elif name.lower() in IDENTIFICATION:
            words = str(value).split()
        elif isinstance(value, headerregistry.UnstructuredHeader):
            words = _text_words(str(value))
        else:
            return str(super().fold(name, value))
        return _folded(name, words, self.linesep)

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii", "surrogateescape")


WIRE = WirePolicy(linesep="\r\n", cte_type="7bit", raise_on_defect=False)


def compose(out: Outgoing) -> bytes:
    """The mail with CRLF line ends and no line over 998 octets, in 7 bit ASCII (RFC 5322, RFC 2045).

    Only a local part beyond ASCII makes header fields UTF-8 (RFC 6532); the server then needs SMTPUTF8.
    The loop header and a `Auto-Submitted` other than `auto-generated` come with `out.headers`.
    Raises ValueError for CR or LF in a header field, a Bcc field, or a date without a zone.
    """
    mailboxes = (out.sender, *out.to, *out.cc, *out.reply_to)
    beyond_ascii = any(not mailbox.address.rpartition("@")[0].isascii() for mailbox in mailboxes)
    message = EmailMessage(policy=WIRE.clone(utf8=beyond_ascii))
    _write_addresses(message, out)
    _write_fields(message, out)
    _write_body(message, out)
    return message.as_bytes()


def reply_subject(subject: str, number: int, locale: str) -> str:
    """`AW: … [#123]` in German, `Re: … [#123]` else; earlier prefixes and numbers give way."""
    prefix = "AW:" if locale.startswith("de") else "Re:"
    return f"{prefix} {bare_subject(subject)} [#{number}]".replace("  ", " ")


def bare_subject(subject: str) -> str:
    """What a subject says, without the prefixes of replies and the numbers of tickets, with single blanks."""
    bare = _NUMBER.sub("", subject)
    while found := _REPLY_PREFIX.match(bare):
        bare = bare[found.end() :]
    return " ".join(bare.split())


def quote_text(text: str) -> str:
    """Every line behind `> `, what was quoted before behind a further `>` (RFC 3676 section 4.5)."""
    lines = _one_line_end(text).strip("\n").split("\n")
    return "\n".join(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in lines)


def _mailbox_words(mailboxes: Iterable[headerregistry.Address]) -> list[str]:
    words: list[str] = []
    for mailbox in mailboxes:
        phrase = _phrase(mailbox.display_name)
        words += [*phrase, f"<{mailbox.addr_spec}>," if phrase else f"{mailbox.addr_spec},"]
    return [*words[:-1], words[-1].removesuffix(",")] if words else []


def _phrase(name: str) -> list[str]:
    """A display name as atoms, as a quoted string or as encoded words, whichever is enough."""
    if not name.isascii() or "=?" in name or len(name) > LONGEST_QUOTED:
        return _encoded_words(name)
    if re.fullmatch(r"[\w!#$%&'*+/=?^`{|}~ -]*", name, re.A):
        return name.split()
    return ['"' + re.sub(r'(["\\])', r"\\\1", name) + '"']


def _text_words(text: str) -> list[str]:
    if not text.isascii() or "=?" in text or any(len(word) > LONGEST_WORD for word in text.split()):
        return _encoded_words(text)
    return text.split()


def _encoded_words(text: str) -> list[str]:
    """RFC 2047: each at most 75 characters, none splits a character; blanks between them do not count."""
    chunks = [""]
    for letter in text:
        if len((chunks[-1] + letter).encode()) > 45:
            chunks.append("")
        chunks[-1] += letter
    return [f"=?utf-8?b?{b64encode(chunk.encode()).decode()}?=" for chunk in chunks]


def _folded(name: str, words: list[str], linesep: str) -> str:
    lines = [f"{name}:"]
    for number, word in enumerate(words):
        if number and len(lines[-1]) + 1 + len(word) > LINE:
            lines.append("")
        lines[-1] += f" {word}"
    return linesep.join(lines) + linesep


def _write_addresses(message: EmailMessage, out: Outgoing) -> None:
    message["From"] = _mailbox(out.sender)
    for name, mailboxes in (("To", out.to), ("Cc", out.cc), ("Reply-To", out.reply_to)):
        if mailboxes:
            message[name] = tuple(_mailbox(mailbox) for mailbox in mailboxes)


def _mailbox(mailbox: Address) -> headerregistry.Address:
    local, _, domain = _line(mailbox.address).rpartition("@")
    return headerregistry.Address(_line(mailbox.name), local, ascii_domain(domain))


def _write_fields(message: EmailMessage, out: Outgoing) -> None:
    if out.date.tzinfo is None:
        raise ValueError("the date has no time zone")
    message["Subject"] = _words(out.subject)
    message["Date"] = out.date
    message["Message-ID"] = _line(out.message_id)
    if out.in_reply_to:
        message["In-Reply-To"] = _line(out.in_reply_to)
    if references := _trimmed(out.references):
        message["References"] = " ".join(references)
    for name, value in (*out.headers, *_automatic(out)):
        if not re.fullmatch(r"[!-9;-~]+", name) or name.lower() in NEVER_WRITTEN:
            raise ValueError(f"a header field of this name cannot be written: {name!r}")
        message[name] = _line(value)


def _automatic(out: Outgoing) -> Iterable[tuple[str, str]]:
    """RFC 3834, and Exchange's own word for it; what the caller says goes first."""
    said = {name.lower() for name, _ in out.headers}
    for name, value in (("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")):
        if out.automatic and name.lower() not in said:
            yield name, value


def _trimmed(references: tuple[str, ...]) -> list[str]:
    named = list(dict.fromkeys(_line(reference) for reference in references if reference))
    return named[:1] + named[1:][-REFERENCES_KEPT:]


def _write_body(message: EmailMessage, out: Outgoing) -> None:
    """mixed( alternative( text, related( html, images ) ), attachments ), as far as there is any."""
    message.set_content(_body(out.text))
    inline = [part for part in out.attachments if out.html and part.inline and part.content_id]
    if out.html:
        message.add_alternative(_body(out.html), subtype="html")
        html = message.get_body(("html",))
        for part in inline:
            assert isinstance(html, EmailMessage)
            _attach(html.add_related, part, disposition="inline", cid=f"<{_line(part.content_id)}>")
    for part in out.attachments:
        if part not in inline:
            _attach(message.add_attachment, part)


def _attach(add, part: Part, **fields: str) -> None:  # type: ignore[no-untyped-def]
    """An attached mail goes as octets: MIME forbids to encode message/rfc822, and a copy would differ."""
    found = re.fullmatch(r"([a-z0-9]+)/([a-z0-9][a-z0-9.+_-]*)", part.type.lower())
    main, sub = found.groups() if found else ("application", "octet-stream")
    if main in ("message", "multipart"):
        main, sub = "application", "octet-stream"
    add(part.data, maintype=main, subtype=sub, filename=_file_name(part.name) or None, **fields)


def _file_name(name: str) -> str:
    """Without what mail programs would take for the end of the name, and what Windows does not allow in one."""
    return _words(name).replace('"', "'").replace("<", "(").replace(">", ")")


def _words(value: str) -> str:
    """Typed words that look encoded (RFC 2047) are kept from being decoded."""
    return _line(value).replace("=?", "= ?")


def _line(value: str) -> str:
    """One line of a header field. Other control characters and Unicode's line ends become blanks."""
    if "\r" in value or "\n" in value:
        raise ValueError("a header field cannot hold a line break")
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", " ", value).strip()


def _body(text: str) -> str:
    return re.sub(r"[\x00\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", _one_line_end(text))


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
