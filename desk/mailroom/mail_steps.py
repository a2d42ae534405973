"""What happened to a mail, step by step: what the row tells, and what persons did with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from models import Agent, InboundEvent, InboundMail, ServerCopy, db


@dataclass(frozen=True, slots=True)
class MailStep:
    """`code`: arrived, received, decided, deleted, moved, kept; or `event`, which says itself what it was."""

    at: datetime
    code: str
    event: InboundEvent | None = None


def of(row: InboundMail) -> Sequence[MailStep]:
    """In the order of time."""
    steps = [MailStep(row.received_at, "received")]
    if row.arrived_at:
        steps.insert(0, MailStep(row.came_at, "arrived"))
    if row.filed_at:
        steps.append(MailStep(row.filed_at, "decided"))
    if row.removed_at and row.server_copy in (ServerCopy.DELETED, ServerCopy.MOVED, ServerCopy.KEPT):
        steps.append(MailStep(row.removed_at, str(row.server_copy)))
    events = db.session.scalars(
        select(InboundEvent)
        .where(InboundEvent.inbound_id == row.id)
        .options(joinedload(InboundEvent.agent))
        .order_by(InboundEvent.id)
    )
    steps += [MailStep(event.at, "event", event) for event in events]
    return sorted(steps, key=lambda step: step.at)


def note(inbound_id: int, code: str, agent: Agent, words: str = "") -> None:
    """Enter what a person did. Commits."""
    db.session.add(InboundEvent(inbound_id=inbound_id, code=code, agent_id=agent.id, words=words))
    db.session.commit()
