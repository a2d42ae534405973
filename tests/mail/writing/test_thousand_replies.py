"""A thousand answers with whatever people and programs put into names, subjects, texts and file names.

Each is read back by the standard library and by a parser that shares no line with it, and holds exactly
what was put in, and no header field that was not.
"""

from __future__ import annotations

import os
import random
import re
from datetime import UTC, datetime
from email import message_from_bytes, policy

import fast_mail_parser
import pytest

from mail.types import Address, Outgoing, Part
from mail.writing.compose import compose

SEED = int(os.environ.get("POSTSTELLE_SEED") or 20261125)
REPLIES = 1000

WORDS = (
    "Müller", "Größe", "Straße", "Żółć", "Ærø", "Ελλάδα", "Привет", "שלום", "مرحبا", "日本語", "한국어", "😀", "👩‍👩‍👧‍👦", "é", "ﬁ",
    "Support", "GmbH & Co. KG", "O'Brien", "a,b", "x;y", "(Büro)", "[#1042]", "Re:", "=?utf-8?q?a?=", "=?", "?=", "\\", '"', "@",
    "50 %", "a.b.c", "--", ".", "From ", "<script>", "&amp;", "x" * 90, "ü" * 70, "C:\\tmp", "../../etc", "\u202e", "\u200f", "\u00a0",
)  # fmt: skip
LINES = (
    *WORDS,
    "",
    ".",
    "..",
    "-- ",
    "> quoted",
    "From here on",
    "\ttab",
    "=3D",
    "trailing   ",
    "\x0b",
    "\u2028",
)
# What no header field may ever carry; it is refused, not repaired, so that nobody relies on it.
INJECTIONS = ("\r\nBcc: mallory@evil.example", "\nX-Injected: 1", "\r", "\r\n\r\nbody")
ALLOWED = {
    "from", "to", "cc", "reply-to", "subject", "date", "message-id", "in-reply-to", "references", "mime-version",
    "content-type", "content-transfer-encoding", "auto-submitted", "x-auto-response-suppress",
}  # fmt: skip


def phrase(chance: random.Random, most: int = 5) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(chance.randrange(most + 1)))


def body(chance: random.Random) -> str:
    lines = [chance.choice(LINES) for _ in range(chance.randrange(1, 12))]
    if chance.random() < 0.1:
        lines.append(chance.choice("xä") * 5000)
    return "\n".join(lines)


def somebody(chance: random.Random, number: int) -> Address:
    local = chance.choice(("carol", "carol.käfer", "c+tag", "o'brien", "x_y-z", "1"))
    domain = chance.choice(("customer.example", "käse.example", "mail.customer.example"))
    if not local.isascii():
        domain = "customer.example"
    return Address(phrase(chance, 4), f"{local}{number}@{domain}")


def reply(chance: random.Random, number: int) -> Outgoing:
    return Outgoing(
        sender=Address(phrase(chance, 3), "support-acme@poststelle.example"),
        to=tuple(somebody(chance, n) for n in range(chance.randrange(1, 4))),
        cc=tuple(somebody(chance, 10 + n) for n in range(chance.randrange(3))),
        reply_to=(Address(phrase(chance, 2), "support-acme+1.2@poststelle.example"),) if number % 2 else (),
        subject=phrase(chance, 6),
        text=body(chance),
        html="" if number % 5 == 0 else f"<p>{'</p><p>'.join(body(chance).splitlines())}</p>",
        message_id=f"<{number}.token.signature@poststelle.example>",
        date=datetime(2026, 11, 25, 9, 30, number % 60, tzinfo=UTC),
        in_reply_to="<question@customer.example>",
        references=tuple(f"<{n}.{'x' * chance.randrange(80)}@customer.example>" for n in range(chance.randrange(40))),
        attachments=tuple(
            Part(phrase(chance, 3) or "file", chance.choice(("application/pdf", "text/plain", "message/rfc822")),
                 chance.randbytes(chance.randrange(2000)))
            for _ in range(chance.randrange(3))
        ),
        automatic=number % 7 == 0,
    )  # fmt: skip


def test_a_thousand_replies_are_read_as_they_were_written() -> None:
    chance = random.Random(SEED)
    for number in range(REPLIES):
        out = reply(chance, number)
        octets = compose(out)
        try:
            check_octets(octets)
            check_with_the_standard_library(out, octets)
            check_with_another_parser(out, octets)
        except AssertionError as error:
            raise AssertionError(f"reply {number} of POSTSTELLE_SEED={SEED}: {out!r}") from error


@pytest.mark.parametrize("injection", INJECTIONS)
def test_line_ends_in_a_header_field_are_refused(injection: str) -> None:
    chance = random.Random(SEED)
    for number in range(50):
        out = reply(chance, number)
        name = phrase(chance) + injection
        wrong = (
            {"subject": name},
            {"sender": Address(name, out.sender.address)},
            {"to": (Address(name, "carol@customer.example"),)},
            {"to": (Address("", f"carol@customer.example{injection}"),)},
            {"message_id": f"<1@x>{injection}"},
            {"in_reply_to": f"<1@x>{injection}"},
            {"attachments": (Part(name, "text/plain", b""),)},
            {"headers": (("X-Name", name),)},
        )
        for change in wrong:
            with pytest.raises(ValueError):
                compose(Outgoing(**{field: getattr(out, field) for field in Outgoing.__slots__} | change))


def check_octets(octets: bytes) -> None:
    assert b"\n" not in octets.replace(b"\r\n", b"") and b"\r" not in octets.replace(b"\r\n", b"")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    header = octets.partition(b"\r\n\r\n")[0]
    names = [name.lower() for name in re.findall(r"(?m)^([!-9;-~]+):", header.decode("utf-8"))]
    assert set(names) <= ALLOWED and len(names) == len(set(names)), names


def check_with_the_standard_library(out: Outgoing, octets: bytes) -> None:
    mail = message_from_bytes(octets, policy=policy.default)
    for name, people in (("From", (out.sender,)), ("To", out.to), ("Cc", out.cc), ("Reply-To", out.reply_to)):
        read = (
            [(shown(one.display_name), utf8(one.addr_spec)) for one in mail[name].addresses] if people else []
        )
        assert read == [(shown(person.name), on_the_wire(person.address)) for person in people], name
    assert shown(mail["Subject"]) == shown(out.subject)
    assert mail["Message-ID"] == out.message_id and mail["Date"].datetime == out.date
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert same_lines(text.get_content(), out.text)
    assert same_lines(html.get_content(), out.html) if out.html else html is None
    attached = [
        (shown(part.get_filename("")), part.get_payload(decode=True)) for part in mail.iter_attachments()
    ]
    assert attached == [(shown(file_name(part.name)), part.data) for part in out.attachments]


def check_with_another_parser(out: Outgoing, octets: bytes) -> None:
    mail = fast_mail_parser.parse_email(octets)
    assert shown(mail.subject) == shown(out.subject)
    assert same_lines("".join(mail.text_plain), out.text)
    assert same_lines("".join(mail.text_html), out.html)
    assert [part.content for part in mail.attachments] == [part.data for part in out.attachments]


def shown(text: str) -> str:
    """As a person sees it: blanks in a row are one, and what only looks encoded stays as it is (compose)."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", utf8(text))
    return "".join(text.replace("=?", "= ?").split())


def utf8(text: str) -> str:
    """The standard library leaves UTF-8 in a header (RFC 6532) as escaped octets."""
    return text.encode("utf-8", "surrogateescape").decode()


def file_name(name: str) -> str:
    return name.replace('"', "'").replace("<", "(").replace(">", ")")


def on_the_wire(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local}@{domain.encode('idna').decode()}"


def same_lines(read: str, written: str) -> bool:
    """Line for line; a mail always ends with a line end, and mail programs tell none from one."""
    return read.replace("\r\n", "\n").rstrip("\n") == written.replace("\r\n", "\n").rstrip("\n")
