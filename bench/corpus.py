"""A mailbox as a company has it, made from a seed: the same mails for everybody, each with its thread.

35 % plain text, 50 % text and HTML, 15 % HTML only; 60 % are answers in a thread, with the history quoted
below; 10 % carry attachments of 50 kB to 2 MB; two of three are German. Charsets and transfer encodings are
those of the common mail programs.
"""

from __future__ import annotations

import base64
import math
import quopri
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from typing import TypeVar

TO = "help@acme.test"
REPLIES = 0.6
WITH_FILES = 0.1
SMALLEST_FILE, LARGEST_FILE = 50_000, 2_000_000  # bytes, most of them small
SHAPES = {"plain": 35, "alternative": 50, "html": 15}
# Charset and transfer encoding, as the mail programs write German today.
CODINGS = {
    ("utf-8", "quoted-printable"): 45,
    ("utf-8", "base64"): 15,
    ("utf-8", "8bit"): 10,
    ("iso-8859-1", "quoted-printable"): 15,
    ("iso-8859-15", "quoted-printable"): 5,
    ("windows-1252", "8bit"): 10,
}
Key = TypeVar("Key")

PROGRAMS = ("Outlook", "Gmail", "Thunderbird", "Apple Mail")
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)

FIRST_NAMES, LAST_NAMES = (
    names.split()
    for names in (
        "Anna Bernd Carla David Eva Franz Gerda Hans Inge Jörg Käthe Lukas Maria Nils Olga Petra Ümit",
        "Müller Groß Huber Schäfer Weiß Kern Böhm Lang Moser Fuchs Jäger Köhler Braun Smith Turner",
    )
)
GERMAN = """
    die Lieferung ist heute nicht angekommen obwohl wir bereits am Montag bestellt haben und eine Bestätigung
    erhalten hatten|können Sie uns bitte sagen wann wir mit der Ware rechnen dürfen|die Rechnung weist einen
    falschen Betrag aus und müsste noch einmal geschrieben werden|das Gerät lässt sich seit gestern nicht mehr
    einschalten auch nach dem Zurücksetzen blinkt nur die rote Lampe|wir hätten außerdem gern ein Angebot für
    zwanzig weitere Stück|im Anhang finden Sie die Unterlagen über die wir am Telefon gesprochen haben|der Zugang
    unserer Kollegin Frau Böhm wurde offenbar gesperrt bitte schalten Sie ihn wieder frei|vielen Dank für die
    schnelle Hilfe jetzt läuft alles wieder wie gewohnt
"""
ENGLISH = """
    the delivery has not arrived today although we ordered last week and got a confirmation|could you please tell
    us when we can expect the goods|the invoice shows a wrong amount and would have to be issued again|the device
    does not switch on any more since yesterday even after a reset only the red lamp is blinking|we would also
    like an offer for twenty more pieces|please find attached the documents we talked about on the phone|many
    thanks for your help everything works as usual again
"""


def _sentence(words: str) -> str:
    words = " ".join(words.split())
    return f"{words[0].upper()}{words[1:]}."


SENTENCES = {
    language: [_sentence(sentence) for sentence in words.split("|")]
    for language, words in (("de", GERMAN), ("en", ENGLISH))
}
SUBJECTS = {
    "de": (
        "Lieferung verspätet",
        "Rückfrage zur Rechnung",
        "Gerät defekt",
        "Angebot für Büromöbel",
        "Zugang gesperrt",
    ),
    "en": (
        "Delivery is late",
        "Question about an invoice",
        "Device is broken",
        "Offer wanted",
        "Account locked",
    ),
}
FILES = {
    "application/pdf": (b"%PDF-1.7\n", "Rechnung {}.pdf"),
    "image/jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "Übersicht {}.jpg"),
    "image/png": (b"\x89PNG\r\n\x1a\n", "Bildschirmfoto {}.png"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (b"PK\x03\x04", "Liste {}.xlsx"),
}


@dataclass(frozen=True, slots=True)
class Mail:
    """`thread` is the number of the conversation; mails of one thread belong into one ticket."""

    raw: bytes
    message_id: str
    thread: int


@dataclass(slots=True)
class _Thread:
    number: int
    name: str
    address: str
    language: str
    subject: str
    program: str
    ids: list[str]
    history: str = ""


def corpus(mails: int, seed: int) -> list[Mail]:
    """The first mail of a thread comes before its answers, other mails between them."""
    return list(_corpus(mails, random.Random(seed)))


def _corpus(mails: int, chance: random.Random) -> Iterator[Mail]:
    threads: list[_Thread] = []
    for number in range(mails):
        answers = bool(threads) and chance.random() < REPLIES
        thread = chance.choice(threads[-200:]) if answers else _begin(len(threads), chance)
        if not answers:
            threads.append(thread)
        yield _write(number, thread, chance)


def _begin(number: int, chance: random.Random) -> _Thread:
    language = "de" if chance.random() < 2 / 3 else "en"
    person = chance.randrange(600)  # regular customers have several matters
    first, last = FIRST_NAMES[person % len(FIRST_NAMES)], LAST_NAMES[person // 7 % len(LAST_NAMES)]
    return _Thread(
        number,
        f"{first} {last}",
        f"customer{person}@firma{person % 90}.example",
        language,
        f"{chance.choice(SUBJECTS[language])} {chance.randrange(10_000, 99_999)}",
        chance.choice(PROGRAMS),
        [],
    )


def _write(number: int, thread: _Thread, chance: random.Random) -> Mail:
    at = START + timedelta(minutes=number)
    message_id = f"<{chance.randbytes(12).hex()}.{number}@firma{thread.number % 90}.example>"
    prefix = ("AW: " if thread.language == "de" else "Re: ") if thread.ids else ""
    charset, encoding = _weighted(CODINGS, chance)
    paragraphs = [
        " ".join(chance.choices(SENTENCES[thread.language], k=chance.randint(1, 4)))
        for _ in range(chance.randint(1, 5))
    ]
    greeting, closing = (
        ("Guten Tag,", "Mit freundlichen Grüßen") if thread.language == "de" else ("Hello,", "Best regards")
    )
    signature = (
        f"{thread.name}\nTel. +43 1 {chance.randrange(10**6, 10**7)}\nhttps://www.firma{number % 90}.example/"
    )
    written = [greeting, *paragraphs, f"{closing}\n{thread.name}"]
    text = "\n\n".join(written) + "\n\n-- \n" + signature + "\n"
    body = _body(text, written, signature, thread, at, charset, encoding, chance)
    if chance.random() < WITH_FILES:
        body = _with_files(body, chance)
    head = _head(thread, prefix, message_id, at, charset, chance)
    thread.history = text + _quoted(thread, at)[:4000]
    thread.ids.append(message_id)
    return Mail((head + body).replace(b"\n", b"\r\n"), message_id, thread.number)


def _head(
    thread: _Thread, prefix: str, message_id: str, at: datetime, charset: str, chance: random.Random
) -> bytes:
    host = f"mail.firma{thread.number % 90}.example"
    fields = [
        f"Return-Path: <{thread.address}>",
        f"Received: from {host} ({host} [192.0.2.{chance.randrange(256)}])\n\tby mx.acme.test with ESMTPS id "
        f"{chance.randbytes(5).hex()}\n\tfor <{TO}>; {format_datetime(at)}",
        f"Received: from client.firma.example ([198.51.100.{chance.randrange(256)}])\n\tby {host} with ESMTPSA; "
        f"{format_datetime(at)}",
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=firma{thread.number % 90}.example; s=2026;\n"
        f"\th=from:to:subject:date:message-id; bh={base64.b64encode(chance.randbytes(32)).decode()};\n"
        f"\tb={base64.b64encode(chance.randbytes(96)).decode()}\n"
        f"\t {base64.b64encode(chance.randbytes(96)).decode()}",
        f"Authentication-Results: mx.acme.test; dkim=pass header.d=firma{thread.number % 90}.example; spf=pass",
        f"From: {_word(thread.name, charset)} <{thread.address}>",
        f"To: Acme Help <{TO}>",
        f"Subject: {_word(prefix + thread.subject, charset)}",
        f"Date: {format_datetime(at)}",
        f"Message-ID: {message_id}",
        "MIME-Version: 1.0",
        f"X-Mailer: {thread.program}",
    ]
    if thread.ids:
        fields.append(f"In-Reply-To: {thread.ids[-1]}")
        fields.append("References: " + "\n ".join(thread.ids[-12:]))
    return ("\n".join(fields) + "\n").encode("ascii")


def _body(
    text: str, written: list[str], signature: str, thread: _Thread, at: datetime, charset: str, encoding: str,
    chance: random.Random,
) -> bytes:  # fmt: skip
    """The head's last fields and the body."""
    shape = _weighted(SHAPES, chance)
    plain = _part("text/plain", text + _quoted(thread, at), charset, encoding)
    if shape == "plain":
        return plain
    markup = _part("text/html", _html(written, signature, thread, at), charset, encoding)
    if shape == "html":
        return markup
    return _multipart("alternative", [plain, markup], chance)


def _with_files(body: bytes, chance: random.Random) -> bytes:
    parts = [body]
    for number in range(1 if chance.random() < 0.8 else 2):
        size = int(math.exp(chance.uniform(math.log(SMALLEST_FILE), math.log(LARGEST_FILE))))
        media_type, (magic, name) = chance.choice(sorted(FILES.items()))
        name = _word(name.format(chance.randrange(1000) + number), "utf-8")
        parts.append(
            f'Content-Type: {media_type};\n name="{name}"\nContent-Transfer-Encoding: base64\n'
            f'Content-Disposition: attachment;\n filename="{name}"\n\n'.encode()
            + base64.encodebytes(magic + chance.randbytes(size - len(magic)))
        )
    return _multipart("mixed", parts, chance)


def _quoted(thread: _Thread, at: datetime) -> str:
    if not thread.history:
        return ""
    if thread.program == "Outlook":
        return (
            f"\n________________________________\nVon: {TO}\nGesendet: {at:%d.%m.%Y %H:%M}\nAn: {thread.address}\n"
            f"Betreff: {thread.subject}\n\n{thread.history}"
        )
    said = f"Am {at:%d.%m.%Y um %H:%M} schrieb Acme Help <{TO}>:"
    if thread.language == "en":
        said = f"On {at:%d.%m.%Y at %H:%M}, Acme Help <{TO}> wrote:"
    return f"\n{said}\n\n" + "\n".join(f"> {line}" for line in thread.history.splitlines()) + "\n"


def _html(written: list[str], signature: str, thread: _Thread, at: datetime) -> str:
    if thread.program == "Outlook":
        style = (
            "<style><!--\n@font-face{font-family:Calibri;panose-1:2 15 5 2 2 2 4 3 2 4;}\n"
            "p.MsoNormal, li.MsoNormal, div.MsoNormal{margin:0;font-size:11.0pt;font-family:Calibri,sans-serif;}\n"
            "a:link, span.MsoHyperlink{mso-style-priority:99;color:#0563C1;text-decoration:underline;}\n"
            "div.WordSection1{page:WordSection1;}\n--></style>"
        )
        lines = "".join(
            f'<p class="MsoNormal"><span lang="DE" style="mso-fareast-language:EN-US">{line}<o:p></o:p></span></p>\n'
            '<p class="MsoNormal"><o:p>&nbsp;</o:p></p>\n'
            for line in written
        )
        history = (
            '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
            f'<p class="MsoNormal"><b>Von:</b> {TO}<br><b>Gesendet:</b> {at:%d.%m.%Y %H:%M}<br><b>An:</b> '
            f"{thread.address}<br><b>Betreff:</b> {thread.subject}</p></div>{_lines(thread.history, 'MsoNormal')}"
        )
        inner = f'<div class="WordSection1">{lines}<p class="MsoNormal">{_breaks(signature)}</p>'
        below = history if thread.history else ""
        return f"<html><head>{style}</head><body lang=DE>{inner}{below}</div></body></html>"
    lines = "".join(
        f'<div dir="auto" style="font-family:sans-serif;color:#222222">{_breaks(line)}</div><br>\n'
        for line in written
    )
    logo = f'<img src="https://www.firma.example/logo{thread.number % 9}.png" width="120" alt="">'
    history = (
        f'<div class="gmail_quote"><div dir="ltr" class="gmail_attr">Am {at:%d.%m.%Y} schrieb {TO}:<br></div>'
        f'<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">'
        f"{_lines(thread.history, '')}</blockquote></div>"
    )
    return (
        f'<html><head></head><body>{lines}<div class="gmail_signature"><table><tr><td>{_breaks(signature)}</td>'
        f"<td>{logo}</td></tr></table></div>{history if thread.history else ''}</body></html>"
    )


def _lines(text: str, css: str) -> str:
    return "".join(f'<p class="{css}">{line}</p>\n' for line in text.splitlines() if line)


def _breaks(text: str) -> str:
    return text.replace("\n", "<br>\n")


def _part(media_type: str, text: str, charset: str, encoding: str) -> bytes:
    head = (
        f"Content-Type: {media_type}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n".encode()
    )
    data = text.encode(charset, "replace")
    if encoding == "base64":
        return head + base64.encodebytes(data)
    return head + (quopri.encodestring(data) if encoding == "quoted-printable" else data)


def _multipart(kind: str, parts: list[bytes], chance: random.Random) -> bytes:
    boundary = f"----=_Part_{chance.randbytes(8).hex()}".encode()
    inner = b"".join(b"--" + boundary + b"\n" + part + b"\n" for part in parts)
    return b'Content-Type: multipart/%s;\n boundary="%s"\n\n%s--%s--\n' % (
        kind.encode(),
        boundary,
        inner,
        boundary,
    )


def _word(text: str, charset: str) -> str:
    return text if text.isascii() else Header(text, charset).encode(linesep="\n")


def _weighted(table: dict[Key, int], chance: random.Random) -> Key:
    return chance.choices(list(table), weights=list(table.values()))[0]
