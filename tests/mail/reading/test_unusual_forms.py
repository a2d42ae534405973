"""What list servers, virus scanners, old programs and other countries make of a mail, and what people read."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from mail.reading.headers import addresses, text
from mail.reading.parse import parse
from mail.reading.plaintext import text_of, unflowed
from mail.reading.transfer_encodings import cut_off_plain_lines

FOOTER = b"_______________________\nVerteiler mailing list\nListe@verein.example"
SHORT_FOOTER = b"--\nGesendet von unterwegs"


def mail(head: str, body: bytes) -> bytes:
    return b"From: carol@customer.example\n" + head.encode() + b"\n\n" + body


@pytest.mark.parametrize(
    "words", ["Hallo!", "Guten Tag, die Heizung im Büro ist kalt.", "ä" * 300, "x" * 57, "x" * 114]
)
@pytest.mark.parametrize("footer", [FOOTER, SHORT_FOOTER])
@pytest.mark.parametrize("between", [b"", b"\n", b"\n\n"])
@pytest.mark.parametrize("padded", [True, False])
def test_lines_behind_base64_stand_as_they_are(
    words: str, footer: bytes, between: bytes, padded: bool
) -> None:
    encoded = base64.encodebytes(words.encode())
    encoded = encoded if padded else encoded.replace(b"=", b"")
    raw = mail(
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64",
        encoded + between + footer,
    )
    found = parse(raw).text
    assert found.startswith(words)
    assert found[len(words) :].strip() == footer.decode()


@pytest.mark.parametrize("size", [1, 2, 3, 27, 33, 57, 58, 1000])
def test_an_attachment_keeps_its_octets(size: int) -> None:
    data = bytes(range(256)) * 4
    part = base64.encodebytes(data[:size]) + b"\n" + FOOTER
    head = "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64"
    (file,) = parse(mail(head, part)).attachments
    assert file.data == data[:size]


def test_damage_within_base64_is_no_end() -> None:
    data = bytes(range(256)) * 8
    lines = base64.encodebytes(data).splitlines(keepends=True)
    lines.insert(3, b"!!! damaged !!!\n")
    assert cut_off_plain_lines(b"".join(lines)) == (b"".join(lines), b"")
    chunks = base64.b64encode(b"abcd") + b"\n" + base64.b64encode(b"efgh") + b"\n"
    assert cut_off_plain_lines(chunks) == (chunks, b"")


def test_html_gets_the_lines_as_text() -> None:
    raw = mail(
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64",
        base64.encodebytes(b"<p>Hello</p>") + b"<<< checked by a scanner >>>",
    )
    read = parse(raw)
    assert read.html.endswith("<pre>&lt;&lt;&lt; checked by a scanner &gt;&gt;&gt;</pre>")
    assert read.text == "Hello\n\n<<< checked by a scanner >>>"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"=?utf-8?B?Rechnung?=", "Rechnung"),
        (b"=?utf-8?B?Ihre Bestellung, Teil 2?=", "Ihre Bestellung, Teil 2"),
        (b"=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?iso-8859-1?B?R3L832U=?=", "Grüße"),
        (b"=?utf-8?B?aGFsbG8?=", "hallo"),
        (b"=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),
    ],
)
def test_letters_that_were_never_encoded(value: bytes, words: str) -> None:
    assert text(value) == words


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (b'"john doe"@example.org', '"john doe"@example.org'),
        (b'John <"john doe"@example.org>', '"john doe"@example.org'),
        (b'"a,b"@example.org', '"a,b"@example.org'),
        (b'John <"a@b"@example.org>', '"a@b"@example.org'),
        (b'"max.muster"@example.org', "max.muster@example.org"),
        (b'"max@example.org"', "max@example.org"),
        (b'"Muster, Max" <max@example.org>', "max@example.org"),
        (b"'max@example.org'", "max@example.org"),
    ],
)
def test_quoted_local_parts(value: bytes, address: str) -> None:
    (found,), _ = addresses([value + b", other@example.net"], limit=1)
    assert found.address == address
    assert addresses([value + b", other@example.net"])[0][-1].address == "other@example.net"


@pytest.mark.parametrize("broken", ["=?utf-8?Q?application/pdf;?=", "pdf", "application"])
def test_a_file_without_a_readable_type_has_that_of_its_name(broken: str) -> None:
    head = f'Content-Type: {broken}\nContent-Disposition: attachment; filename="Vertrag.pdf"'
    (file,) = parse(mail(head, b"%PDF")).attachments
    assert (file.name, file.type) == ("Vertrag.pdf", "application/pdf")


@pytest.mark.parametrize(
    ("charset", "words"),
    [
        ("windows-1251", "Счета"),
        ("iso-8859-2", "Śruba"),
        ("gb2312", "张伟"),
        ("koi8-r", "Да"),
        ("iso-8859-7", "Απόδ"),
        ("big5", "發票"),
        ("euc-jp", "請求"),
    ],
)
def test_raw_letters_are_read_by_the_charset_that_the_mail_names(charset: str, words: str) -> None:
    raw_words = words.encode(charset)
    head = b"From: " + raw_words + b" <carol@customer.example>\nSubject: " + raw_words + b"\n"
    by_body = head + f"Content-Type: text/plain; charset={charset}\n\n".encode() + raw_words
    by_word = head + b"X-Other: =?" + charset.encode() + b"?B?" + base64.b64encode(raw_words) + b"?=\n\nHello"
    for raw in (by_body, by_word):
        read = parse(raw)
        assert (read.subject, read.sender.name) == (words, words)
    file = (
        f"From: carol@customer.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n"
        f"Content-Type: text/plain; charset={charset}\n\nHello\n--x\nContent-Disposition: attachment; filename="
    ).encode()
    (part,) = parse(
        file + b'"' + raw_words + b'.pdf"\nContent-Type: application/pdf\n\nx\n--x--\n'
    ).attachments
    assert part.name == f"{words}.pdf"


def test_a_western_charset_proves_nothing_of_other_letters() -> None:
    """Nothing fails in it, so it would make Cyrillic letters look Western."""
    raw = "Subject: Счета за декабрь и январь".encode("windows-1251")
    assert parse(raw + b"\nContent-Type: text/plain; charset=iso-8859-1\n\nHello").subject.startswith("Счета")


def test_japanese_letters_of_nec_and_ibm() -> None:
    """Row 13 of CP50220 and the rows of IBM, which ISO-2022-JP itself does not have."""
    body = b"\x1b$B-!-j\x1b(B and \x1b$BF|K\\\x1b(B\n"
    assert parse(mail("Content-Type: text/plain; charset=iso-2022-jp", body)).text == "①㈱ and 日本"
    assert parse(mail("Content-Type: text/plain", body)).text == "①㈱ and 日本"
    assert text(b"=?iso-2022-jp?B?" + base64.b64encode(b"\x1b$B-j\x1b(B") + b"?=") == "㈱"


def test_flowed_lines_that_end_within_words() -> None:
    words = "Ein langer Satz ohne Ende \nund \nweiter.\n> zitiert \n> wird \nneu\n-- \nMax"
    assert unflowed(words) == "Ein langer Satz ohne Endeundweiter.\n> zitiertwird\nneu\n-- \nMax"
    head = "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes"
    assert parse(mail(head, "日本 \n語\n".encode())).text == "日本語"
    assert parse(mail(head.replace("; delsp=yes", ""), b"one \ntwo\n")).text == "one \ntwo"


@pytest.mark.parametrize(
    "style", ["white-space:pre", "color:red; white-space : PRE-wrap", "white-space:break-spaces"]
)
def test_lines_that_a_style_keeps(style: str) -> None:
    markup = f'<div style="{style}">Artikel   Preis\nSchraube  1,20</div><div>und\nmehr</div>'
    assert text_of(markup) == "Artikel   Preis\nSchraube  1,20\nund mehr"
    inner = f'<p style="{style}">a\nb <span style="white-space:normal">c\nd</span> <a href="https://x.example">e\nf</a></p>'
    assert text_of(inner) == "a\nb c d e\nf (https://x.example)"
    linked = f'<a style="{style}" href="https://x.example">e\nf</a> <a href="https://y.example" style="{style}">g</a>'
    assert text_of(linked) == "e\nf (https://x.example) g (https://y.example)"


def calendar(zone: str, definition: str = "") -> bytes:
    lines = (
        "BEGIN:VCALENDAR",
        "METHOD:REQUEST",
        definition or "VERSION:2.0",
        "BEGIN:VEVENT",
        "UID:1@customer.example",
        "SUMMARY:Meeting",
        f"DTSTART;TZID={zone}:20261201T100000",
        f"DTEND;TZID={zone}:20261201T110000",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return ("\n".join(lines) + "\n").encode()


def begins(zone: str, definition: str = "") -> object:
    invitation = parse(
        mail("Content-Type: text/calendar; charset=utf-8", calendar(zone, definition))
    ).invitation
    assert invitation is not None
    return invitation.start


@pytest.mark.parametrize(
    "zone", ["CET", "MEZ", '"UTC+01:00"', "UTC+1", "GMT+0100", '"+01:00"', "MET", "Europe/Vienna"]
)
def test_zones_that_the_file_does_not_define(zone: str) -> None:
    assert begins(zone) == datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_summer_by_name() -> None:
    assert begins("CEST") == begins("MESZ") == datetime(2026, 12, 1, 8, tzinfo=UTC)


def test_what_nobody_knows_has_no_zone() -> None:
    assert begins("Kitchen clock") == datetime(2026, 12, 1, 10)


def test_its_own_definition_of_a_zone_comes_first() -> None:
    definition = (
        "BEGIN:VTIMEZONE\nTZID:GMT\nBEGIN:STANDARD\nDTSTART:20200101T000000\n"
        "TZOFFSETFROM:+0300\nTZOFFSETTO:+0300\nEND:STANDARD\nEND:VTIMEZONE"
    )
    assert begins("GMT", definition) == datetime(2026, 12, 1, 7, tzinfo=UTC)


def invitation_twice(second: bytes, media_type: str = "application/ics") -> bytes:
    return (
        b"From: carol@customer.example\nContent-Type: multipart/mixed; boundary=m\n\n--m\n"
        b"Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain\n\nCome!\n--a\n"
        b"Content-Type: text/calendar; charset=utf-8; method=REQUEST\n\n" + calendar("CET") + b"--a--\n--m\n"
        b"Content-Type: " + media_type.encode() + b'; name=invite.ics\nContent-Disposition: attachment; filename=invite.ics\n\n'
        + second + b"--m--\n"
    )  # fmt: skip


@pytest.mark.parametrize("media_type", ["application/ics", "text/calendar"])
def test_one_invitation_is_one_card_and_one_file(media_type: str) -> None:
    read = parse(invitation_twice(calendar("CET"), media_type))
    assert [part.name for part in read.attachments] == ["invite.ics"]
    assert read.invitation is not None and read.invitation.summary == "Meeting"


def test_another_event_stays_beside_it() -> None:
    other = calendar("CET").replace(b"Meeting", b"Another")
    assert [part.name for part in parse(invitation_twice(other)).attachments] == [
        "attachment-1.ics",
        "invite.ics",
    ]


def two_forms(plain: str, markup: str) -> bytes:
    return (
        "From: carol@customer.example\nContent-Type: multipart/alternative; boundary=a\n\n"
        f"--a\nContent-Type: text/plain; charset=utf-8\n\n{plain}\n"
        f"--a\nContent-Type: text/html; charset=utf-8\n\n{markup}\n--a--\n"
    ).encode()


@pytest.mark.parametrize(
    "plain",
    [
        "Ihr E-Mail-Programm unterstützt keine HTML-Nachrichten.",
        "This is a message in HTML format. Your mail reader cannot show it.",
        "Votre logiciel ne permet pas d'afficher les messages au format HTML.",
        "This is a multi-part message in MIME format.",
    ],
)
def test_a_placeholder_gives_way_to_the_words(plain: str) -> None:
    assert (
        parse(two_forms(plain, "<p>Die Waschmaschine verliert Wasser.</p>")).text
        == "Die Waschmaschine verliert Wasser."
    )
    assert parse(two_forms(plain, "<img src='https://x.example/a.png'>")).text == plain


def test_who_writes_of_html_keeps_the_words() -> None:
    plain = "Das Angebot als HTML bitte. " * 20
    assert parse(two_forms(plain, f"<p>{plain}</p>")).text.startswith("Das Angebot als HTML bitte.")


@pytest.mark.parametrize(
    "markup",
    [
        "<html><head><title>x</title><style>p {color:red}</style></head><body><p>&nbsp;</p></body></html>",
        "<table><tr><td><img src='https://x.example/a.png'></td></tr></table>",
        "<p></p>",
        "<style>body { margin: 0 }</style><div> &#160;\n</div>",
    ],
)
def test_html_without_a_word_gives_way_to_the_text(markup: str) -> None:
    read = parse(two_forms("Guten Tag, wo bleibt meine Lieferung?", markup))
    assert (read.text, read.html) == ("Guten Tag, wo bleibt meine Lieferung?", "")
    assert parse(two_forms("", markup)).html == markup, "there is nothing else to show"


@pytest.mark.parametrize("markup", ["Hello", "<p>Hello</p>", "<style>x</style>Hello", "<b>1</b>", "&euro; 5"])
def test_html_with_a_word_stays(markup: str) -> None:
    assert parse(two_forms("Hello", markup)).html.strip() == markup
