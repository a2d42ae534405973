"""What an agent is writing: one draft per agent, ticket and kind, saved while typing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from desk.channels import channels
from desk.office import office
from mail.reading.plaintext import text_of
from mail.showing.clean import clean_reply_html
from mail.types import Part
from models import Agent, Channel, Draft, Kind, Ticket, db, now

ADDRESS = re.compile(r"[^\s<>,;\"]+@[^\s<>,;\"]+")  # also in what is not finished yet


def save(ticket: Ticket, agent: Agent, kind: Kind, body: str, cc: str = "", bcc: str = "") -> datetime:
    """Keep what is being written; an empty one without files is forgotten. Commits."""
    try:
        return _save(ticket, agent, kind, body, cc, bcc)
    except IntegrityError:  # another request of this agent began the same draft at this moment
        db.session.rollback()
        return _save(ticket, agent, kind, body, cc, bcc)


def _save(ticket: Ticket, agent: Agent, kind: Kind, body: str, cc: str, bcc: str) -> datetime:
    draft = of(ticket, agent, kind)
    html = clean_reply_html(body[:500_000])
    if draft is None:
        draft = Draft(agent_id=agent.id, ticket_id=ticket.id, kind=kind, files=[])
        db.session.add(draft)
    draft.body, draft.cc, draft.bcc, draft.updated_at = html, cc[:2000], bcc[:2000], now()
    if not (text_of(html).strip() or cc.strip() or bcc.strip() or draft.files):
        if draft in db.session.new:
            db.session.expunge(draft)
        else:
            db.session.delete(draft)
    db.session.commit()
    return now()


def keep_files(ticket: Ticket, agent: Agent, kind: Kind, files: Sequence[Part]) -> None:
    """A refused form must not lose what was attached: the files wait in the draft. Commits."""
    if not files:
        return
    draft = of(ticket, agent, kind)
    if draft is None:
        draft = Draft(agent_id=agent.id, ticket_id=ticket.id, kind=kind, files=[])
        db.session.add(draft)
    draft.files = [
        *(draft.files or []),
        *(
            {
                "sha256": office().blobs.put(part.data),
                "name": part.name,
                "type": part.type,
                "size": str(len(part.data)),
            }
            for part in files
        ),
    ]
    db.session.commit()


def files_of(
    ticket: Ticket, agent: Agent, digests: Sequence[str], kind: Kind = Kind.REPLY
) -> tuple[Part, ...]:
    """Files by digest, but only those that lie in this agent's own draft."""
    draft = of(ticket, agent, kind) if digests else None
    return tuple(
        Part(entry["name"], entry["type"], office().blobs.get(entry["sha256"]))
        for entry in (draft.files if draft else [])
        if entry["sha256"] in digests
    )


def of(ticket: Ticket, agent: Agent, kind: Kind) -> Draft | None:
    return db.session.get(Draft, (agent.id, ticket.id, kind))


def named_channels(draft: Draft | None) -> list[Channel]:
    """The channels of ours that its Cc and Bcc name, as far as they are typed."""
    typed = ADDRESS.findall(f"{draft.cc} {draft.bcc}") if draft is not None else []
    return channels.named_by(typed) if typed else []


def drop(ticket: Ticket, agent: Agent, kind: Kind) -> None:
    draft = of(ticket, agent, kind)
    if draft is not None:
        db.session.delete(draft)
