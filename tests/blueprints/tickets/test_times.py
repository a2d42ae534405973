"""The times of a mail, and the subject of one that has no words, as an agent reads them."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from babel import dates
from sqlalchemy import event, select

from desk.receiving import arrivals, intake
from desk.sending import mail_rendering
from models import Channel, InboundMail, Message, Ticket, db, now
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of


def dated(moment) -> str:
    return f"{moment:%a, %d %b %Y %H:%M:%S} +0000"


def said(moment) -> str:
    """As a page in English says it, in Vienna."""
    local, today = (one.astimezone(ZoneInfo("Europe/Vienna")) for one in (moment, now()))
    clock = dates.format_time(local, "short", locale="en", tzinfo=local.tzinfo)
    if local.date() == today.date():
        return f"today, {clock}"
    return dates.format_datetime(local, "short", locale="en", tzinfo=local.tzinfo)


def fetched(channel: Channel, raw: bytes, lay: timedelta, number: int = 0) -> Message:
    """A mail that arrived at its IMAP server so long ago."""
    came = (now() - lay).replace(microsecond=0)
    arrival = arrivals.Arrival(raw, "imap", f"1/7:{number}", arrived_at=came)
    row = arrivals.receive(channel.id, arrival)
    assert row is not None
    intake.process(row)
    return db.session.scalars(select(Message).where(Message.inbound_id == row)).one()


def page_of(client: PageClient, number: int) -> str:
    db.session.rollback()
    return client.get(f"/tickets/{number}").get_data(as_text=True)


def times(html: str) -> list[str]:
    return re.findall(r'<time datetime="([^"]+)"', html)


LAY = "This mail lay on its server for"


def test_the_message_has_the_time_of_its_arrival_and_its_menu_the_others(
    as_bob: PageClient, channel: Channel
) -> None:
    sent = now().replace(microsecond=0) - timedelta(days=3, hours=2)
    message = fetched(channel, mail(date=dated(sent)), timedelta(days=3))
    came, got, number = message.came_at, message.fetched_at, message.ticket.number
    page = page_of(as_bob, number)
    head = page.split('class="sheet-time', 1)[1]
    assert times(head)[0] == came.isoformat()
    menu = re.findall(r"<dt>(\w+)</dt><dd>(.*?)</dd>", head)[:3]
    assert menu == list(zip(("Sent", "Arrived", "Fetched"), map(said, (sent, came, got)), strict=True))
    assert f"{LAY} 3 days before it came here." in page
    created = page.split("Created</dt>", 1)[1]
    assert times(created)[0] == came.isoformat()
    db.session.rollback()
    listed = as_bob.get("/tickets?view=open").get_data(as_text=True)
    assert times(listed.split('class="row-time"', 1)[1])[0] == came.isoformat()


@pytest.mark.parametrize(
    ("hours", "days"), [(1, ""), (23.5, ""), (24.5, "1 day "), (47, "1 day "), (50, "2 days ")]
)
def test_a_day_on_the_server_is_said(as_bob: PageClient, channel: Channel, hours: float, days: str) -> None:
    page = page_of(as_bob, fetched(channel, mail(), timedelta(hours=hours)).ticket.number)
    assert (f"{LAY} {days}" in page) if days else (LAY not in page)


def test_the_bell_rings_with_the_time_of_the_mail(as_bob: PageClient, channel: Channel) -> None:
    came = fetched(channel, mail(), timedelta(hours=5)).came_at
    db.session.rollback()
    assert times(as_bob.get("/notices").get_data(as_text=True))[0] == came.isoformat()


def test_many_mails_ask_the_ledger_once(as_bob: PageClient, channel: Channel) -> None:
    """As many statements for nine mails as for one."""

    def asked() -> int:
        statements: list[str] = []
        event.listen(db.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        page_of(as_bob, number)
        return len(statements)

    number = fetched(channel, mail(message_id="<a@x.example>"), timedelta(hours=5)).ticket.number
    page_of(as_bob, number)
    before = asked()
    for count in range(1, 9):
        again = mail(in_reply_to="<a@x.example>", text="" if count % 2 else "And this.")
        assert fetched(channel, again, timedelta(days=2), count).ticket.number == number
    page_of(as_bob, number)
    assert asked() <= before + 2, "nothing is asked for each mail alone"


# --- a mail without words


def without_words(subject: str, kind: str = "plain", **headers: str) -> bytes:
    raw = mail(subject=subject, text="", **headers)
    if kind == "html":
        raw = raw.replace(b"text/plain", b"text/html").rstrip() + b"\n\n<div><br></div>&nbsp;\n"
    return raw


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_a_new_subject_stands_for_the_words(as_bob: PageClient, channel: Channel, kind: str) -> None:
    first = ticket_of(arrive(channel, mail(message_id="<a@x.example>")))
    number = first.number
    raw = without_words("Bitte Rückruf 4711", kind, in_reply_to="<a@x.example>")
    message = db.session.scalars(select(Message).where(Message.inbound_id == arrive(channel, raw).id)).one()
    assert message.ticket.number == number and message.is_wordless
    assert (message.ticket.snippet, message.ticket.wordless) == ("Bitte Rückruf 4711", True)
    page = page_of(as_bob, number)
    assert page.count("This mail has no text.") == 1 and "<iframe" not in page
    shown = page.split("This mail has no text.")[0].rsplit("<p", 1)[1]
    assert "Bitte Rückruf 4711" in shown
    assert "Bitte Rückruf 4711</strong>" not in page, "once is enough"
    listed = as_bob.get("/tickets?view=open").get_data(as_text=True)
    assert "(no text) Bitte Rückruf 4711" in listed
    db.session.rollback()
    arrive(channel, mail(in_reply_to="<a@x.example>", text="Und hier steht etwas."))
    db.session.expire_all()
    assert not db.session.get_one(Ticket, 1).wordless


def test_what_has_neither_subject_nor_words_says_so(as_bob: PageClient, channel: Channel) -> None:
    ticket = ticket_of(arrive(channel, without_words("")))
    assert (ticket.snippet, ticket.wordless) == ("", True)
    number = ticket.number
    assert "This mail has neither subject nor text." in page_of(as_bob, number)
    assert "(no text)" in as_bob.get("/tickets?view=open").get_data(as_text=True)


def test_the_subject_of_a_ticket_is_not_said_twice_in_the_list(as_bob: PageClient, channel: Channel) -> None:
    ticket = ticket_of(arrive(channel, without_words("Bitte Rückruf")))
    assert (ticket.subject, ticket.snippet, ticket.wordless) == ("Bitte Rückruf", "", True)


def test_a_file_or_a_picture_is_no_empty_mail(channel: Channel) -> None:
    with_file = (
        b"From: carol@customer.example\nSubject: Foto\nContent-Type: multipart/mixed; boundary=b\n\n"
        b'--b\nContent-Type: image/png; name="a.png"\nContent-Disposition: attachment\n\nPNG\n--b--\n'
    )
    picture = b"From: carol@customer.example\nSubject: Foto\nContent-Type: text/html\n\n<img src='https://x.example/a.png'>\n"
    for raw in (with_file, picture):
        row = arrive(channel, raw)
        assert not db.session.scalars(select(Message).where(Message.inbound_id == row.id)).one().is_wordless
        assert not ticket_of(row).wordless


@pytest.mark.parametrize("purpose", ["new_ticket", "customer_reply"])
def test_a_notice_says_the_subject_for_the_words(channel: Channel, bob, purpose: str) -> None:
    row = arrive(channel, without_words("Bitte Rückruf"))
    message = db.session.scalars(select(Message).where(Message.inbound_id == row.id)).one()
    given = {"ticket": message.ticket, "message": message, "agent": bob}
    english = mail_rendering.render(purpose, "en", **given)
    assert "(no text) Bitte Rückruf" in english.text and "(no text) Bitte Rückruf" in english.html
    assert "(kein Text) Bitte Rückruf" in mail_rendering.render(purpose, "de", **given).text


# --- what a spam filter had wrapped


def test_a_wrapped_mail_is_held_shown_and_let_in_as_the_customers(
    as_bob: PageClient, channel: Channel
) -> None:
    """SpamAssassin's `report_safe`: the report stands beside, and the requester is who wrote the mail inside."""
    own = "From: Erika Muster <erika@customer.example>\nTo: support-acme@poststelle.example\nMessage-ID: <w@customer.example>\n"
    raw = (
        f"{own}Subject: *****SPAM***** Drucker\nX-Spam-Flag: YES\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/plain; charset=utf-8\n\nSpam detection software says: 5.1 points.\n"
        "--b\nContent-Type: message/rfc822; x-spam-type=original\n"
        "Content-Description: original message before SpamAssassin\n\n"
        f"{own}Subject: Drucker\nContent-Type: multipart/mixed; boundary=c\n\n"
        "--c\n\nDer Drucker druckt nicht.\n"
        "--c\nContent-Type: text/csv; name=liste.csv\nContent-Disposition: attachment\n\na;b\n--c--\n"
        "--b--\n"
    ).encode()
    row = arrive(channel, raw)
    assert (row.outcome, row.reason, row.subject) == ("held", "spam_header", "Drucker")
    row_id = row.id
    db.session.rollback()
    page = as_bob.get(f"/quarantine/{row_id}").get_data(as_text=True)
    for words in (
        "Erika Muster",
        "Der Drucker druckt nicht.",
        "liste.csv",
        "Report of the spam filter",
        "5.1 points.",
    ):
        assert words in page, words
    as_bob.post(f"/quarantine/{row_id}/release")
    db.session.expire_all()
    ticket = ticket_of(db.session.get_one(InboundMail, row_id))
    assert (ticket.contact.name, ticket.subject) == ("Erika Muster", "Drucker")
    message = db.session.scalars(select(Message)).one()
    assert [file.name for file in message.attachments] == ["liste.csv"]
    assert message.text == "Der Drucker druckt nicht." and "5.1 points." in message.spam_report
    page = page_of(as_bob, ticket.number)
    assert "Report of the spam filter" in page and "5.1 points." in page
