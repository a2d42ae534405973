"""What a mail program reads out of our octets is what the agent put in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.types import Address, Outgoing, Part
from mail.writing.compose import compose, quote_text, reply_subject

BOB = Address("Bob, Support", "support-acme@poststelle.example")
CAROL = Address("Carol Käfer", "carol@kunde.test")
ANSWER = Outgoing(
    sender=BOB,
    to=(CAROL,),
    subject="AW: Störung [#1042]",
    text="Guten Tag,\n\nes geht wieder.\n",
    html="<p>Guten Tag,</p><p>es geht wieder.</p>",
    message_id="<1042.token.signature@poststelle.example>",
    date=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
)


def read(out: Outgoing) -> EmailMessage:
    octets = compose(out)
    assert max(len(line) for line in octets.split(b"\r\n")) <= 998
    assert b"\n" not in octets.replace(b"\r\n", b"")
    return message_from_bytes(octets, policy=policy.default)


def text_of(mail: EmailMessage) -> str:
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


def test_a_plain_answer() -> None:
    mail = read(
        replace(ANSWER, cc=(Address("", "dave@kunde.test"),), in_reply_to="<a@b>", references=("<a@b>",))
    )
    assert mail["From"].addresses[0].display_name == "Bob, Support"
    assert [str(one) for one in mail["To"].addresses] == ["Carol Käfer <carol@kunde.test>"]
    assert str(mail["Cc"]) == "dave@kunde.test"
    assert mail["Subject"] == "AW: Störung [#1042]"
    assert mail["Date"].datetime == ANSWER.date
    assert (mail["Message-ID"], mail["In-Reply-To"], mail["References"]) == (
        ANSWER.message_id,
        "<a@b>",
        "<a@b>",
    )
    assert mail.get_content_type() == "multipart/alternative"
    assert text_of(mail) == ANSWER.text
    assert mail.get_body(("html",)).get_content().strip() == ANSWER.html
    assert mail["Bcc"] is mail["Auto-Submitted"] is None


@pytest.mark.parametrize(
    "out",
    [
        replace(ANSWER, subject="a\r\nBcc: mallory@x.test"),
        replace(ANSWER, sender=Address("Bob\nX: 1", "bob@x.test")),
        replace(ANSWER, to=(Address("", "carol@x.test\r\nBcc: m@x.test"),)),
        replace(ANSWER, headers=(("X-A", "1\r\nBcc: m@x.test"),)),
        replace(ANSWER, headers=(("X-A: 1\r\nBcc", "m@x.test"),)),
        replace(ANSWER, headers=(("Bcc", "m@x.test"),)),
        replace(ANSWER, in_reply_to="<a@b>\nBcc: m@x.test"),
        replace(ANSWER, references=("<a@b>\nBcc: m@x.test",)),
        replace(ANSWER, message_id="<a@b>\rX: 1"),
        replace(ANSWER, attachments=(Part("a\r\nX: 1.pdf", "application/pdf", b""),)),
        replace(ANSWER, attachments=(Part("a.png", "image/png", b"", "c\r\nX: 1", inline=True),)),
        replace(ANSWER, headers=(("Subject", "a second one"),)),
        replace(ANSWER, date=datetime(2026, 3, 1)),
    ],
)
def test_nothing_is_smuggled_into_the_header(out: Outgoing) -> None:
    with pytest.raises(ValueError):
        compose(out)


def test_images_stand_with_the_html_and_files_beside() -> None:
    image = Part("logo.png", "image/png", b"\x89PNG", content_id="logo@x", inline=True)
    file = Part("Rechnung – März.pdf", "application/pdf", bytes(range(256)))
    mail = read(replace(ANSWER, attachments=(image, file)))
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "application/pdf",
    ]  # fmt: skip
    picture = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<logo@x>", "inline")
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (file.name, file.data)
    assert b"filename*=utf-8''Rechnung" in compose(replace(ANSWER, attachments=(file,)))


@pytest.mark.parametrize(
    "kind", ["message/rfc822", "multipart/mixed", "", "x", "image/png; a=b", "text/plain"]
)
def test_every_attachment_keeps_its_octets(kind: str) -> None:
    data = b"Subject: a\r\n\r\nb\n\xff\rc"
    (attached,) = read(replace(ANSWER, html="", attachments=(Part("a.eml", kind, data),))).iter_attachments()
    assert attached.get_payload(decode=True) == data


def test_an_automatic_mail_says_so() -> None:
    mail = read(replace(ANSWER, automatic=True, headers=(("X-Poststelle-Loop", "a.b"),)))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["X-Poststelle-Loop"] == "a.b"
    replied = read(replace(ANSWER, automatic=True, headers=(("auto-submitted", "auto-replied"),)))
    assert replied.get_all("Auto-Submitted") == ["auto-replied"]


def test_long_references_are_trimmed_and_never_encoded() -> None:
    named = tuple(f"<{'x' * 120}{number}@mail.example>" for number in range(100))
    octets = compose(replace(ANSWER, references=(*named, named[-1]), in_reply_to=named[-1]))
    assert message_from_bytes(octets)["References"].split() == [named[0], *named[-20:]]
    assert message_from_bytes(octets)["In-Reply-To"] == named[-1]
    assert b"=?" not in octets.partition(b"References")[2].partition(b"MIME")[0]


def test_a_long_name_with_a_comma_stays_one_recipient() -> None:
    """The library folds it and loses its quotes."""
    name = "Huber, mallory@x.test, " * 6
    mail = read(replace(ANSWER, to=(Address(name, CAROL.address),)))
    assert [one.addr_spec for one in mail["To"].addresses] == [CAROL.address]


def test_a_line_of_5000_characters() -> None:
    html = "<p>" + "ü" * 5000 + "</p>"
    octets = compose(replace(ANSWER, text="x" * 5000, html=html))
    assert max(len(line) for line in octets.split(b"\r\n")) <= 78
    assert octets.isascii()
    mail = message_from_bytes(octets, policy=policy.default)
    assert mail.get_body(("plain",)).get_content().strip() == "x" * 5000
    assert mail.get_body(("html",)).get_content().strip() == html


def test_international_addresses() -> None:
    octets = compose(replace(ANSWER, to=(Address("Jürgen", "juergen@käse.example"),)))
    assert b"<juergen@xn--kse-qla.example>" in octets
    octets = compose(replace(ANSWER, to=(Address("", "jürgen@käse.example"),)))
    assert "jürgen@xn--kse-qla.example".encode() in octets


lines = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=60),
    st.text("abcd ,;:\"\\'<>@.()[]=?_äß", max_size=160),
    st.lists(
        st.sampled_from(["Müller,", "Huber", '"Max"', "GmbH & Co.", "=?utf-8?q?a?=", "x" * 90]), max_size=30
    ).map(" ".join),
).map(str.strip)


def collapsed(text: str) -> str:
    return " ".join(text.split())


def decoded(field: str) -> str:
    return str(make_header(decode_header(field)))


@settings(max_examples=40, deadline=None)
@given(name=lines, subject=lines, file=lines)
def test_names_come_back(name: str, subject: str, file: str) -> None:
    """Up to the number of blanks in a row, which folding may change; quotes in a file name become single,
    and brackets round: the standard library takes `<a>` for a quoted a."""
    out = replace(
        ANSWER, sender=Address(name, BOB.address), to=(Address(name, CAROL.address), BOB), subject=subject
    )
    mail = read(replace(out, attachments=(Part(file, "application/pdf", b"1"),)))
    assert [one.addr_spec for one in mail["To"].addresses] == [CAROL.address, BOB.address]
    assert [one.addr_spec for one in mail["From"].addresses] == [BOB.address]
    fields = message_from_bytes(compose(out))  # whose reading of encoded words is the stricter one
    assert collapsed(decoded(parseaddr(fields["From"])[0])) == collapsed(name)
    assert collapsed(decoded(fields["Subject"])) == collapsed(subject.replace("=?", "= ?"))
    (attached,) = mail.iter_attachments()
    assert collapsed(attached.get_filename("")) == collapsed(
        file.replace('"', "'").replace("=?", "= ?").replace("<", "(").replace(">", ")")
    )


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200), html=st.text(max_size=20))
def test_bodies_come_back(text: str, html: str) -> None:
    mail = read(replace(ANSWER, text=text, html=html))
    expected = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert text_of(mail).rstrip("\n") == expected.rstrip("\n")


@pytest.mark.parametrize(
    ("subject", "locale", "expected"),
    [
        ("Störung", "de", "AW: Störung [#7]"),
        ("Outage", "en", "Re: Outage [#7]"),
        ("Re: AW: WG: RE[2]: Störung [#7]", "de_AT", "AW: Störung [#7]"),
        ("[#6] Fwd: Störung", "de", "AW: Störung [#7]"),
        ("Report: Störung", "de", "AW: Report: Störung [#7]"),
        ("", "en", "Re: [#7]"),
        ("a\r\n b", "en", "Re: a b [#7]"),
    ],
)
def test_reply_subject(subject: str, locale: str, expected: str) -> None:
    assert reply_subject(subject, 7, locale) == expected


def test_quotes() -> None:
    assert quote_text("Hallo\r\n\r\n> alt\n") == "> Hallo\n>\n>> alt"
