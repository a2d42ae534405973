"""What an agent is writing: one draft per agent, ticket and kind, saved while typing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from desk.channels import channels
from desk.office import nothing_stored_after, office
from desk.refusal import Refusal
from desk.tickets import uploads
from mail.reading.plaintext import text_of
from mail.showing.clean import clean_reply_html
from mail.types import Part
from models import Agent, Channel, Draft, Kind, Ticket, db, now
from models.base import one_at_a_time

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


class FilesTooLarge(Refusal):
    """With them the files of the draft are too large for one mail; none of them was kept."""


@nothing_stored_after(FilesTooLarge)
def keep_files(ticket: Ticket, agent: Agent, kind: Kind, files: Sequence[Part]) -> None:
    """What is attached waits in the draft, over a restart and on every device. Commits.

    The same file once more under the same name is the same: an upload that was broken off begins anew.
    """
    if not files:
        return
    given = [
        {
            "sha256": office().blobs.put(part.data),
            "name": part.name,
            "type": part.type,
            "size": str(len(part.data)),
        }
        for part in files
    ]
    draft = _held(ticket, agent, kind)
    if draft is None:
        draft = Draft(agent_id=agent.id, ticket_id=ticket.id, kind=kind, files=[])
        db.session.add(draft)
    known = {(entry["sha256"], entry["name"]) for entry in draft.files or []}
    fresh = [entry for entry in given if (entry["sha256"], entry["name"]) not in known]
    draft.files = [*(draft.files or []), *fresh]
    if sum(int(entry["size"]) for entry in draft.files) > office().settings.max_mail_bytes * uploads.SHARE:
        raise FilesTooLarge
    db.session.commit()


def drop_file(ticket: Ticket, agent: Agent, kind: Kind, sha256: str, name: str) -> None:
    """It does not go along any more. Commits."""
    draft = _held(ticket, agent, kind)
    if draft is not None:
        gone = (sha256, name)
        draft.files = [entry for entry in draft.files if (entry["sha256"], entry["name"]) != gone]
        if not (draft.body or draft.cc or draft.bcc or draft.files):
            db.session.delete(draft)
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


def _held(ticket: Ticket, agent: Agent, kind: Kind) -> Draft | None:
    """The draft, with no other request at its files before this transaction ends."""
    one_at_a_time([f"draft:{agent.id}:{ticket.id}:{kind}"])
    return db.session.get(Draft, (agent.id, ticket.id, kind), populate_existing=True)


def tickets_with_drafts(agent: Agent, tickets: Sequence[Ticket]) -> set[int]:
    """In which of these tickets, by their ids, this agent has begun to write something."""
    ids = [ticket.id for ticket in tickets]
    if not ids:
        return set()
    query = select(Draft.ticket_id).where(Draft.agent_id == agent.id, Draft.ticket_id.in_(ids))
    return set(db.session.scalars(query))


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
