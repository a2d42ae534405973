"""The composer and what became of a reply, in the browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from config import Relay
from desk.office import Office
from desk.sending import replies
from desk.tickets import drafts
from models import (
    Agent,
    Channel,
    Draft,
    Kind,
    MailState,
    Message,
    OutboundMail,
    RecipientState,
    Ticket,
    db,
    now,
)
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def ticket(channel: Channel) -> Ticket:
    return ticket_of(arrive(channel, mail(reply_to='"carol@customer.example" <mallory@evil.example>')))


@pytest.fixture
def sent(ticket: Ticket, bob: Agent) -> OutboundMail:
    return replies.send_reply(ticket, bob, replies.Written(text="We look into it.")).mail


def page_of(client: PageClient, ticket: Ticket, tab: str = "reply") -> str:
    url = f"/tickets/{ticket.number}?tab={tab}"
    db.session.rollback()  # that the ticket was seen is noted beside the request
    page = client.get(url).get_data(as_text=True)
    db.session.rollback()
    return page


def delivery(client: PageClient, sent: OutboundMail) -> str:
    db.session.commit()
    return client.get(f"/messages/{sent.message_fk}/delivery", htmx=True).get_data(as_text=True)


def test_the_composer_shows_the_address_and_not_only_its_name(as_bob: PageClient, ticket: Ticket) -> None:
    assert "carol@customer.example</bdi> &lt;mallory@evil.example&gt;" in page_of(as_bob, ticket)


@pytest.mark.parametrize(("tab", "path"), [("reply", "replies"), ("note", "notes")])
def test_a_form_that_is_sent_twice_is_written_once(
    as_bob: PageClient, ticket: Ticket, tab: str, path: str
) -> None:
    once = page_of(as_bob, ticket, tab).partition('name="once" value="')[2].partition('"')[0]
    assert once
    for _ in range(2):
        as_bob.post(f"/tickets/{ticket.number}/{path}", {"body": "Only once.", "once": once})
    assert page_of(as_bob, ticket, tab).count("Only once.") == 1


def test_a_kept_reply_can_be_sent_once_there_is_a_server(
    as_bob: PageClient, sent: OutboundMail, office: Office
) -> None:
    sent.state = MailState.KEPT
    shown = delivery(as_bob, sent)
    assert "Send now" in shown and "/system/settings" not in shown
    url = f"/messages/{sent.message_fk}/resend"
    assert "No outgoing server is set up." in as_bob.post(url, status=200, htmx=True).get_data(as_text=True)
    assert sent.state == MailState.KEPT
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", 25, "none"))
    assert "The reply is being sent." in as_bob.post(url, status=200, htmx=True).get_data(as_text=True)


def test_administrators_read_who_sets_the_server(as_alice: PageClient, sent: OutboundMail) -> None:
    sent.state = MailState.KEPT
    assert "/system/settings" in delivery(as_alice, sent)


def test_a_retry_says_why_and_when(as_bob: PageClient, sent: OutboundMail) -> None:
    assert "Sending …" in delivery(as_bob, sent)
    sent.attempts, sent.send_after = 2, now() + timedelta(minutes=5)
    sent.reason, sent.words = "server_busy", "451 come back"
    shown = delivery(as_bob, sent)
    assert "next try" in shown and "The server is busy." in shown and "451 come back" in shown
    assert 'hx-trigger="every 15s"' in shown and "Undo" not in shown and "Sending …" not in shown


def test_each_recipient_in_trouble_is_named_whatever_became_of_the_mail(
    as_bob: PageClient, sent: OutboundMail
) -> None:
    (recipient,) = sent.recipients
    recipient.state, recipient.reason = RecipientState.UNDELIVERABLE, "recipients_refused"
    recipient.reply = "550 no such user"
    for sent.state in (MailState.QUEUED, MailState.DONE):
        shown = delivery(as_bob, sent)
        assert f"{recipient.address}: undeliverable" in shown and "550 no such user" in shown
    # The mail failed for its only recipient: what was said of the mail is not said again.
    sent.state, sent.reason, sent.words = MailState.FAILED, recipient.reason, recipient.reply
    shown = delivery(as_bob, sent)
    assert "Not delivered." in shown and shown.count("550 no such user") == 1


def test_two_first_drafts_at_once_keep_the_later_one(
    as_bob: PageClient, ticket: Ticket, bob: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts.save(ticket, bob, Kind.REPLY, "Dear")  # the other request was faster
    look, answers = drafts.of, [None]  # but was not there yet when this one looked

    def before_the_other(*given: object) -> Draft | None:
        return answers.pop() if answers else look(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(drafts, "of", before_the_other)
    as_bob.post(f"/tickets/{ticket.number}/drafts/reply", {"body": "Dear Carol"}, status=200, htmx=True)
    assert db.session.get(Draft, (bob.id, ticket.id, "reply")).body == "Dear Carol"  # type: ignore[union-attr]


# --- where a mail asks to be answered


def test_an_address_that_is_not_known_is_offered_with_a_warning(as_bob: PageClient, channel: Channel) -> None:
    ticket = ticket_of(arrive(channel, mail(message_id="<first@customer.example>")))
    arrive(channel, mail(in_reply_to="<first@customer.example>", reply_to="Carol <mallory@evil.example>"))
    page = page_of(as_bob, ticket)
    assert "asks for answers to mallory@evil.example, who is not known here" in page
    link = f"/tickets/{ticket.number}?cc=mallory@evil.example#composer"
    assert link in page.replace("%40", "@")
    db.session.rollback()
    filled = as_bob.get(link.partition("#")[0]).get_data(as_text=True)
    assert 'name="cc" value="mallory@evil.example"' in filled
    as_bob.post(f"/tickets/{ticket.number}/replies", {"body": "We look into it."})
    sent = db.session.query(OutboundMail).filter_by(purpose="ticket_reply").one()
    assert [one.address for one in sent.recipients] == ["carol@customer.example"]


def test_a_field_that_stands_there_twice_is_said_in_the_ticket_and_in_the_ledger(
    as_alice: PageClient, channel: Channel
) -> None:
    twice = mail().replace(b"Subject:", b"Subject: Something else\nSubject:", 1)
    row = arrive(channel, twice)
    ticket = ticket_of(row)
    page = page_of(as_alice, ticket)
    assert "has a header field more than once that may stand there once only (Subject)" in page
    assert "Sender not verified (more than once: Subject)" in page
    number = row.id
    db.session.rollback()
    shown = as_alice.get(f"/system/ledger/{number}").get_data(as_text=True)
    assert "Sender not verified (more than once: Subject)" in shown


def comes_again(channel: Channel, ticket: Ticket) -> None:
    """Carol answers in her ticket."""
    subject = f"Re: Delivery [#{ticket.number}]"
    before = db.session.query(Message).filter_by(ticket_id=ticket.id).first()
    assert before is not None
    arrive(channel, mail(subject=subject, text="More of it", in_reply_to=before.message_id))
    db.session.rollback()


def polled(client: PageClient, page: str) -> str:
    """What the news of a page answer when it asks; empty when nothing happened."""
    url = re.findall(r'id="ticket-news"[^>]*hx-get="([^"]+)"', page)[0].replace("&amp;", "&")
    db.session.rollback()
    answer = client.client.get(url, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
    db.session.rollback()
    return answer.get_data(as_text=True)


@pytest.mark.parametrize("tab", ["reply", "note", "history"])
def test_news_are_what_came_after_the_page_was_opened(
    as_bob: PageClient, channel: Channel, ticket: Ticket, tab: str
) -> None:
    page = page_of(as_bob, ticket, tab)
    assert polled(as_bob, page) == "", "the mail that opened the ticket is no news, whatever the tab shows"
    comes_again(channel, ticket)
    news = polled(as_bob, page)
    assert news.count("Something new was written") == (1 if tab == "history" else 2)
    assert ('hx-target="#composer-news"' in news) == (tab != "history")


def test_after_a_refused_answer_the_page_is_as_new(
    as_bob: PageClient, channel: Channel, ticket: Ticket
) -> None:
    page = page_of(as_bob, ticket)
    seen = re.findall(r'name="seen" value="(\d+)"', page)[0]
    comes_again(channel, ticket)
    data = {"body": "My answer", "seen": seen}
    refused = as_bob.post(f"/tickets/{ticket.number}/replies", data, status=409, htmx=True).get_data(
        as_text=True
    )
    for part in ("#ticket-news", "#tabs", "#head", "#side", "#rail-views", "#conversation", "#composer"):
        assert f'hx-target="{part}"' in refused
    assert "Something new was written in this ticket – show" not in refused
    assert "More of it" in refused and "My answer" in refused
