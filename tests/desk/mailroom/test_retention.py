"""Raw mails go when their time is over, and nothing else goes with them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from config import Settings
from desk.mailroom import balance, quarantine, raw_mail, retention
from desk.office import Office, the_account
from models import (
    Agent,
    Attachment,
    Channel,
    InboundMail,
    InboundState,
    Message,
    OutboundMail,
    Outcome,
    RawMail,
    ServerCopy,
    db,
    now,
)
from tests.jobs.test_kill import dies
from tests.support.mails import arrive, mail

DAYS = 30


def age(office: Office, row: InboundMail, days: float = DAYS + 1) -> InboundMail:
    """As if it had been decided, and its file written, so many days ago."""
    row.filed_at = now() - timedelta(days=days)
    path = office.blobs._path(row.sha256)
    os.utime(path, (path.stat().st_atime, (now() - timedelta(days=days)).timestamp()))
    db.session.commit()
    return row


def here(office: Office, row: InboundMail) -> tuple[str, bool]:
    db.session.refresh(row)
    return str(row.raw), office.blobs.has(row.sha256)


def test_only_what_is_old_enough_goes(channel: Channel, office: Office) -> None:
    old, young = age(office, arrive(channel, mail())), age(office, arrive(channel, mail()), DAYS - 1)
    assert retention.purge() == 1
    assert (here(office, old), here(office, young)) == (("gone", False), ("kept", True))
    assert raw_mail.view(old) is None
    assert retention.purge() == 0
    assert all(one.adds_up for one in balance.check()), "a raw mail that went in time is no loss"


def test_the_time_begins_when_the_server_copy_is_gone(channel: Channel, office: Office) -> None:
    row = age(office, arrive(channel, mail()))
    row.server_copy = ServerCopy.PRESENT  # the server refuses to delete it
    db.session.commit()
    assert retention.purge() == 0
    row.server_copy, row.removed_at = ServerCopy.DELETED, now() - timedelta(days=DAYS - 1)
    db.session.commit()
    assert retention.purge() == 0
    row.removed_at = now() - timedelta(days=DAYS + 1)
    db.session.commit()
    assert retention.purge() == 1


@pytest.mark.parametrize("state", [InboundState.HELD, InboundState.FAILED, InboundState.PENDING])
def test_what_waits_is_kept_however_old_it_is(channel: Channel, office: Office, state: InboundState) -> None:
    row = age(office, arrive(channel, mail(x_spam_flag="YES")), 4000)
    row.state = state
    db.session.commit()
    assert (retention.purge(), here(office, row)) == (0, ("kept", True))


def test_nought_days_keep_everything(channel: Channel, office: Office) -> None:
    age(office, arrive(channel, mail()), 4000)
    retention.set_days(0)
    assert retention.purge() == 0
    for wrong in (-1, retention.LONGEST + 1):
        with pytest.raises(retention.InvalidDays):
            retention.set_days(wrong)
    assert the_account().keep_raw_days == 0


def test_bytes_that_something_else_uses_stay(channel: Channel, office: Office) -> None:
    """A file of a message, a mail that we sent, a younger row of the same bytes."""
    rows = [age(office, arrive(channel, mail(subject=f"no {n}"))) for n in range(4)]
    first = db.session.scalars(select(Message).where(Message.inbound_id == rows[0].id)).one()
    db.session.add(Attachment(message_id=first.id, sha256=rows[0].sha256, name="a", type="b", size=1))
    db.session.add(
        OutboundMail(
            message_id="<x@y>", purpose="reply", sha256=rows[1].sha256, envelope_from="", send_after=now()
        )
    )
    db.session.add(
        InboundMail(
            channel_id=channel.id, via="smtp", source_id="young", sha256=rows[2].sha256,
            state=InboundState.FILED, outcome=rows[2].outcome, filed_at=now(),
        )
    )  # fmt: skip
    db.session.commit()
    assert retention.purge() == 4
    assert [here(office, row) for row in rows] == [("gone", True)] * 3 + [("gone", False)]
    assert [raw_mail.content(row) for row in rows] == [None] * 4, (
        "the row says so, whoever else has the bytes"
    )


def test_bytes_that_come_in_again_while_they_go_are_not_taken_away(channel: Channel, office: Office) -> None:
    """`put` promises them before the row that needs them is committed."""
    raw = mail()
    row = age(office, arrive(channel, raw))
    office.blobs.put(raw)
    assert retention.purge() == 1
    assert here(office, row) == ("gone", True)


@pytest.mark.parametrize("who_is_first", ["the person", "the retention"])
def test_a_mail_that_is_let_in_while_its_time_runs_out_loses_nothing(
    who_is_first: str,
    channel: Channel,
    office: Office,
    alice: Agent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both have looked before either of them writes: who writes first decides."""
    row = age(office, arrive(channel, mail(x_spam_flag="YES")))
    row.state, row.outcome, row.reason = InboundState.DROPPED, Outcome.DROPPED, "discarded"
    db.session.commit()
    step = "_over" if who_is_first == "the person" else "_mark"
    real, released = getattr(retention, step), list[Outcome]()

    def and_release(*given: Any) -> Any:
        answer = real(*given)
        if not released:
            released.append(quarantine.release(row, alice))
        return answer

    monkeypatch.setattr(retention, step, and_release)
    if who_is_first == "the person":
        assert (retention.purge(), here(office, row)) == (0, ("kept", True))
        assert row.outcome == released[0] == Outcome.NEW_TICKET
    else:
        assert (retention.purge(), here(office, row)) == (1, ("gone", False))
        assert row.outcome == released[0] == Outcome.DROPPED


def test_what_failed_and_has_no_raw_mail_any_more_is_not_processed_again(
    channel: Channel, office: Office, alice: Agent
) -> None:
    row = arrive(channel, mail())
    row.state, row.outcome, row.raw = InboundState.FAILED, Outcome.FAILED, RawMail.GONE
    db.session.commit()
    assert quarantine.process_all_again(alice) == 0
    db.session.refresh(row)
    assert row.state == InboundState.FAILED


def test_one_run_is_bounded_and_the_next_goes_on(
    channel: Channel, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    monkeypatch.setattr(retention, "IN_ONE_RUN", 4)
    rows = [age(office, arrive(channel, mail(subject=f"no {n}"))) for n in range(5)]
    assert [retention.purge(), retention.purge(), retention.purge()] == [4, 1, 0]
    assert {here(office, row) for row in rows} == {("gone", False)}


@pytest.mark.parametrize("point", ["raw_going", "raw_removed"])
def test_dying_in_between_leaves_nothing_behind(
    point: str, channel: Channel, office: Office, settings: Settings
) -> None:
    row = age(office, arrive(channel, mail()))
    row_id, digest = row.id, row.sha256
    dies(settings, point, retention.purge)
    row = db.session.scalars(select(InboundMail).where(InboundMail.id == row_id)).one()
    assert (row.raw, office.blobs.has(digest)) == (RawMail.GOING, point == "raw_going")
    assert raw_mail.view(row) is None, "no row claims bytes that may be gone"
    retention.purge()
    assert here(office, row) == ("gone", False)
