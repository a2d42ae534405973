"""Mails built to crash, to stall or to deceive a reader. None may raise, none may take long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.reading.charsets import codec_name, decode
from mail.reading.file_names import MAX_BYTES, clean_name
from mail.reading.headers import addresses
from mail.reading.mime import MAX_DEPTH, MAX_PARTS
from mail.reading.parse import MAX_SUBJECT, parse
from mail.showing import clean

PATIENCE = 2.0  # seconds, of which each takes a tenth at most; an algorithm gone quadratic takes minutes

MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"


def _nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(depth)
    )
    return opening + b"\nhi\n" + b"".join(b"--b%d--\n" % i for i in reversed(range(depth)))


def _html(markup: bytes) -> bytes:
    return b"Content-Type: text/html\n\n" + markup


HOSTILE = {
    "2,000 parts inside each other": (_nested(2000), "depth_cut"),
    "100,000 parts": (MIXED + b"--b\n\nx\n" * 100_000 + b"--b--\n", "parts_cut"),
    "header of 2 MB in one field": (b"X-A: " + b"y" * 2_000_000 + b"\n\nhi", "header_cut"),
    "header of 2 MB folded": (b"X-A: z" + b"\n y" * 700_000 + b"\n\nhi", "header_cut"),
    "header of 2 MB of fields": (b"a: b\n" * 400_000 + b"\nhi", "header_cut"),
    "stray lines before the last field": (b"z\n" * 100_000 + b"Subject: x\n\nhi", "stray_line"),
    "words that never end": (b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\n\nx", "subject_cut"),
    "words of no charset": (b"X: " + b"=?x-foo?q?=81=8d=9d=fe=ff=81?= a " * 500 + b"\n\nx", ""),
    "8-bit in 200 fields": (
        b"".join(b"X: " + bytes(range(128, 256)) * 8 + b"\n" for _ in range(200)) + b"\n",
        "",
    ),
    "commas without addresses": (b"To: " + b",a" * 100_000 + b"\n\nx", "addresses_cut"),
    "quotes that never close": (b"To: " + b'\\"' * 50_001 + b"\n\nx", "addresses_cut"),
    "comments that never close": (b"To: " + b"\\(" * 50_000 + b"\n\nx", "addresses_cut"),
    "brackets without end": (b"To: " + b"<@>" * 30_000 + b"\n\nx", "addresses_cut"),
    "3,000 addressees": (b"To: " + b"a@b.example, " * 3_000 + b"\n\nx", "addresses_cut"),
    "10,000 references": (
        b"References: " + b"".join(b"<%d@b> " % i for i in range(10_000)) + b"\n\nx",
        "references_cut",
    ),
    "parameters that never close": (b"Content-Type: text/plain" + b'; a="\\"' * 20_000 + b"\n\nx", ""),
    "almost the boundary": (MIXED + b"\n--bx" * 500_000, "no_parts"),
    "a boundary of dashes": (
        b'Content-Type: multipart/mixed; boundary="-"\n\n' + b"-" * 2_000_000,
        "no_parts",
    ),
    "base64 in crumbs": (b"Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n" + b"A=\n" * 500_000, ""),
    "every byte there is": (b"Subject: x\n\n" + bytes(range(256)) * 2_000, ""),
    "half surrogates": (b"Content-Type: text/plain; charset=utf-16\n\n" + b"\xd8\x00" * 50_000, ""),
    "a log with quotes": (b"Subject: x\n\n" + b"> a\nb\n" * 100_000, ""),
    "attributions without end": (b"Subject: x\n\nhi\n" + b"On a 1 " * 100_000, ""),
    "attributions in a row": (b"Subject: x\n\nhi\n" + b"On a 1\n" * 19_000, ""),
    "see below, again and again": (
        b"Subject: x\n\n" + b"see below\n---- Original Message ----\n" * 9_000,
        "",
    ),
    "20,000 nested div": (_html(b"<div>" * 20_000), ""),
    "nested, but closed by others": (_html(b"<font><i><div></font>" * 20_000), ""),
    "100,000 attributes": (_html(b"<a " + b" ".join(b"a%d" % i for i in range(100_000)) + b">x</a>"), ""),
    "attributes behind a false quote": (
        _html(b'<!-- <a x=" --><a ' + b"/".join(b"a%d" % i for i in range(100_000)) + b">x</a>"),
        "",
    ),
    "quotes beside quotes": (_html(b"hi" + b"<div class=gmail_quote>x</div>" * 10_000), ""),
    "rules beside rules": (_html(b"hi" + b"<div style='border-top:solid red 1pt'>Von: x</div>" * 5_000), ""),
    "a picture in the text": (_html(b"<img src='data:image/png;base64," + b"A" * 900_000 + b"'>"), ""),
}


@pytest.mark.parametrize(("raw", "defect"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_mail_is_read_and_shown_in_time(raw: bytes, defect: str) -> None:
    started = time.perf_counter()
    mail = parse(raw)
    clean.clean_html(mail.html, {})
    clean.fold_text(mail.text)
    clean.snippet(mail.text)
    assert time.perf_counter() - started < PATIENCE
    assert "unreadable" not in mail.defects
    assert not defect or defect in mail.defects


def test_limits_hold_and_what_is_beyond_stays_attached() -> None:
    assert len(parse(MIXED + b"--b\nContent-Type: a/b\n\nx\n" * 2 * MAX_PARTS).attachments) < MAX_PARTS
    assert len(parse(b"To: " + b"a@b.example, " * 900 + b"\n\n").to) == 500
    assert len(parse(b"Subject: " + b"x" * 9000 + b"\n\n").subject) == MAX_SUBJECT
    (rest,) = parse(_nested(MAX_DEPTH + 5)).attachments
    assert b"--b%d" % (MAX_DEPTH + 1) in rest.data


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b" \n \n",
        b":::",
        b"\r",
        b"\x00",
        b"From: foo@\nMessage-ID: <>\n\n",
        b"--\n--",
        b"\xff\xfe",
        b"From:\n\n",
    ],
)
def test_next_to_nothing_is_a_mail_too(raw: bytes) -> None:
    mail = parse(raw)
    assert (mail.message_id, mail.sender.address, mail.defects) == ("", "", ())


@pytest.mark.parametrize(
    "name", ["base64", "rot13", "zlib", "idna", "punycode", "unicode_escape", "undefined", "hex", "\x00"]
)
def test_only_charsets_are_charsets(name: str) -> None:
    assert codec_name(name) == ""
    assert decode("Grüße".encode(), name) == "Grüße"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.pdf", "a.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("a.\u200b./b", "b"),
        (".\u2060.", ""),
        ("...", ""),
        (".htaccess", "htaccess"),
        ("con.txt", "_con.txt"),
        ('a<b>"c|d?.txt', "a_b__c_d_.txt"),
        ("a\r\nb\x00.txt", "a b.txt"),
        ("ordner/", "ordner"),
        ("\ud800.txt", "txt"),
        ("Grüße.pdf", "Grüße.pdf"),
    ],
)
def test_file_names_are_harmless(name: str, expected: str) -> None:
    assert clean_name(name) == expected


def test_a_long_file_name_keeps_its_extension() -> None:
    name = clean_name("ü" * 500 + ".pdf")
    assert name.endswith("ü.pdf") and len(name.encode()) <= MAX_BYTES


@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    mail = parse(raw)
    assert "unreadable" not in mail.defects
    assert "\x00" not in mail.text + mail.subject


_PIECES = st.sampled_from(
    [b"Content-Type: ", b"multipart/mixed", b"multipart/alternative", b"text/html", b"; boundary=b", b"\n--b\n", b"\n--b--\n",
     b"\n\n", b"\n", b"=?utf-8?q?", b"?=", b"From: ", b"<a@b>", b'"', b"(", b")", b",", b"@", b"\\", b"\x00", b"\xe4",
     b"filename*0*=", b"; name=", b"base64", b"Content-Transfer-Encoding: ", b"message/rfc822", b"a", b" ", b"\r", b"Date: 1"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(_PIECES, max_size=60).map(b"".join))
def test_any_pieces_of_mail_are_a_mail(raw: bytes) -> None:
    assert "unreadable" not in parse(raw).defects


@given(st.text(max_size=60), st.text("abcdefgh.-", min_size=1, max_size=20))
def test_a_quoted_name_never_becomes_an_address(name: str, local: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\x00", "")
    raw = f'"{quoted}" <{local}@kunde.example>'.encode("utf-8", "ignore")
    (address,), _ = addresses([raw])
    assert address.address == f"{local}@kunde.example"
