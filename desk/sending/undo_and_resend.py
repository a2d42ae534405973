"""An answer is corrected: taken back before it leaves, changed after it failed, sent to another address.

How long it can be taken back is a setting of the account: `undo_seconds`, models/account.py.
"""

from __future__ import annotations

from sqlalchemy import select

from desk.office import office
from desk.sending import outbox
from desk.sending.replies import freeze
from desk.tickets import drafts, participants, search, tickets
from desk.tickets.list_lines import note_last
from desk.tickets.thread import events, messages_of
from mail.types import Address, Part
from models import Agent, Draft, Kind, Message, Status, Ticket, db, now


def undo(message: Message, agent: Agent) -> bool:
    """Take a reply back before it leaves: the text returns to the composer. False if it is too late."""
    mail, ticket = message.outbound, message.ticket
    if mail is None or message.agent_id != agent.id or not outbox.cancel(mail.id):
        return False
    _into_draft(message, agent)
    _status_back(ticket, message, agent)
    search.forget_message(message)
    newest = messages_of(ticket, (Kind.INBOUND, Kind.REPLY), 1)
    if newest:
        note_last(ticket, newest[0])
    tickets.note_event(ticket, "undone", agent, message=str(message.id))
    db.session.commit()
    return True


def change_and_send(message: Message, agent: Agent) -> None:
    """»Ändern und senden«: the text of a reply that did not arrive goes into the agent's composer.

    The reply itself stays with its state; it is put aside, since somebody takes care of it.
    """
    _into_draft(message, agent)
    if message.outbound is not None:
        message.outbound.set_aside_at = now()
    db.session.commit()


def readdressed(message: Message, before: str, address: str) -> bytes:
    """The reply's MIME anew with another recipient in its header, in the running transaction.

    Everything else stays, the Message-ID too: an answer to it finds its ticket. Somebody who took no
    part so far gets the reply without the history below it.
    """
    readers = [
        Address(entry["name"], address if entry["address"] == before else entry["address"])
        for entry in (*message.to, *message.cc, *message.bcc)
    ]
    answered = _answered_by(message)
    quoted = answered if answered and participants.may_be_quoted(answered, readers) else None
    for field in ("to", "cc", "bcc"):
        entries = [
            {**entry, "address": address if entry["address"] == before else entry["address"]}
            for entry in getattr(message, field)
        ]
        setattr(message, field, entries)
    parts = [
        Part(file.name, file.type, office().blobs.get(file.sha256), file.content_id, file.inline)
        for file in message.attachments
    ]
    assert message.agent is not None
    return freeze(message.ticket, message.agent, message, answered, quoted, parts)


def _answered_by(message: Message) -> Message | None:
    """The mail that a reply answers: the last of its references."""
    if not message.references:
        return None
    return db.session.scalar(
        select(Message)
        .where(Message.ticket_id == message.ticket_id, Message.message_id == message.references[-1])
        .limit(1)
    )


def _into_draft(message: Message, agent: Agent) -> None:
    """Before what the agent has begun meanwhile, in the running transaction."""
    draft = drafts.of(message.ticket, agent, Kind.REPLY) or Draft(
        agent_id=agent.id, ticket_id=message.ticket_id, kind=Kind.REPLY, cc="", bcc="", files=[]
    )
    draft.body = (message.html or message.text) + (draft.body or "")
    draft.cc = ", ".join(str(Address(**entry)) for entry in message.cc)
    draft.bcc = ", ".join(str(Address(**entry)) for entry in message.bcc)
    draft.files = (draft.files or []) + [
        {"sha256": a.sha256, "name": a.name, "type": a.type, "size": str(a.size)} for a in message.attachments
    ]
    db.session.add(draft)


def _status_back(ticket: Ticket, message: Message, agent: Agent) -> None:
    """The status before the reply, unless anything moved the ticket since."""
    happened = events(ticket)
    replied = next(
        (e for e in happened if e.kind == "replied" and e.details.get("message") == str(message.id)), None
    )
    if replied is None:
        return
    moves = [event for event in happened if event.kind == "status" and event.id > replied.id]
    if (
        len(moves) == 1
        and moves[0].details["old"] == replied.details["old"]
        and moves[0].agent_id == agent.id
    ):
        tickets.move(ticket, Status(replied.details["old"]), agent)
