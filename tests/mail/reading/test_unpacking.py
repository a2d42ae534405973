"""Files inside of other things: winmail.dat, uuencoded text, signed mail in one part."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.reading import crypto_parts, tnef, uuencode
from mail.reading.parse import parse

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(90))


def attribute(name: int, value: bytes, level: int = 1) -> bytes:
    head = bytes([level]) + name.to_bytes(2, "little") + b"\x06\x00" + len(value).to_bytes(4, "little")
    return head + value + b"\0\0"


def props(*values: tuple[int, int, bytes]) -> bytes:
    out = len(values).to_bytes(4, "little")
    for name, kind, value in values:
        out += kind.to_bytes(2, "little") + name.to_bytes(2, "little")
        if kind in (0x0D, 0x1E, 0x1F, 0x102):
            out += b"\1\0\0\0" + len(value).to_bytes(4, "little") + value + b"\0" * (-len(value) % 4)
        else:
            out += value
    return out


def utf16(words: str) -> bytes:
    return (words + "\0").encode("utf-16-le")


def wrapped(*attributes: bytes) -> bytes:
    return tnef.SIGNATURE + b"\1\0" + b"".join(attributes)


def mail(data: bytes, text: str = "", name: str = "winmail.dat", kind: str = "application/ms-tnef") -> bytes:
    head = b"Content-Type: multipart/mixed; boundary=b\n\n"
    words = f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n".encode() if text else b""
    part = f"--b\nContent-Type: {kind}; name={name}\nContent-Transfer-Encoding: base64\n\n".encode()
    return head + words + part + binascii.b2a_base64(data) + b"--b--\n"


FILE = attribute(0x9002, b"\0" * 14), attribute(0x8010, b"ANGEBO~1.PDF\0"), attribute(0x800F, b"%PDF-1.7")
LONG_NAME = attribute(
    0x9005, props((0x3707, 0x1F, utf16("Angebot für Carol.pdf")), (0x370E, 0x1E, b"application/pdf\0"))
)


def seen(raw: bytes) -> tuple[str, list[tuple[str, str, bytes]]]:
    found = parse(raw)
    return found.text, [(part.name, part.type, part.data) for part in found.attachments]


def test_the_files_stand_in_place_of_winmail_dat() -> None:
    data = wrapped(attribute(0x9003, props((0x1000, 0x1F, utf16("Guten Tag"))), 0), *FILE, LONG_NAME)
    pdf = ("Angebot für Carol.pdf", "application/pdf", b"%PDF-1.7")
    assert seen(mail(data, "Guten Tag")) == ("Guten Tag", [pdf])
    assert seen(mail(data)) == ("Guten Tag", [pdf])  # the only text there is
    assert seen(mail(data, kind="application/octet-stream")) == ("Guten Tag", [pdf])


def test_html_and_pictures_of_it() -> None:
    picture = props(
        (0x3712, 0x1E, b"<bild@x>\0"),
        (0x3701, 0x102, PNG),
        (0x3705, 3, b"\1\0\0\0"),
        (0x3704, 0x1E, b"b.png\0"),
    )
    data = wrapped(
        attribute(0x9007, b"\xe4\x04\0\0\0\0\0\0", 0),
        attribute(0x9003, props((0x1013, 0x102, "<p>Grüße <img src='cid:bild@x'>".encode("cp1252"))), 0),
        attribute(0x9002, b"\0" * 14),
        attribute(0x9005, picture),
    )  # fmt: skip
    found = parse(mail(data))
    assert found.text == "Grüße" and found.html == "<p>Grüße <img src='cid:bild@x'>"
    assert [(p.name, p.type, p.data, p.inline) for p in found.attachments] == [
        ("b.png", "image/png", PNG, True)
    ]


def test_named_properties_and_several_values_are_stepped_over() -> None:
    named = (
        (0x001E).to_bytes(2, "little")
        + (0x8001).to_bytes(2, "little")
        + b"g" * 16
        + b"\1\0\0\0\3\0\0\0"
        + b"abc\0"
    )
    named += b"\2\0\0\0" + b"\1\0\0\0x\0\0\0" + b"\1\0\0\0y\0\0\0"
    numbers = (0x1003).to_bytes(2, "little") + (0x0E00).to_bytes(2, "little") + b"\2\0\0\0" + b"\0" * 8
    value = b"\3\0\0\0" + named + numbers + props((0x3707, 0x1E, b"a.pdf\0"))[4:]
    found = tnef.unpack(wrapped(*FILE, attribute(0x9005, value)))
    assert found is not None and found.complete and [file.name for file in found.files] == ["a.pdf"]


def test_an_attached_mail_stays_inside_and_its_files_come_out() -> None:
    inner = b"i" * 16 + wrapped(attribute(0x9003, props((0x1000, 0x1E, b"innen\0")), 0), *FILE)
    data = wrapped(attribute(0x9002, b"\0" * 14), attribute(0x9005, props((0x3701, 0x0D, inner))))
    text, files = seen(mail(data, "außen"))
    assert text == "außen" and [name for name, _, _ in files] == ["winmail.dat", "ANGEBO~1.PDF"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no tnef",
        tnef.SIGNATURE,
        wrapped(*FILE)[:60],
        wrapped(attribute(0x9002, b""), attribute(0x9005, b"\xff" * 40), *FILE),
    ],
    ids=["empty", "other", "nothing-in-it", "cut", "broken-properties"],
)
def test_what_cannot_be_unpacked_stays_attached(data: bytes) -> None:
    _text, files = seen(mail(data, "Text"))
    assert ("winmail.dat", "application/ms-tnef", data) in files


@given(st.binary(max_size=300))
def test_any_bytes_are_unpacked_or_not(data: bytes) -> None:
    found = tnef.unpack(wrapped(*FILE, data))
    assert found is not None and found.files[0].data == b"%PDF-1.7"
    uuencode.take_out(b"begin 644 a\n" + data + b"\n`\nend\n")
    crypto_parts.signed_content(b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0" + data)


@pytest.mark.timeout(20)
def test_hostile_containers_end() -> None:
    deep = wrapped(*FILE)
    for _ in range(50):
        deep = wrapped(attribute(0x9002, b""), attribute(0x9005, props((0x3701, 0x0D, b"i" * 16 + deep))))
    many = wrapped(*[attribute(0x9002, b"") + attribute(0x800F, b"x")] * 10_000)
    counts = wrapped(
        *FILE, attribute(0x9005, b"\xff\xff\xff\x7f" + b"\x1e\0\x07\x37" + b"\xff\xff\xff\x7f" * 50_000)
    )
    for data in (deep, many, counts):
        assert tnef.unpack(data) is not None
    assert len(parse(mail(many, "x")).attachments) <= tnef.MAX_FILES + 1
    for text in (
        b"begin 644 a\n" * 100_000,
        b"begin 644 a\nM\n" * 50_000 + b"`\nend\n",
        b"begin 644 a\n" + b"`\n" * 500_000,
    ):
        assert uuencode.take_out(text)[0]
    crypto_parts.signed_content(b"\x30\x80" * 100_000)
    crypto_parts.signed_content(b"\x30\x84\xff\xff\xff\xff" * 10_000)


UU = "begin 644 bild.png\n" + "".join(
    binascii.b2a_uu(PNG[i : i + 45]).decode() for i in range(0, len(PNG), 45)
)


@pytest.mark.parametrize("end", ["`\nend\n", " \nend\n", "\nend\n"])
def test_a_file_in_the_text_becomes_an_attachment(end: str) -> None:
    found = parse(f"Subject: x\n\nHier das Bild:\n{UU}{end}Grüße\n".encode())
    assert found.text == "Hier das Bild:\nGrüße"
    assert [(part.name, part.type, part.data) for part in found.attachments] == [
        ("bild.png", "image/png", PNG)
    ]


def test_blanks_lost_at_the_end_of_a_line_are_zeros() -> None:
    data = b"a" + b"\0" * 44
    line = binascii.b2a_uu(data).decode().rstrip("\n").rstrip(" `")
    found = parse(f"Subject: x\n\nbegin 600 a.bin\n{line}\n`\nend\n".encode())
    assert found.attachments[0].data == data


@pytest.mark.parametrize(
    "text",
    [
        "begin 644 is how it starts\nand this is no file\nend\n",
        "begin 644 a.txt\nM never ends",
        "to begin with\n\nend\n",
        "begin 644 leer.txt\n`\nend\n",
    ],
)
def test_text_about_beginnings_stays_text(text: str) -> None:
    found = parse(f"Subject: x\n\n{text}".encode())
    assert (found.text, found.attachments) == (text.rstrip("\n"), ())
