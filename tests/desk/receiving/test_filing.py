"""A mail becomes a message: every byte, every name, and what the lists show of it."""

from __future__ import annotations

import hashlib
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from desk.office import Office
from desk.tickets import ticket_list
from mail import safe_reading
from mail.reading.html_tree import Where
from models import Channel, Contact, InboundMail, Message, Ticket, db
from tests.support.mails import arrive, mail, ticket_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
EVERY_BYTE = bytes(range(256)) * 40 + b"\r\n.\r\nFrom \n\r"


def with_files(html: str = "", **files: tuple[bytes, str]) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "Carol <carol@customer.example>", "support-acme@poststelle.example"
    message["Subject"], message["Message-ID"] = "Files", "<files@customer.example>"
    message.set_content("See the files, please.")
    if html:
        message.add_alternative(html, subtype="html")
    for name, (data, kind) in files.items():
        main, _, sub = kind.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name.replace("_", "."))
    return message.as_bytes()


def related(html: str, content_id: str, data: bytes = PNG) -> bytes:
    message = EmailMessage()
    message["From"], message["Message-ID"] = "carol@customer.example", f"<{content_id}-mail@customer.example>"
    message.set_content("With a picture.")
    message.add_alternative(html, subtype="html")
    part = message.get_payload()[1]
    part.add_related(data, maintype="image", subtype="png", cid=f"<{content_id}>", filename="logo.png")
    return message.as_bytes()


def message_of(row: InboundMail) -> Message:
    return db.session.scalars(select(Message).where(Message.inbound_id == row.id)).one()


# --- files


def test_attachments_keep_every_byte_and_lie_under_their_digest(channel: Channel, office: Office) -> None:
    row = arrive(
        channel,
        with_files(
            all_bin=(EVERY_BYTE, "application/octet-stream"),
            photo_png=(PNG, "image/png"),
            fake_png=(b"<script>alert(1)</script>", "image/png"),
            empty_txt=(b"", "application/pdf"),
        ),
    )
    found = {file.name: file for file in message_of(row).attachments}
    for name, data in (("all.bin", EVERY_BYTE), ("photo.png", PNG), ("empty.txt", b"")):
        file = found[name]
        assert office.blobs.get(file.sha256) == data, name
        assert (file.sha256, file.size) == (hashlib.sha256(data).hexdigest(), len(data))
    # Only bytes that are a picture are ever shown as one.
    assert {name: file.shown_as for name, file in found.items()} == {
        "all.bin": "",
        "photo.png": "image/png",
        "fake.png": "",
        "empty.txt": "",
    }
    assert ticket_of(row).has_attachments
    assert len(office.blobs.get(row.sha256)) == row.size


def test_pictures_in_the_text_come_from_our_own_mail_only(channel: Channel) -> None:
    row = arrive(channel, related('<p>Hi</p><img src="cid:logo@x"><img src="cid:other@x">', "logo@x"))
    message = message_of(row)
    (picture,) = message.attachments
    assert (picture.inline, picture.content_id, picture.shown_as) == (True, "logo@x", "image/png")
    assert message.html.count(f'src="../../attachments/{picture.id}/inline"') == 1
    assert "cid:" not in message.html
    assert not ticket_of(row).has_attachments  # a logo is no attachment


def test_a_picture_that_is_none_is_not_shown(channel: Channel) -> None:
    message = message_of(arrive(channel, related('<img src="cid:x@x">', "x@x", b"<svg onload=alert(1)>")))
    assert "src=" not in message.html


def test_html_is_safe_before_it_is_stored_and_remote_images_wait(channel: Channel) -> None:
    html = '<p onclick="x()">Hi</p><script>x()</script><img src="https://spy.example/p.gif?u=1">'
    message = message_of(arrive(channel, with_files(html)))
    assert message.remote_images == 1
    for bad in ("onclick", "<script", ' src="https://spy'):
        assert bad not in message.html, bad


# --- people and words


@pytest.mark.parametrize(
    ("text", "header", "locale"),
    [
        ("Guten Tag, ich habe eine Frage zu meiner Rechnung und bitte um Hilfe.", "", "de"),
        ("Hello, I have a question about my order, please help.", "", "en"),
        ("4711", "de-AT", "de"),
        ("4711", "", "en"),  # nothing says it: the account's
    ],
)
def test_the_language_is_the_customers(channel: Channel, text: str, header: str, locale: str) -> None:
    raw = (f"Content-Language: {header}\n" if header else "").encode() + mail(text=text)
    assert ticket_of(arrive(channel, raw)).locale == locale


def test_a_known_customer_keeps_the_language_and_gets_a_name(channel: Channel) -> None:
    german = "Guten Tag, bitte um Hilfe, danke."
    first = ticket_of(arrive(channel, mail("carol@customer.example", text=german)))
    second = ticket_of(arrive(channel, mail("Carol C. <CAROL@customer.example>", text="4711")))
    assert first.contact is second.contact
    assert (second.locale, second.contact.name) == ("de", "Carol C.")
    third = ticket_of(arrive(channel, mail("Somebody Else <carol@customer.example>")))
    assert third.contact.name == "Carol C."  # a later mail renames nobody
    assert db.session.query(Contact).count() == 1


def test_from_is_the_requester_and_reply_to_only_where_to_answer(channel: Channel) -> None:
    row = arrive(channel, mail(reply_to="Office <office@customer.example>", cc="Dave <dave@x.example>"))
    message, ticket = message_of(row), ticket_of(row)
    assert ticket.contact.address == "carol@customer.example"
    assert message.reply_to == [{"name": "Office", "address": "office@customer.example"}]
    assert message.cc == [{"name": "Dave", "address": "dave@x.example"}]


@pytest.mark.parametrize("missing", ["From", "To", "Subject", "Message-ID", "Date", "everything"])
def test_whatever_is_missing_it_becomes_a_ticket(channel: Channel, missing: str) -> None:
    lines = [
        line for line in mail().decode().split("\n")
        if missing != "everything" and not line.startswith(f"{missing}:")
    ]  # fmt: skip
    ticket = ticket_of(arrive(channel, "\n".join(lines).encode() or b"\n"))
    assert ticket.contact.address == (
        "unknown@invalid" if missing in ("From", "everything") else "carol@customer.example"
    )


def test_the_snippet_is_what_was_newly_written_on_one_line(channel: Channel) -> None:
    text = "The answer\nis yes.\n\nOn 1 May 2026, Support wrote:\n> Is it?\n> Really?\n"
    row = arrive(channel, mail(text=text))
    message = message_of(row)
    assert ticket_of(row).snippet == "The answer is yes."
    assert message.new_text.strip() == "The answer\nis yes."
    assert "> Really?" in message.quoted_text
    assert (message.new_text + message.quoted_text).strip() == text.strip()  # nothing is cut


def test_values_beyond_every_column_still_make_a_ticket(channel: Channel) -> None:
    """PostgreSQL refuses what SQLite takes."""
    row = arrive(
        channel,
        mail(
            f"{'N' * 500} <{'a' * 60}@{'b' * 60}.{'c' * 60}.example>",
            subject="S" * 3000,
            text="x\ty " * 50_000,
            message_id=f"<{'m' * 2000}@x.example>",
            in_reply_to=f"<{'r' * 2000}@x.example>",
            references=" ".join(f"<{number}@x.example>" for number in range(500)),
        ),
        to=f"{'e' * 400}@x.example",
    )
    assert ticket_of(row).subject.startswith("SSSS")
    assert len(message_of(row).text) > 100_000


def test_the_same_mail_by_two_addresses_of_one_ticket_is_no_news(channel: Channel) -> None:
    """Reply-all reaches us twice, with other trace headers each time."""
    ticket = ticket_of(arrive(channel, mail()))
    answer = {"subject": f"[#{ticket.number}]", "message_id": "<again@customer.example>"}
    arrive(channel, mail(**answer, received="from a"))
    before = ticket_list.change_tag()
    row = arrive(channel, mail(**answer, received="from b"))
    assert (row.ticket_id, row.reason, str(row.outcome)) == (ticket.id, "copy", "quiet")
    assert ticket_list.news(before) == (0, 1)
    assert db.session.query(Ticket).count() == 1


@pytest.mark.parametrize(("says", "reads"), [("see", 1), ("A long explanation. " * 20, 0)])
def test_an_attached_mail_is_read_before_anything_is_locked(
    channel: Channel, monkeypatch: pytest.MonkeyPatch, says: str, reads: int
) -> None:
    """One that was built to hurt takes seconds, in a child process; none is read without need."""
    hostile = b"From: dave@customer.example\nSubject: b\nX-A: " + b"=?utf-8?q?a?= " * 1_500 + b"\n\nhi"
    child, told = safe_reading._read_in_child, list[bool]()

    def spy(raw: bytes, where: Where) -> safe_reading.Reading | None:
        told.append(db.session().in_transaction())
        return child(raw, where)

    monkeypatch.setattr(safe_reading, "_read_in_child", spy)
    head = b"From: carol@customer.example\nSubject: A lamp\nMIME-Version: 1.0\n"
    parts = (b"Content-Type: text/plain\n\n" + says.encode(), b"Content-Type: message/rfc822\n\n" + hostile)
    body = b"".join(b"\n--b\n" + part for part in parts) + b"\n--b--\n"
    row = arrive(channel, head + b"Content-Type: multipart/mixed; boundary=b\n" + body)
    assert told == [False] * reads
    filed = db.session.scalars(select(Message).where(Message.inbound_id == row.id)).one()
    assert filed.forwarded_from == ({"name": "", "address": "dave@customer.example"} if reads else None)
