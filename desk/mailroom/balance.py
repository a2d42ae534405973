"""Does the ledger add up? For every channel the exclusive verdicts are as many as the mails that were seen.

`seen` is counted by the database when a row comes in (models/inbound.py, LedgerCount), the verdicts are
counted from the rows as they are now. Beyond the sum, `check` looks for what a sum cannot show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import aliased

from desk.mailroom.ledger import channels_seen
from desk.office import office
from models import (
    Channel,
    InboundMail,
    InboundState,
    Kind,
    LedgerCount,
    Message,
    Outcome,
    RawMail,
    ServerCopy,
    Ticket,
    db,
    now,
)
from models.base import reading
from models.inbound import STATE_OF

_FILES_AT_ONCE = 5000  # how many raw mails one check looks for on the disk, the newest


@dataclass(frozen=True, slots=True)
class Balance:
    """`counts` has every verdict. `findings`: code to number of mails, from the last thorough check."""

    channel: Channel
    seen: int
    counts: dict[Outcome, int]
    findings: dict[str, int] = field(default_factory=dict)
    checked_at: datetime | None = None

    @property
    def missing(self) -> int:
        """Mails that were seen and have no row any more; below zero: rows that nobody saw come."""
        return self.seen - sum(self.counts.values())

    @property
    def adds_up(self) -> bool:
        return self.missing == 0 and not self.findings


def balances() -> list[Balance]:
    """One per channel that was ever shown a mail, or that lives. Two questions, answered from an index."""
    counted: defaultdict[int, dict[Outcome, int]] = defaultdict(lambda: dict.fromkeys(Outcome, 0))
    seen: dict[int, int] = {}
    # One statement: a mail that comes in between two of them would look like a fault.
    verdicts = select(InboundMail.channel_id, cast(InboundMail.outcome, String), func.count()).group_by(
        InboundMail.channel_id, InboundMail.outcome
    )
    totals = select(LedgerCount.channel_id, literal(""), LedgerCount.seen)
    for channel_id, outcome, number in db.session.execute(union_all(verdicts, totals)):
        if outcome:
            counted[channel_id][Outcome(outcome)] = number
        else:
            seen[channel_id] = number
    checks = {row.channel_id: row for row in db.session.scalars(select(LedgerCount))}
    found = []
    for channel in channels_seen():
        row = checks.get(channel.id)
        if channel.id not in seen and channel.id not in counted and not channel.living:
            continue
        found.append(
            Balance(
                channel,
                seen.get(channel.id, 0),
                counted[channel.id],
                dict(row.findings) if row else {},
                row.checked_at if row else None,
            )
        )
    return found


def check() -> list[Balance]:
    """The thorough check: reads the whole ledger, so it runs by the clock and when a person asks. Commits."""
    findings: defaultdict[int, dict[str, int]] = defaultdict(dict)
    with reading():
        for code, question in _QUESTIONS.items():
            for channel_id, number in db.session.execute(question()):
                findings[channel_id][code] = number
        for channel_id, number in _without_file():
            findings[channel_id]["raw_missing"] = number
    for channel_id in list(db.session.scalars(select(LedgerCount.channel_id))):
        db.session.execute(
            update(LedgerCount)
            .where(LedgerCount.channel_id == channel_id)
            .values(findings=findings.get(channel_id, {}), checked_at=now())
        )
    db.session.commit()
    return balances()


def _state_contradicts() -> Select[int, int]:
    """State and verdict of a row do not belong together."""
    fits = or_(
        *(
            and_(InboundMail.outcome == outcome, InboundMail.state == state)
            for outcome, state in STATE_OF.items()
        )
    )
    return _per_channel(select(InboundMail.channel_id, func.count()).where(not_(fits)))


def _filed_without_message() -> Select[int, int]:
    """A mail counts as filed, and no ticket has it. (A report on a notice is filed without a ticket.)"""
    return _per_channel(
        select(InboundMail.channel_id, func.count()).where(
            InboundMail.state == InboundState.FILED,
            or_(InboundMail.outcome != Outcome.BOUNCE, InboundMail.ticket_id.is_not(None)),
            ~exists().where(Message.inbound_id == InboundMail.id),
        )
    )


def _message_without_filed() -> Select[int, int]:
    """A ticket has the mail, and the ledger says something else of it."""
    return _per_channel(
        select(InboundMail.channel_id, func.count()).where(
            InboundMail.state != InboundState.FILED,
            InboundMail.id.in_(select(Message.inbound_id).where(Message.inbound_id.is_not(None))),
        )
    )


def _message_without_row() -> Select[int, int]:
    """A customer's message of which the ledger knows nothing."""
    return (
        select(Ticket.channel_id, func.count())
        .join(Message, Message.ticket_id == Ticket.id)
        .where(Message.kind == Kind.INBOUND, Message.inbound_id.is_(None))
        .group_by(Ticket.channel_id)
    )


def _copy_of_nothing() -> Select[int, int]:
    """A duplicate whose first one is not here with the same bytes: it may have been the only one."""
    first = aliased(InboundMail)
    return _per_channel(
        select(InboundMail.channel_id, func.count())
        .outerjoin(first, and_(first.id == InboundMail.duplicate_of_id, first.sha256 == InboundMail.sha256))
        .where(InboundMail.state == InboundState.DUPLICATE, first.id.is_(None))
    )


def _removed_undecided() -> Select[int, int]:
    """Gone from its server before it had a verdict, against the order of receiving."""
    return _per_channel(
        select(InboundMail.channel_id, func.count()).where(
            InboundMail.state.in_((InboundState.PENDING, InboundState.FAILED)),
            InboundMail.filed_at.is_(None),
            InboundMail.server_copy.in_((ServerCopy.DELETED, ServerCopy.MOVED)),
        )
    )


_QUESTIONS = {
    "state": _state_contradicts,
    "filed_without_message": _filed_without_message,
    "message_without_filed": _message_without_filed,
    "message_without_row": _message_without_row,
    "copy_of_nothing": _copy_of_nothing,
    "removed_undecided": _removed_undecided,
}


def _per_channel(question: Select[int, int]) -> Select[int, int]:
    return question.group_by(InboundMail.channel_id)


def _without_file() -> Iterable[tuple[int, int]]:
    """Raw mails that should be here and are not on the disk (a restore forgot them)."""
    rows = db.session.execute(
        select(InboundMail.id, InboundMail.sha256)
        .where(InboundMail.raw == RawMail.KEPT, InboundMail.sha256 != "")
        .where(InboundMail.state != InboundState.LEFT_ALONE)
        .order_by(InboundMail.id.desc())
        .limit(_FILES_AT_ONCE)
    ).all()
    absent = [row.id for row in rows if not office().blobs.has(row.sha256)]
    db.session.rollback()
    # Looked at again: the retention may have taken them away meanwhile.
    missing: defaultdict[int, int] = defaultdict(int)
    for start in range(0, len(absent), 500):
        for channel_id in db.session.scalars(
            select(InboundMail.channel_id).where(
                InboundMail.id.in_(absent[start : start + 500]), InboundMail.raw == RawMail.KEPT
            )
        ):
            missing[channel_id] += 1
    return missing.items()
