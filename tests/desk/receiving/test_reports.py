"""What the desk makes of the mails of machines: no requester MAILER-DAEMON, no answer, nothing lost."""

from __future__ import annotations

from sqlalchemy import select

from mail import safe_reading
from models import Channel, Contact, InboundState, Message, OutboundMail, Outcome, db
from tests.support.mails import arrive, ticket_of

ARRIVED = b"""From: Mail Delivery System <MAILER-DAEMON@relay.example>
Subject: Successful Mail Delivery Report
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; carol@customer.example
Action: delivered
Status: 2.0.0
--b--
"""
CHECK = b"""From: Gmail Team <forwarding-noreply@google.com>
Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from alice@gmail.example

Confirmation code: 123456789
https://mail.google.com/mail/vf-abc
"""
GROUP = b"""From: Carol <carol@customer.example>
To: %s
Subject: Outage
List-Id: <%s>
Mailing-List: list %s; contact owner@acme.example
Precedence: list

Help, please.
"""


def test_a_report_of_success_waits_and_makes_no_requester(channel: Channel) -> None:
    row = arrive(channel, ARRIVED)
    assert (row.state, row.reason, row.ticket_id) == (InboundState.HELD, "other_report", None)
    assert db.session.scalars(select(Contact)).all() == []


def test_a_providers_question_is_filed_and_answered_by_nobody(channel: Channel) -> None:
    row = arrive(channel, CHECK)
    assert (row.outcome, row.reason, row.details) == (Outcome.QUIET, "forward_check", "Gmail")
    assert db.session.scalars(select(OutboundMail)).all() == []


def test_a_group_that_is_our_address_brings_persons(channel: Channel) -> None:
    own = channel.address.encode()
    row = arrive(channel, GROUP % (own, own.replace(b"@", b"."), own))
    assert (row.outcome, row.reason) == (Outcome.NEW_TICKET, "person")
    row = arrive(channel, GROUP % (b"friends@list.example", b"friends.list.example", b"friends@list.example"))
    assert row.outcome == Outcome.QUIET


def test_what_breaks_the_limits_of_reading_is_a_ticket_with_the_original(
    channel: Channel, monkeypatch
) -> None:
    monkeypatch.setattr(safe_reading, "PATIENCE", 0.001)
    raw = b"From: Mallory <mallory@evil.example>\nSubject: Bomb\nX-A: " + b"y" * 300_000 + b"\n\nhi"
    row = arrive(channel, raw)
    assert (row.outcome, row.reason) == (Outcome.QUIET, "unreadable")
    assert ticket_of(row).subject == "Bomb"
    (message,) = db.session.scalars(select(Message).where(Message.inbound_id == row.id))
    assert [(file.name, file.sha256) for file in message.attachments] == [("original.eml", row.sha256)]
    assert db.session.scalars(select(OutboundMail)).all() == []
