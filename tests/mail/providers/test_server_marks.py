"""A mail as its server hands it out: marked by an mbox server, or inside of Courier's notice."""

import pytest

from mail.providers.server_marks import has_marks, unwrapped, without_marks
from mail.safe_reading import read

MAIL = (
    "From: Jürgen <kunde@example.net>\r\nTo: help@acme.example\r\nSubject: Größe 5\r\nMessage-ID: <1@example.net>\r\n"
    "\r\nZeile eins\r\nStatus: bleibt\r\n\r\nX-UID: 5\r\n"
)


def wrapper(inside: bytes, boundary: str = "=_3310-1795992909") -> bytes:
    """As courier-pop 1.0.16 writes it."""
    return (
        "From: Mail Delivery Subsystem <postmaster>\r\nSubject: Cannot display Unicode content\r\n"
        f'Mime-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n\r\n\r\n--{boundary}\r\n'
        "Content-Type: text/plain\r\n\r\nThis E-mail message was determined to be Unicode-formatted\r\n\r\n"
        f"--{boundary}\r\nContent-Type: message/global\r\n\r\n"
    ).encode() + inside + f"\r\n--{boundary}--\r\n".encode()  # fmt: skip


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_the_mail_inside_of_the_notice_is_the_mail(charset):
    inside = MAIL.encode(charset)
    assert unwrapped(wrapper(inside)) == inside
    mail = read(wrapper(inside), by_pop3=True).mail
    assert (mail.sender.name, mail.sender.address, mail.subject) == ("Jürgen", "kunde@example.net", "Größe 5")
    assert mail.attachments == () and mail.text.startswith("Zeile eins")
    assert read(wrapper(inside), by_pop3=True) == read(inside)


def test_a_mail_with_parts_and_one_that_is_cut_are_found_inside_too():
    parts = (
        b'From: a@b.example\r\nContent-Type: multipart/mixed; boundary="=_3310-1"\r\n\r\n--=_3310-1\r\n\r\none\r\n'
        b"--=_3310-1\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\ntwo\r\n--=_3310-1--\r\n"
    )
    assert read(wrapper(parts), by_pop3=True).mail == read(parts).mail
    cut = wrapper(MAIL.encode()).rpartition(b"\r\n--=_")[0]
    assert unwrapped(cut) == MAIL.encode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<postmaster>", b"<postmaster@acme.example>"),
        (b"message/global", b"message/rfc822"),
        (b"Cannot display", b"I cannot display"),
        (b"multipart/mixed", b"multipart/alternative"),
    ],
)
def test_what_only_looks_like_it_stays_as_it_is(old, new):
    raw = wrapper(MAIL.encode()).replace(old, new, 1)
    assert unwrapped(raw) == raw


def test_a_customer_who_forwards_such_a_notice_is_read_as_the_customer():
    raw = b"From: carol@customer.example\r\nSubject: Fwd\r\n\r\n" + wrapper(MAIL.encode())
    assert unwrapped(raw) == raw


MARKS = [
    "Status: RO\r\n",
    "X-UIDL: 3a7c9b1f\r\nX-UID: 12\r\n",
    "X-IMAPbase: 1764499199 29\r\n\tcontinued\r\nX-Status: \r\nContent-Length: 77\r\n",
    "x-keywords:   \r\nStatus: O\r\n",
]


@pytest.mark.parametrize("marks", MARKS)
def test_marks_of_a_server_make_no_other_mail(marks):
    for marked in (
        marks + MAIL,
        MAIL.replace("\r\n\r\n", f"\r\n{marks}\r\n", 1),
        MAIL.replace("To:", f"{marks}To:"),
    ):
        assert without_marks(marked.encode()) == without_marks(MAIL.encode())
        assert has_marks(marked.encode())
    bare = MAIL.replace("\r\n", "\n")
    assert without_marks((marks.replace("\r\n", "\n") + bare).encode()) == without_marks(bare.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Größe 5", "Größe 6"),
        ("Status: bleibt", "Status: geht"),
        ("X-UID: 5", "X-UID: 6"),
        ("To:", "X-Uids:"),
    ],
)
def test_another_mail_stays_another(old, new):
    assert without_marks(MAIL.encode()) != without_marks(MAIL.replace(old, new).encode())
    assert not has_marks(MAIL.encode())


def test_what_has_no_header_or_no_end_of_it_is_compared_as_well():
    assert without_marks(b"") == b"" and without_marks(b"Status: RO") == b""
    assert without_marks(b"no mail at all\n") == b"no mail at all"


@pytest.mark.parametrize(
    "above", ["Received: from a by b; Mon, 30 Nov 2026 13:00:00 +0000", "To: help@acme.example", "X: y"]
)
def test_a_notice_that_came_by_mail_is_a_mail(above):
    """Its Received says so. What a stranger has packed inside speaks for nobody."""
    raw = above.encode() + b"\r\n" + wrapper(MAIL.encode())
    assert unwrapped(raw) == raw


def test_only_a_pop3_server_wraps():
    raw = wrapper(
        b"Authentication-Results: mx.acme.example; dmarc=pass header.from=example.net\r\n" + MAIL.encode()
    )
    mail = read(raw).mail
    assert mail.sender.name == "Mail Delivery Subsystem" and not mail.all("authentication-results")
