"""The balance must be able to fail: each way in which a ledger can be wrong turns it red, and only that one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, insert, update

from desk.mailroom import balance
from desk.office import Office
from models import (
    Channel,
    InboundMail,
    InboundState,
    Message,
    OutboundMail,
    OutboundRecipient,
    Outcome,
    ServerCopy,
    db,
)
from tests.support.mails import arrive, mail


@pytest.fixture
def row(channel: Channel) -> InboundMail:
    """One mail that became a ticket, beside one held, one dropped and one identical copy."""
    raw = mail()
    found = arrive(channel, raw)
    arrive(channel, raw)
    arrive(channel, mail(x_spam_flag="YES"))
    arrive(channel, mail(sender="a@b.example", auto_submitted="auto-replied"))
    return found


def state() -> tuple[int, dict[str, int]]:
    (found,) = [one for one in balance.check() if one.seen or sum(one.counts.values())]
    return found.missing, found.findings


def test_what_came_in_through_the_receiver_adds_up(row: InboundMail) -> None:
    (found,) = balance.check()
    assert (found.seen, found.adds_up, found.findings, found.checked_at is not None) == (4, True, {}, True)
    assert {str(key): number for key, number in found.counts.items() if number} == {
        "new_ticket": 1, "duplicate": 1, "held": 1, "quiet": 1,
    }  # fmt: skip


def lose_a_row(row: InboundMail) -> None:
    db.session.execute(delete(InboundMail).where(InboundMail.outcome == Outcome.HELD))


def contradict(row: InboundMail) -> None:
    db.session.execute(update(InboundMail).where(InboundMail.id == row.id).values(outcome=Outcome.HELD))


def lose_the_message(row: InboundMail) -> None:
    db.session.execute(delete(OutboundRecipient))
    db.session.execute(delete(OutboundMail))  # notices of it
    db.session.execute(delete(Message).where(Message.inbound_id == row.id))


def forget_that_it_was_filed(row: InboundMail) -> None:
    values = {"state": InboundState.FAILED, "outcome": Outcome.FAILED}
    db.session.execute(update(InboundMail).where(InboundMail.id == row.id).values(**values))


def invent_a_message(row: InboundMail) -> None:
    db.session.execute(insert(Message).values(ticket_id=row.ticket_id, kind="inbound", from_address="x"))


def orphan_the_copy(row: InboundMail) -> None:
    copies = update(InboundMail).where(InboundMail.state == InboundState.DUPLICATE)
    db.session.execute(copies.values(sha256="0" * 64))


def delete_before_deciding(row: InboundMail) -> None:
    values = {"channel_id": row.channel_id, "via": "imap", "source_id": "early"}
    db.session.execute(insert(InboundMail).values(**values, server_copy=ServerCopy.DELETED))


@pytest.mark.parametrize(
    ("harm", "missing", "findings"),
    [
        (lose_a_row, 1, {}),
        (contradict, 0, {"state": 1}),
        (lose_the_message, 0, {"filed_without_message": 1}),
        (forget_that_it_was_filed, 0, {"message_without_filed": 1}),
        (invent_a_message, 0, {"message_without_row": 1}),
        (orphan_the_copy, 0, {"copy_of_nothing": 1, "raw_missing": 1}),
        (delete_before_deciding, 0, {"removed_undecided": 1}),
    ],
)
def test_each_harm_is_found_and_named(
    row: InboundMail, harm: Callable[[InboundMail], None], missing: int, findings: dict[str, int]
) -> None:
    assert state() == (0, {})
    harm(row)
    db.session.commit()
    assert state() == (missing, findings)


def test_raw_mail_that_a_backup_forgot_is_found(row: InboundMail, office: Office) -> None:
    office.blobs.forget(row.sha256)
    assert state() == (0, {"raw_missing": 2}), "its identical copy lies on the same file"


def test_mail_that_was_not_fetched_needs_no_file(channel: Channel) -> None:
    values = {"channel_id": channel.id, "via": "imap", "source_id": "1/1:1", "reason": "was_read"}
    left = {"state": InboundState.LEFT_ALONE, "outcome": Outcome.LEFT_ALONE}
    db.session.execute(insert(InboundMail).values(**values, **left))
    db.session.commit()
    assert state() == (0, {})
