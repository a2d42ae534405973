"""Files, frames, originals and attached mails: what is sent, as what, and with which protection."""

from __future__ import annotations

from email.message import EmailMessage
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from desk.sending import replies
from models import Message, Ticket, db
from tests.support.mails import arrive, ticket_of

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.fixture
def message(channel):
    """A mail with files of all kinds, and a mail in a mail in it."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "Carol <carol@customer.example>", "support-acme@poststelle.example"
    mail["Subject"], mail["Message-ID"] = "Files", "<files@customer.example>"
    mail.set_content("Hello,\n\nhere they are.\n\n-- \nCarol\n")
    mail.add_alternative(
        '<p>Hello</p><img src="cid:logo@x"><img src="https://shop.example/a.png"><img src="cid:other@x">',
        subtype="html",
    )
    mail.get_payload()[1].add_related(PNG, "image", "png", cid="<logo@x>", filename="logo.png")
    for data, kind, name in (
        (PNG, "image/png", "photo.png"),
        (SVG, "image/png", "lying.png"),
        (SVG, "image/svg+xml", "drawing.svg"),
        (b"<script>alert(1)</script>", "text/html", "page.html"),
    ):
        mail.add_attachment(data, *kind.split("/"), filename=name)
    mail.add_attachment(
        b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Inspection\r\nLOCATION:Gate 3\r\n"
        b"ORGANIZER;CN=Carol:mailto:carol@customer.example\r\nDTSTART:20261201T230000Z\r\nDTEND:20261202T003000Z\r\n"
        b"END:VEVENT\r\nEND:VCALENDAR\r\n",
        "text",
        "calendar",
        filename="invite.ics",
        params={"method": "REQUEST"},
    )
    inner, innermost = EmailMessage(), EmailMessage()
    innermost["From"], innermost["Subject"] = "Deep <deep@customer.example>", "Innermost"
    innermost.set_content("The innermost words")
    innermost.add_attachment(b"deep bytes", "application", "octet-stream", filename="deep.bin")
    inner["From"], inner["Subject"] = "Dave <dave@customer.example>", "Inner <b>subject</b>"
    inner["Date"] = "Mon, 23 Nov 2026 09:00:00 +0100"
    inner.set_content("The inner words\n\n-- \nDave\n")
    inner.add_attachment(innermost)
    mail.add_attachment(inner)
    ticket = ticket_of(arrive(channel, mail.as_bytes()))
    message = db.session.query(Message).filter_by(ticket_id=ticket.id, kind="inbound").one()
    files = [
        SimpleNamespace(id=file.id, name=file.name, attached_mail=file.attached_mail)
        for file in message.attachments
    ]
    seen = SimpleNamespace(id=message.id, number=ticket.number, attachments=files)
    db.session.rollback()
    return seen


def named(message, name):
    return next(file for file in message.attachments if file.name == name)


def bytes_of(client, url):
    """What a browser would save."""
    response = client.client.get(url)
    assert response.status_code == 200
    return response


def test_every_file_is_a_download(as_bob, message):
    for file in message.attachments:
        response = as_bob.get(f"/attachments/{file.id}")
        assert response.mimetype == "application/octet-stream"
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("way", ["", "/inline"])
def test_what_was_shown_is_kept_by_no_browser(as_bob, message, way):
    """Whoever uses the machine after an agent has signed out finds no customer's picture in its cache."""
    answer = as_bob.client.get(f"/attachments/{named(message, 'photo.png').id}{way}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private, no-store")
    as_bob.client.post("/logout", data={"csrf_token": as_bob.csrf_token()})
    assert as_bob.client.get(f"/attachments/{named(message, 'photo.png').id}{way}").status_code == 303


def test_only_pictures_by_their_bytes_are_shown_inline(as_bob, message):
    for name, status in (
        ("photo.png", 200),
        ("logo.png", 200),
        ("lying.png", 404),
        ("drawing.svg", 404),
        ("page.html", 404),
    ):
        url = f"/attachments/{named(message, name).id}/inline"
        as_bob.get(url, status=status)
        assert status == 404 or (bytes_of(as_bob, url).mimetype, bytes_of(as_bob, url).data) == (
            "image/png",
            PNG,
        )
    page = as_bob.get(f"/tickets/{message.number}").get_data(as_text=True)
    shown = [file.id for file in message.attachments if f'src="/attachments/{file.id}/inline"' in page]
    assert shown == [named(message, "photo.png").id], "a chip has a picture if its bytes are one"


def test_the_frame_has_a_policy_of_its_own_and_blocks_images_until_asked(as_bob, message):
    frame = f"/messages/{message.id}/frame"
    blocked = as_bob.get(frame)
    assert "default-src 'none'" in blocked.headers["Content-Security-Policy"]
    assert "img-src 'self' data:;" in blocked.headers["Content-Security-Policy"]
    assert 'src="https://shop.example/a.png"' not in blocked.get_data(as_text=True).replace(
        "data-remote-src", ""
    )
    assert f'src="../../attachments/{named(message, "logo.png").id}/inline"' in blocked.get_data(as_text=True)
    asked = as_bob.get(f"{frame}?images=1").get_data(as_text=True)
    assert 'src="https://shop.example/a.png"' in asked
    assert as_bob.get(frame).data == blocked.data, "one click, one time"


def test_remote_images_may_stay(as_bob, message):
    as_bob.post(f"/messages/{message.id}/images", {"shown": "1"})
    assert 'src="https://shop.example/a.png"' in as_bob.get(f"/messages/{message.id}/frame").get_data(
        as_text=True
    )
    page = as_bob.post(f"/messages/{message.id}/images", {"shown": ""}, status=200, htmx=True)
    assert "1 remote image was not loaded." in page.get_data(as_text=True)
    assert (
        "https: http:" not in as_bob.get(f"/messages/{message.id}/frame").headers["Content-Security-Policy"]
    )


def test_an_invitation_is_a_card_in_the_agents_zone(as_bob, message):
    page = as_bob.get(f"/tickets/{message.number}").get_data(as_text=True)
    card = page[page.index(f'id="invitation-{message.id}"') :].partition("</section>")[0]
    card = card.replace("\N{NARROW NO-BREAK SPACE}", " ")
    for words in ("Invitation", "Inspection", "Gate 3", "Carol &lt;carol@customer.example&gt;"):
        assert words in card
    assert "Wednesday, December 2, 2026, 12:00 AM to 1:30 AM" in card, "23:00 UTC in Vienna"
    assert f'href="/attachments/{named(message, "invite.ics").id}"' in card


def test_an_attached_mail_is_shown_as_a_message_with_its_files(as_bob, message):
    (file,) = [file for file in message.attachments if file.attached_mail]
    assert file.attached_mail == {
        "from": "Dave <dave@customer.example>",
        "subject": "Inner <b>subject</b>",
        "date": "2026-11-23T08:00:00+00:00",
    }
    page = as_bob.get(f"/tickets/{message.number}").get_data(as_text=True)
    assert "Inner &lt;b&gt;subject&lt;/b&gt;" in page and "The inner words" not in page
    for htmx in (False, True):
        opened = as_bob.get(f"/attachments/{file.id}/mail", htmx=htmx).get_data(as_text=True)
        assert "The inner words" in opened and f'href="/attachments/{file.id}/mail?part=0"' in opened
    deeper = as_bob.get(f"/attachments/{file.id}/mail?part=0").get_data(as_text=True)
    assert "The innermost words" in deeper
    content = bytes_of(as_bob, f"/attachments/{file.id}/mail/file?part=0.0")
    assert content.data == b"deep bytes" and content.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("part", ["1", "0.1", "0.0", "0.0.0", "x", "-1", "0." * 29, "9" * 40])
def test_no_way_leads_out_of_an_attached_mail(as_bob, message, part):
    (file,) = [file for file in message.attachments if file.attached_mail]
    as_bob.get(f"/attachments/{file.id}/mail?part={part}", status=404)
    as_bob.get(f"/attachments/{named(message, 'page.html').id}/mail", status=404)


def test_the_header_lines_and_the_original(as_bob, message):
    page = as_bob.get(f"/messages/{message.id}/headers").get_data(as_text=True)
    assert "Message-ID: &lt;files@customer.example&gt;" in page and "here they are" not in page
    original = bytes_of(as_bob, f"/messages/{message.id}/original")
    assert original.data.startswith(b"From: Carol") and original.headers["Content-Disposition"].startswith(
        "attachment"
    )


def test_a_note_has_neither(as_bob, message, bob):
    (ticket,) = db.session.scalars(select(Ticket))
    note = replies.add_note(ticket, bob, replies.Written(text="Call them back."))
    as_bob.get(f"/messages/{note.id}/headers", status=404)
    as_bob.get(f"/messages/{note.id}/original", status=404)


def test_the_signature_is_folded_on_the_page_and_nothing_is_lost(as_bob, channel):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = (
        "Carol <c@customer.example>",
        "support-acme@poststelle.example",
        "Words",
    )
    mail.set_content("On 23/11/2026 10:12, Acme wrote:\n> Does it work?\n\nYes, it does.\n\n-- \nCarol\n")
    ticket = ticket_of(arrive(channel, mail.as_bytes()))
    assert ticket.snippet == "Yes, it does."
    number = ticket.number
    db.session.rollback()
    page = as_bob.get(f"/tickets/{number}").get_data(as_text=True)
    opening, _, rest = page[page.index('<details class="quoted">') :].partition("</details>")
    assert "Does it work?" in opening
    new, _, closing = rest.partition('<details class="quoted">')
    assert "Yes, it does." in new and "Carol" in closing.partition("</details>")[0]


def test_header_lines_do_not_turn_the_direction_of_writing(as_bob, channel):
    raw = "From: c@customer.example\nSubject: x\nX-Trick: a\u202eb\x1bc\n\nHello\n".encode()
    row = arrive(channel, raw)
    message = db.session.query(Message).filter_by(inbound_id=row.id).one()
    page = as_bob.get(f"/messages/{message.id}/headers").get_data(as_text=True)
    assert "a\ufffdb\ufffdc" in page and "\u202e" not in page
