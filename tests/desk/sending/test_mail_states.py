"""The states of a mail that leaves: every move of the tables is made by the desk, and no other can be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import update

from desk.receiving import delivery_reports
from desk.sending import claims, delivery_results, outbox, outbox_page, retry_delays
from mail.types import BounceRecipient
from models import Agent, MailState, OutboundMail, OutboundRecipient, RecipientState, TicketEvent, db, now
from models.base import ImpossibleMove
from models.outbound import MAIL_MOVES, RECIPIENT_MOVES, move_where
from wire import Handover

Reply = Callable[..., OutboundMail]
Step = Callable[[OutboundMail, Agent], object]
CAROL = "carol@customer.example"

QUEUED, SENDING, DONE, FAILED, CANCELLED, KEPT = MailState
WAITS, ACCEPTED, DELAYED, UNDELIVERABLE, STOPPED = RecipientState


# --- what the desk does with a mail


def claim(mail: OutboundMail, _: Agent) -> None:
    assert (claims.claim(claims.due(at_once=True)) or (None,))[0] == mail.id


def give_up(mail: OutboundMail, _: Agent) -> None:
    """Its process takes so long that another one takes it for dead."""
    mail.claimed_at = now() - claims.STUCK_AFTER - timedelta(seconds=1)
    db.session.commit()
    claims.free_abandoned()


def keep(mail: OutboundMail, _: Agent) -> None:
    assert claims.keep(claims.due(at_once=True)) == 1


def answer(outcome: str, reply: str) -> Step:
    return lambda mail, _: delivery_results.settle(mail.id, {CAROL: Handover(outcome, reply)})


accept, silence = answer("accepted", "250 ok"), answer("accepted", "")
refuse, put_off = answer("permanent", "550 5.1.1 unknown"), answer("temporary", "450 4.2.0 later")


def delay(mail: OutboundMail, by: Agent) -> None:
    mail.created_at = now() - retry_delays.TELL_AFTER - timedelta(seconds=1)
    db.session.commit()
    put_off(mail, by)


def come_back(mail: OutboundMail, _: Agent) -> None:
    delivery_reports.came_back(mail, BounceRecipient(CAROL, words="550 5.1.1 unknown"))
    db.session.commit()


def cancel(mail: OutboundMail, _: Agent) -> None:
    assert outbox.cancel(mail.id)


def stop(mail: OutboundMail, by: Agent) -> None:
    outbox_page.stop(mail, by)


def send_again(mail: OutboundMail, _: Agent) -> None:
    outbox.send_again(mail)


def correct(mail: OutboundMail, by: Agent) -> None:
    outbox_page.correct_address(mail, mail.recipients[0].id, "carol@new.example", by)


# The last step of each way is the move; a mail begins as queued.
MAILS: dict[tuple[MailState, MailState], tuple[Step, ...]] = {
    (QUEUED, SENDING): (claim,),
    (QUEUED, DONE): (claim, give_up, accept),
    (QUEUED, FAILED): (stop,),
    (QUEUED, CANCELLED): (cancel,),
    (QUEUED, KEPT): (keep,),
    (SENDING, DONE): (claim, accept),
    (SENDING, FAILED): (claim, refuse),
    (SENDING, QUEUED): (claim, put_off),
    (DONE, FAILED): (claim, accept, come_back),
    (DONE, QUEUED): (claim, silence, send_again),
    (FAILED, QUEUED): (stop, send_again),
    (KEPT, QUEUED): (keep, send_again),
    (KEPT, DONE): (claim, give_up, keep, accept),
    (KEPT, FAILED): (keep, stop),
}
RECIPIENTS: dict[tuple[RecipientState, RecipientState], tuple[Step, ...]] = {
    (WAITS, ACCEPTED): (claim, accept),
    (WAITS, DELAYED): (claim, delay),
    (WAITS, UNDELIVERABLE): (claim, refuse),
    (WAITS, STOPPED): (cancel,),
    (DELAYED, ACCEPTED): (claim, delay, claim, accept),
    (DELAYED, WAITS): (claim, delay, correct),
    (DELAYED, UNDELIVERABLE): (claim, delay, claim, refuse),
    (DELAYED, STOPPED): (claim, delay, stop),
    (ACCEPTED, UNDELIVERABLE): (claim, accept, come_back),
    (ACCEPTED, WAITS): (claim, silence, send_again),
    (UNDELIVERABLE, WAITS): (claim, refuse, send_again),
    (STOPPED, WAITS): (stop, send_again),
}


def pairs(moves: dict) -> set:
    return {(before, after) for before, following in moves.items() for after in following}


def test_the_ways_below_are_all_that_the_tables_allow() -> None:
    assert MAILS.keys() == pairs(MAIL_MOVES) and MAIL_MOVES.keys() == set(MailState)
    assert RECIPIENTS.keys() == pairs(RECIPIENT_MOVES) and RECIPIENT_MOVES.keys() == set(RecipientState)


@pytest.mark.parametrize("move", MAILS, ids=" to ".join)
def test_the_desk_moves_a_mail(reply: Reply, alice: Agent, move: tuple[MailState, MailState]) -> None:
    mail = reply()
    *before, last = MAILS[move]
    for step in before:
        step(mail, alice)
    was = mail.state
    last(mail, alice)
    db.session.expire_all()
    assert (was, mail.state) == move


@pytest.mark.parametrize("move", RECIPIENTS, ids=" to ".join)
def test_the_desk_moves_a_recipient(
    reply: Reply, alice: Agent, move: tuple[RecipientState, RecipientState]
) -> None:
    mail = reply()
    *before, last = RECIPIENTS[move]
    for step in before:
        step(mail, alice)
    was = mail.recipients[0].state
    last(mail, alice)
    db.session.expire_all()
    assert (was, mail.recipients[0].state) == move


@pytest.mark.parametrize(
    ("table", "states", "moves"),
    [(OutboundMail, MailState, MAIL_MOVES), (OutboundRecipient, RecipientState, RECIPIENT_MOVES)],
)
def test_nothing_else_moves(reply: Reply, table: type, states: type, moves: dict) -> None:
    """Not the row that is held, and not the rows that an UPDATE finds."""
    reply()
    for before, after in product(states, states):
        db.session.execute(update(table).values(state=before))
        db.session.commit()
        assert move_where(after) == ((before, after) in pairs(moves))
        db.session.rollback()
        row = db.session.query(table).one()
        if before == after or after in moves[before]:
            row.move(after)
            assert row.state == after
        else:
            with pytest.raises(ImpossibleMove, match=f"{before} to {after}"):
                row.move(after)
            assert row.state == before
        db.session.rollback()


@pytest.mark.parametrize(
    ("meanwhile", "state"),
    [((claim, accept), DONE), ((claim, refuse), FAILED), ((stop,), FAILED)],
    ids=["sent", "refused", "stopped"],
)
def test_an_answer_that_comes_after_the_end_changes_nothing(
    reply: Reply, alice: Agent, meanwhile: tuple[Step, ...], state: MailState
) -> None:
    """A hand-over was given up for dead, and the mail ended otherwise before its server said a word."""
    mail = reply()
    for step in (claim, give_up, *meanwhile):
        step(mail, alice)
    told = db.session.query(TicketEvent).count()
    recipient, ended = mail.recipients[0].state, mail.done_at
    assert delivery_results.settle(mail.id, {CAROL: Handover("accepted", "250 ok")}) == state
    db.session.expire_all()
    assert (mail.state, mail.recipients[0].state, mail.done_at) == (state, recipient, ended)
    assert db.session.query(TicketEvent).count() == told
