"""What comes back or only says so: no ticket shows a link for a password, and no report hides who wrote it."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from urllib.parse import quote

import pytest

from desk.notices import password_links
from desk.office import office
from desk.sending import delivery_results
from desk.tickets import merging
from models import (
    Agent,
    Channel,
    Draft,
    InboundState,
    Kind,
    MailState,
    Message,
    OutboundMail,
    Outcome,
    RecipientState,
    Ticket,
    TicketEvent,
    db,
)
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of

REPORT = """From: %s
To: support-acme@poststelle.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

could not deliver
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; carol@customer.example
Action: failed
Status: 5.1.1
--b
Content-Type: text/rfc822-headers

Message-ID: %s

--b--
"""
SERVER = "MAILER-DAEMON@relay.example"


def _confirmation(ticket: Ticket) -> OutboundMail:
    found = db.session.query(OutboundMail).filter_by(ticket_id=ticket.id, purpose="confirmation").one()
    assert isinstance(found, OutboundMail)
    return found


@pytest.mark.parametrize("sender", ["alice@acme.example", "x@customer.example", SERVER])
def test_a_quoted_link_waits_for_an_administrator(channel: Channel, as_bob: PageClient, sender: str) -> None:
    link = f"{office().settings.public_url}/password/abcdef"
    row = arrive(channel, mail(sender, "Away", f"I am away.\n\n> {link}", auto_submitted="auto-replied"))
    assert (row.state, row.reason, row.ticket_id) == (InboundState.HELD, "private_link", None)
    as_bob.get(f"/quarantine/{row.id}", status=403)


@pytest.mark.parametrize("sender", ["x@customer.example", SERVER])
def test_a_link_that_a_gateway_rewrote_waits_as_well(
    channel: Channel, as_bob: PageClient, sender: str
) -> None:
    link = quote(f"{office().settings.public_url}/password/abcdef", safe="")
    text = f"Returned.\n\n> https://eur01.safelinks.protection.outlook.com/?url={link}&data=05"
    row = arrive(channel, mail(sender, "Away", text, auto_submitted="auto-replied"))
    assert (row.state, row.reason, row.ticket_id) == (InboundState.HELD, "private_link", None)
    as_bob.get(f"/quarantine/{row.id}", status=403)


def test_our_mail_with_a_link_inside_another_waits_though_nothing_can_be_read_of_the_link(
    channel: Channel, alice: Agent
) -> None:
    db.session.rollback()
    password_links.request_password_link("alice@acme.example").join()
    sent = db.session.query(OutboundMail).filter_by(purpose="password_link").one()
    inside = message_from_bytes(
        mail("desk@acme.example", text="https://protect.example/s/xyz", message_id=sent.message_id)
    )
    outer = message_from_bytes(mail(subject="Fwd: New password"), policy=default)
    assert isinstance(outer, EmailMessage)
    outer.add_attachment(inside)
    row = arrive(channel, outer.as_bytes())
    assert (row.state, row.reason) == (InboundState.HELD, "private_link")


def test_an_administrator_may_look_at_it(channel: Channel, as_alice: PageClient) -> None:
    row = arrive(channel, mail(text=f"> {office().settings.public_url}/password/abcdef"))
    as_alice.get(f"/quarantine/{row.id}")


def test_what_a_mail_server_says_is_for_administrators(channel: Channel, as_bob: PageClient) -> None:
    row = arrive(channel, mail(SERVER, "Failure notice", "no such user", auto_submitted="auto-replied"))
    assert row.state == InboundState.HELD
    as_bob.get(f"/quarantine/{row.id}", status=403)


@pytest.mark.parametrize("sender", ["Alice Admin <alice@acme.example>", "Mallory <m@evil.example>"])
def test_a_report_by_a_person_marks_nothing_and_carries_the_banner(
    channel: Channel, alice: Agent, sender: str
) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    sent = _confirmation(ticket)
    row = arrive(channel, (REPORT % (sender, sent.message_id)).encode())
    assert (row.ticket_id, row.outcome) == (ticket.id, Outcome.QUIET)
    message = db.session.query(Message).filter_by(inbound_id=row.id).one()
    assert message.newcomer
    assert message.posing == ("Alice" in sender)
    assert sent.recipients[0].state != RecipientState.UNDELIVERABLE


def test_a_report_follows_a_merged_ticket(channel: Channel, alice: Agent) -> None:
    first, second = (ticket_of(arrive(channel, mail(subject=one))) for one in ("Lamp", "Lamp again"))
    sent = _confirmation(second)
    sent.state, sent.recipients[0].state = MailState.DONE, RecipientState.ACCEPTED
    merging.merge(second, first, alice)
    row = arrive(channel, (REPORT % (SERVER, sent.message_id)).encode())
    assert (row.ticket_id, row.outcome) == (first.id, Outcome.BOUNCE)
    assert sent.recipients[0].state == RecipientState.UNDELIVERABLE


def test_an_answer_to_a_mail_with_a_link_waits_though_it_quotes_nothing(
    channel: Channel, alice: Agent
) -> None:
    db.session.rollback()
    password_links.request_password_link("alice@acme.example").join()
    sent = db.session.query(OutboundMail).filter_by(purpose="password_link").one()
    row = arrive(channel, mail("alice@acme.example", "Away", "I am away.", in_reply_to=sent.message_id))
    assert (row.state, row.reason) == (InboundState.HELD, "private_link")


def test_a_merge_loses_no_draft(channel: Channel, alice: Agent) -> None:
    first, second = (ticket_of(arrive(channel, mail(subject=one))) for one in ("Lamp", "Lamp again"))
    for ticket, text in ((first, "<p>one</p>"), (second, "<p>two</p>")):
        db.session.add(
            Draft(agent_id=alice.id, ticket_id=ticket.id, kind=Kind.REPLY, body=text, cc="", bcc="", files=[])
        )
    db.session.commit()
    merging.merge(second, first, alice)
    (draft,) = db.session.query(Draft).all()
    assert (draft.ticket_id, draft.body) == (first.id, "<p>one</p><p>two</p>")


def test_what_became_of_a_notice_is_told_where_its_ticket_went(channel: Channel, alice: Agent) -> None:
    first, second = (ticket_of(arrive(channel, mail(subject=one))) for one in ("Lamp", "Lamp again"))
    sent = _confirmation(second)
    sent.state, sent.recipients[0].state = MailState.DONE, RecipientState.ACCEPTED
    merging.merge(second, first, alice)
    delivery_results.note(sent, "sent", to="carol@customer.example")
    db.session.commit()
    assert db.session.query(TicketEvent).filter_by(kind="mail_sent").one().ticket_id == first.id
