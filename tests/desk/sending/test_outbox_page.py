"""»Postausgang«: what waits or failed is seen with its reason, and a person can do something about it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from desk.notices import password_links
from desk.sending import outbox, outbox_page, undo_and_resend
from desk.tickets import drafts
from mail.reading.parse import parse
from models import Agent, Kind, MailState, OutboundMail, OutboundRecipient, TicketEvent, db
from tests.desk.sending.test_outbox import states
from tests.servers.smtp_sink import SmtpSink

Reply = Callable[..., OutboundMail]


@pytest.fixture
def failed(relay: SmtpSink, reply: Reply) -> OutboundMail:
    """A reply whose only recipient is unknown to his server."""
    relay.reject("carol@customer.example")
    mail = reply()
    outbox.deliver_due()
    assert mail.state == MailState.FAILED
    return mail


def events(mail: OutboundMail) -> list[str]:
    return [event.kind for event in db.session.query(TicketEvent).filter_by(ticket_id=mail.ticket_id)]


def test_each_view_has_its_mails_and_its_count(relay: SmtpSink, failed: OutboundMail, reply: Reply) -> None:
    relay.rejected.clear()
    waiting = reply(question="<second@customer.example>")
    assert {view: [mail.id for mail in outbox_page.listing(view).mails] for view in outbox_page.VIEWS} == {
        "open": [waiting.id, failed.id],
        "waiting": [waiting.id],
        "failed": [failed.id],
        "kept": [],
        "sent": [],
    }
    assert outbox_page.counts() == {"open": 2, "waiting": 1, "failed": 1, "kept": 0}
    assert outbox_page.in_trouble() == 1, "what was never tried is no trouble"

    relay.fail_next("mail", "451 4.3.0 later")
    outbox.deliver_due()
    assert outbox_page.in_trouble() == 2, "what was tried in vain is"
    outbox_page.set_aside(failed)
    assert outbox_page.in_trouble() == 1
    assert [mail.id for mail in outbox_page.listing("sent").mails] == [failed.id]


def test_a_long_list_is_read_on_from_where_it_ended(
    relay: SmtpSink,
    reply: Reply,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_page, "PAGE", 2)
    ids = [reply(question=f"<{number}@customer.example>").id for number in range(5)]
    seen: list[int] = []
    before = 0
    while True:
        page = outbox_page.listing("waiting", before)
        seen += [mail.id for mail in page.mails]
        before = page.before
        if not before:
            break
    assert seen == ids[::-1]


def test_a_waiting_mail_is_tried_now(relay: SmtpSink, reply: Reply) -> None:
    relay.fail_next("mail", "451 4.3.0 later")
    mail = reply()
    outbox.deliver_due()
    assert outbox.deliver_due() == {}, "its time has not come"
    outbox_page.retry(mail)
    assert outbox.deliver_due() == {"done": 1}


def test_a_stopped_mail_never_leaves_and_can_be_sent_after_all(
    relay: SmtpSink,
    reply: Reply,
    alice: Agent,
) -> None:
    relay.reject("dave@customer.example", "450 4.2.0 later")
    mail = reply(cc=("dave@customer.example",))
    outbox.deliver_due()
    outbox_page.stop(mail, alice)
    assert states(mail) == {"carol@customer.example": "accepted", "dave@customer.example": "cancelled"}
    assert (mail.state, mail.reason, outbox_page.in_trouble()) == ("failed", "stopped", 0)
    assert outbox.deliver_due(at_once=True) == {}
    assert "mail_stopped" in events(mail)
    with pytest.raises(outbox_page.OutboxRefused):
        outbox_page.stop(mail, alice)

    relay.rejected.clear()
    outbox_page.retry(mail)
    assert outbox.deliver_due() == {"done": 1}
    assert [sunk.recipients for sunk in relay.mails] == [
        ("carol@customer.example",),
        ("dave@customer.example",),
    ]


def test_a_mail_on_its_way_is_left_alone(relay: SmtpSink, reply: Reply, alice: Agent) -> None:
    mail = reply()
    mail.state = MailState.SENDING
    db.session.commit()
    for verb in (
        lambda: outbox_page.stop(mail, alice),
        lambda: outbox_page.retry(mail),
        lambda: outbox_page.set_aside(mail),
        lambda: outbox_page.correct_address(mail, mail.recipients[0].id, "carol@new.example", alice),
    ):
        with pytest.raises(outbox_page.OutboxRefused):
            verb()


def test_another_address_stands_in_the_mail_and_keeps_its_thread(
    relay: SmtpSink,
    failed: OutboundMail,
    alice: Agent,
) -> None:
    before = parse(outbox_page.octets(failed) or b"")
    outbox_page.correct_address(failed, failed.recipients[0].id, " carol@new.example ", alice)
    assert outbox.deliver_due() == {"done": 1}
    (sunk,) = relay.mails
    after = parse(sunk.raw)
    assert sunk.recipients == ("carol@new.example",)
    assert [address.address for address in after.to] == ["carol@new.example"]
    assert (after.message_id, after.in_reply_to, after.references, after.subject, after.text) == (
        before.message_id,
        before.in_reply_to,
        before.references,
        before.subject,
        before.text,
    )
    assert failed.message is not None and failed.message.to[0]["address"] == "carol@new.example"
    assert "mail_readdressed" in events(failed)


@pytest.mark.parametrize(
    "address", ["", "carol", "carol@new.example\r\nBcc: eve@evil.example", "dave@customer.example"]
)
def test_an_address_that_cannot_be_used_changes_nothing(
    relay: SmtpSink,
    reply: Reply,
    alice: Agent,
    address: str,
) -> None:
    mail = reply(cc=("dave@customer.example",))
    with pytest.raises(outbox_page.OutboxRefused) as refused:
        outbox_page.correct_address(mail, mail.recipients[0].id, address, alice)
    assert refused.value.code == "address"
    assert sorted(states(mail)) == ["carol@customer.example", "dave@customer.example"]


def test_who_has_the_mail_keeps_his_address(relay: SmtpSink, reply: Reply, alice: Agent) -> None:
    relay.reject("dave@customer.example")
    mail = reply(cc=("dave@customer.example",))
    outbox.deliver_due()
    carol = db.session.query(OutboundRecipient).filter_by(address="carol@customer.example").one()
    with pytest.raises(outbox_page.OutboxRefused) as refused:
        outbox_page.correct_address(mail, carol.id, "carol@new.example", alice)
    assert refused.value.code == "gone"


def test_a_failed_reply_is_written_anew(failed: OutboundMail, alice: Agent) -> None:
    assert failed.message is not None and failed.ticket is not None
    undo_and_resend.change_and_send(failed.message, alice)
    draft = drafts.of(failed.ticket, alice, Kind.REPLY)
    assert draft is not None and draft.body == failed.message.text
    assert outbox_page.in_trouble() == 0


def test_a_mail_with_a_link_is_for_its_reader_alone(app: Flask) -> None:
    password_links.invite_agent("Eve", "eve@acme.example", "agent")
    mail = db.session.query(OutboundMail).filter_by(purpose="invitation").one()
    assert outbox_page.octets(mail) is None
