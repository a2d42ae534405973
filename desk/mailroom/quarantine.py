"""»Quarantäne«: mails that a rule held, or that we failed on, wait for a person, who lets them in or not."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, func, select

from desk.office import office
from desk.receiving import intake
from mail.judging import rules
from models import Agent, InboundEvent, InboundMail, InboundState, Outcome, RawMail, db, now
from models.base import rows_changed
from models.inbound import moved

WAITING = (InboundState.HELD, InboundState.FAILED)
# Inside lies a mail that came back, perhaps one of ours with somebody's link for a password, or that link.
PRIVATE = ("bounce", "delayed", "private_link")
# A person may think again about these, as long as the raw mail is kept.
DROPPED_BY_CHOICE = ("blocked_sender", "discarded")


def waiting(limit: int = 200) -> list[InboundMail]:
    """Held mails, and those that failed; the newest first."""
    query = select(InboundMail).where(_waits()).order_by(InboundMail.id.desc())
    return list(db.session.scalars(query.limit(limit)))


def waiting_mail(inbound_id: int) -> InboundMail | None:
    """The mail of that number, while it waits here."""
    row = db.session.get(InboundMail, inbound_id)
    return row if row is not None and waits(row) else None


def count() -> int:
    return db.session.scalar(select(func.count()).where(_waits())) or 0


def waits(row: InboundMail) -> bool:
    return row.state in WAITING


def is_private(row: InboundMail) -> bool:
    """For administrators only: reports, also those that we did not recognise, and links for a password."""
    return row.reason in PRIVATE or row.envelope_from == "" or rules.is_server_address(row.sender)


def can_be_let_in(row: InboundMail) -> bool:
    """Whether `release` or `process_again` has anything to do."""
    if not row.sha256 or row.raw != RawMail.KEPT:
        return False
    return waits(row) or (row.state == InboundState.DROPPED and row.reason in DROPPED_BY_CHOICE)


def release(row: InboundMail, agent: Agent | None = None) -> Outcome:
    """A person lets it in: it is filed as if a person had written it."""
    return _again(row, agent, "released", "released")


def process_again(row: InboundMail, agent: Agent | None = None) -> Outcome:
    """What failed is judged anew, as if it had just come."""
    return _again(row, agent, "processed_again", "")


def process_all_again(agent: Agent | None = None) -> int:
    """Everything that failed is handed to the job that files what was received; answers how many."""
    failed = (
        InboundMail.state == InboundState.FAILED,
        InboundMail.sha256 != "",
        InboundMail.raw == RawMail.KEPT,
    )
    ids = list(db.session.scalars(select(InboundMail.id).where(*failed)))
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        _note(some, "processed_again", agent)
        again = moved(Outcome.PENDING, "", InboundMail.id.in_(some), *failed).values(attempts=0)
        db.session.execute(again.execution_options(synchronize_session=False))
        db.session.commit()
    office().ring("process", None)
    return len(ids)


def discard(row: InboundMail, agent: Agent | None = None) -> None:
    """A person throws a held mail away. The row stays; the raw mail is kept for the retention time."""
    row_id = row.id
    if rows_changed(
        moved(Outcome.DROPPED, "discarded", InboundMail.id == row_id, _waits()).values(filed_at=now())
    ):
        _note([row_id], "discarded", agent)
    db.session.commit()


def _again(row: InboundMail, agent: Agent | None, event: str, reason: str) -> Outcome:
    row_id = row.id
    taken = rows_changed(
        moved(  # two clicks at once: one of them decides
            Outcome.PENDING,
            reason,
            InboundMail.id == row_id,
            InboundMail.raw == RawMail.KEPT,  # its time may have run out since the page was shown
            _waits()
            | (InboundMail.state == InboundState.DROPPED) & InboundMail.reason.in_(DROPPED_BY_CHOICE),
        ).values(attempts=0)
    )
    if taken:
        _note([row_id], event, agent)
    db.session.commit()
    return intake.process(row_id) if taken else row.outcome


def _note(ids: Iterable[int], code: str, agent: Agent | None) -> None:
    agent_id = agent.id if agent else None
    db.session.add_all(InboundEvent(inbound_id=one, code=code, agent_id=agent_id) for one in ids)


def _waits() -> ColumnElement[bool]:
    return InboundMail.state.in_(WAITING)
