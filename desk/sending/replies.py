"""Story 2: an agent answers. One transaction: message, frozen mail, outbox row, event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm.attributes import set_committed_value

from desk.channels import channels
from desk.office import nothing_stored_after, office, signing_key, the_account
from desk.refusal import Refusal
from desk.sending import mail_rendering, outbox
from desk.telling import who_hears
from desk.texts import requester_languages
from desk.tickets import drafts, participants, search, thread, tickets, uploads
from desk.tickets.attachments import add_attachments
from desk.tickets.contacts import as_rows
from desk.tickets.list_lines import note_last
from mail import ids
from mail.reading.plaintext import text_of
from mail.showing.clean import clean_reply_html
from mail.types import Address, Outgoing, Part
from mail.writing.compose import compose, reply_subject
from models import (
    Agent,
    Attachment,
    Channel,
    Kind,
    Message,
    OutboundMail,
    Status,
    Ticket,
    db,
    now,
)
from models.base import insert_now, update_now
from models.ticket import after_reply


class ReplyRefused(Refusal):
    """A reply that cannot be sent; `code` is empty, no_recipient, too_large, files_changed, newer_message or address.

    `field` is the one that is wrong; of a wrong address, in cc or bcc, `words` is what was typed.
    """

    def __init__(self, code: str, field: str = "body", words: str = "") -> None:
        super().__init__(code, field, words)


@dataclass(frozen=True, slots=True)
class Written:
    """What an agent wrote. `html` as the editor gives it, or empty; then `text` counts.

    `seen` is the newest message id that the agent had on screen; 0 does not ask.
    """

    text: str = ""
    html: str = ""
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    files: tuple[Part, ...] = ()
    kept_files: tuple[str, ...] = ()  # digests of files that lie in the agent's draft
    seen: int = 0
    once: str = ""  # names the composer: what it sent already is not sent again


@dataclass(slots=True)
class Sent:
    message: Message
    mail: OutboundMail
    undo_until: datetime = field(default_factory=now)
    circle: participants.Circle | None = None  # who stands around the ticket then; None if it was sent before

    @property
    def added(self) -> thread.Added:
        """What the page shows of it without reading the ticket anew."""
        return thread.Added(self.message, self.circle)


@nothing_stored_after(ReplyRefused)
def send_reply(ticket: Ticket, agent: Agent, written: Written, then: Status | None = None) -> Sent:
    """Put a reply into the outbox. `then` is the status afterwards, as »Antworten & Lösen« asks.

    Raises ReplyRefused; then nothing was stored. The same `once` again answers with what it sent first.
    """
    before = _sent_before(ticket, agent, written.once)
    if before is not None and before.outbound is not None:
        return Sent(before, before.outbound)
    html, text = _body(written)
    if not text.strip() and not written.files and not written.kept_files:
        raise ReplyRefused("empty")
    if written.seen and thread.newer_messages(ticket, agent, written.seen):
        raise ReplyRefused("newer_message")
    circle = participants.around(ticket)
    if not (to := circle.recipients()):
        raise ReplyRefused("no_recipient")
    parts = written.files + _kept(ticket, agent, written)
    if sum(len(part.data) for part in parts) > office().settings.max_mail_bytes * uploads.SHARE:
        raise ReplyRefused("too_large")  # base64 adds a third

    channel, answered = channels.sending_channel(ticket), circle.last
    readers = (*to, *written.cc, *written.bcc)
    quoted = answered if answered and participants.may_be_quoted(answered, readers, circle.may_read) else None
    subject = reply_subject(
        ticket.subject, ticket.number, requester_languages.of_mail("ticket_reply", ticket.locale)
    )
    message = Message(
        ticket_id=ticket.id,
        kind=Kind.REPLY,
        agent_id=agent.id,
        from_name=agent.name,
        from_address=channels.written_to(channel, answered),
        to=as_rows(to),
        cc=as_rows(written.cc),
        bcc=as_rows(written.bcc),
        subject=subject,
        text=text,
        visible=len(text),
        html=html,
        message_id=mail_rendering.new_message_id(ticket),
        references=_references(answered),
        once=written.once or None,
    )
    _add(message, ticket, agent, add_attachments(parts))
    raw = freeze(ticket, agent, message, answered, quoted, parts)
    until = now() + timedelta(seconds=the_account().undo_seconds)
    mail = outbox.queue(_as_mail(message, ticket, channel, readers, raw, until))
    set_committed_value(message, "outbound", mail)
    search.index_message(message, *(attachment.name for attachment in message.attachments))
    tickets.note_event(ticket, "replied", agent, message=str(message.id), old=ticket.status)
    before_reply = ticket.status
    tickets.move(ticket, then or after_reply(ticket.status), agent)
    who_hears.moved(ticket, before_reply, agent)
    note_last(ticket, message)
    ticket.has_attachments = ticket.has_attachments or bool(parts)
    update_now(ticket)
    drafts.drop(ticket, agent, Kind.REPLY)
    db.session.commit()
    office().ring("send", until)
    return Sent(message, mail, until, circle.joined_by(readers))


def _as_mail(
    message: Message,
    ticket: Ticket,
    channel: Channel,
    readers: Sequence[Address],
    raw: bytes,
    until: datetime,
) -> outbox.NewMail:
    """The reply for the outbox; until the end of the undo time it stays there."""
    return outbox.NewMail(
        purpose="ticket_reply",
        subject=message.subject,
        recipients=[reader.address for reader in readers],
        message_id=message.message_id,
        envelope_from=message.from_address,
        channel=channel,
        ticket=ticket,
        message=message,
        raw=raw,
        send_after=until,
    )


@nothing_stored_after(ReplyRefused)
def add_note(ticket: Ticket, agent: Agent, written: Written) -> Message:
    """A private note: for agents only, never sent. Raises ReplyRefused when there is nothing in it."""
    before = _sent_before(ticket, agent, written.once)
    if before is not None:
        return before
    html, text = _body(written)
    if not text.strip() and not written.files and not written.kept_files:
        raise ReplyRefused("empty")
    message = Message(
        ticket_id=ticket.id,
        kind=Kind.NOTE,
        agent_id=agent.id,
        from_name=agent.name,
        text=text,
        visible=len(text),
        html=html,
        to=[],
        cc=[],
        bcc=[],
        once=written.once or None,
    )
    files = written.files + _kept(ticket, agent, written, Kind.NOTE)
    _add(message, ticket, agent, add_attachments(files))
    search.index_message(message)
    tickets.note_event(ticket, "noted", agent, message=str(message.id))
    who_hears.noted(ticket, message, agent)
    drafts.drop(ticket, agent, Kind.NOTE)
    db.session.commit()
    return message


def _add(message: Message, ticket: Ticket, agent: Agent, attachments: Sequence[Attachment]) -> None:
    """Insert a message with its files, and tell it what the page would ask the database for."""
    insert_now(message)
    for attachment in attachments:
        attachment.message_id = message.id
        insert_now(attachment)
    for name, value in (("ticket", ticket), ("agent", agent), ("attachments", list(attachments))):
        set_committed_value(message, name, value)


def _body(written: Written) -> tuple[str, str]:
    """Clean HTML and its text. Plain text stays as it was typed."""
    if written.html:
        html = clean_reply_html(written.html)
        return html, text_of(html)
    text = written.text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return "", text


def freeze(
    ticket: Ticket,
    agent: Agent,
    message: Message,
    answered: Message | None,
    quoted: Message | None,
    parts: Sequence[Part],
) -> bytes:
    """The MIME of a reply as it will leave, also when it is tried again (RFC 5322).

    It answers `answered`; `quoted` is the message whose text stands below, if its readers may see it.
    """
    channel = channels.sending_channel(ticket)
    rendered = mail_rendering.render(
        "ticket_reply",
        ticket.locale,
        ticket=ticket,
        message=message,
        agent=agent,
        reader=next((Address(**entry) for entry in message.to), None),
        reply_text=message.text,
        reply_html=message.html,
        answered=quoted,
        marker=ids.sign_marker(signing_key(), ticket.number),
        channel_address=message.from_address,
    )
    return compose(
        Outgoing(
            sender=channels.sender_address(channel, message.from_address),
            to=tuple(Address(**entry) for entry in message.to),
            cc=tuple(Address(**entry) for entry in message.cc),
            subject=message.subject,
            text=rendered.text,
            html=rendered.html,
            message_id=message.message_id,
            date=now(),
            reply_to=mail_rendering.reply_addresses(ticket, channel, message.from_address),
            in_reply_to=answered.message_id if answered else "",
            references=tuple(message.references),
            attachments=(*rendered.pictures, *parts),
        )
    )


def _references(answered: Message | None) -> list[str]:
    if answered is None or not answered.message_id:
        return []
    return [*answered.references, answered.message_id]


def _kept(ticket: Ticket, agent: Agent, written: Written, kind: Kind = Kind.REPLY) -> tuple[Part, ...]:
    """The files of the draft that go along. Raises ReplyRefused where one was taken off in another window."""
    kept = drafts.files_of(ticket, agent, written.kept_files, kind)
    if len(kept) < len(set(written.kept_files)):
        raise ReplyRefused("files_changed")
    return kept


def was_sent(ticket: Ticket, agent: Agent, once: str) -> bool:
    """Whether the composer of that name has sent its answer or note already: nothing belongs into its draft then."""
    return _sent_before(ticket, agent, once) is not None


def _sent_before(ticket: Ticket, agent: Agent, once: str) -> Message | None:
    if not once:
        return None
    return db.session.scalar(
        select(Message).where(
            Message.once == once, Message.ticket_id == ticket.id, Message.agent_id == agent.id
        )
    )
