"""What was to be told becomes mail: confirmations at once, agents' notices together, links for signing in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import and_, delete, func, or_, select, true, update

from desk.channels import channels
from desk.office import the_account
from desk.sending import brake, mail_rendering, outbox
from desk.telling import who_hears
from desk.tickets import participants, tickets
from mail.envelopes import is_robots
from mail.reading.addresses import valid_address
from mail.types import Address, Outgoing
from mail.writing.compose import compose
from models import (
    Agent,
    Bell,
    Message,
    NoticeItem,
    OutboundMail,
    Status,
    Ticket,
    db,
    now,
)
from models.base import reading, rows_changed

# Mails to one agent; what comes above that waits and is told together.
AGENT_PER_HOUR = 30
NUMBERS = 5  # tickets that the outbox names of a mail about several
KEPT = timedelta(days=30)  # so long an event stands in the browser; the brakes look back a day at most
MOST_ITEMS = 500  # events of one mail; what is beyond comes in the next

WAITING = and_(NoticeItem.mail_id.is_(None), NoticeItem.due_at.is_not(None))


# --- what happened; each adds to the running transaction


def ticket_opened(ticket: Ticket, message: Message, confirmation: str, withheld: str = "") -> None:
    """A person's mail opened a ticket: confirm it to the requester, tell the agents.

    `confirmation` is the address that it goes to, if it does; `withheld` why it does not (`refusal`).
    """
    if withheld:
        asked = participants.first_reader(message.reply_to, message.from_address)
        tickets.note_event(ticket, f"confirmation_{withheld}", to=asked)
    if confirmation:
        _queue_for_requester("confirmation", ticket, message, confirmation)
    who_hears.ticket_opened(ticket, message)


def queue_link_mail(agent: Agent, purpose: str, url: str) -> None:
    """An invitation or a new password: `purpose` is invitation or password_link. In the caller's transaction."""
    locale = agent.locale or the_account().locale
    queue_written(purpose, agent, mail_rendering.render(purpose, locale, agent=agent, url=url))


def queue_written(purpose: str, agent: Agent, rendered: mail_rendering.RenderedMail) -> None:
    """A mail to an agent whose words stand already, by the default way out. In the caller's transaction."""
    channel = channels.default()
    message_id = mail_rendering.system_message_id()
    raw = compose(
        Outgoing(
            sender=channels.sender_address(channel),
            to=(Address(agent.name, agent.email),),
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            message_id=message_id,
            date=now(),
            automatic=True,
            headers=mail_rendering.loop_header(),
            attachments=rendered.pictures,
        )
    )
    outbox.queue(
        outbox.NewMail(
            purpose=purpose,
            subject=rendered.subject,
            recipients=[agent.email],
            message_id=message_id,
            envelope_from=mail_rendering.automatic_envelope(channel),
            channel=channel,
            agent_id=agent.id,
            raw=raw,
        )
    )


# --- what waited


def gather(at_once: bool = False) -> int:
    """Make mails of what is due, one for each agent, and answer how many. `at_once` waits for nothing."""
    due = and_(WAITING, true() if at_once else NoticeItem.due_at <= now())
    with reading():
        readers = db.session.scalars(
            select(NoticeItem.agent_id).where(due, NoticeItem.agent_id.is_not(None)).distinct()
        ).all()
        requests = db.session.scalars(
            select(NoticeItem.ticket_id).where(due, NoticeItem.agent_id.is_(None)).distinct()
        ).all()
    made = sum(_gather_for(agent_id) for agent_id in readers if agent_id is not None)
    return made + sum(_tell_requester(ticket_id) for ticket_id in requests)


def _gather_for(agent_id: int) -> bool:
    """One mail about all that waits for an agent. Commits."""
    agent = db.session.get_one(Agent, agent_id)
    waiting = db.session.scalars(
        select(NoticeItem)
        .where(NoticeItem.agent_id == agent_id, WAITING)
        .order_by(NoticeItem.id)
        .limit(MOST_ITEMS)
    ).all()
    news = [item for item in waiting if agent.active and _still_true(item)]
    for item in waiting:
        if item not in news:
            _drop_mail(item)
    if not news:
        db.session.commit()
        return False
    if not _agent_brake_allows(agent):
        db.session.rollback()
        return False
    mail = _queue_for(agent, news)
    db.session.flush()
    ids_of = [item.id for item in news]
    taken = rows_changed(
        update(NoticeItem)
        .where(NoticeItem.id.in_(ids_of), NoticeItem.mail_id.is_(None))
        .values(mail_id=mail.id)
        .execution_options(synchronize_session=False)
    )
    if taken != len(ids_of):  # another process was faster
        db.session.rollback()
        return False
    db.session.commit()
    return True


def _still_true(item: NoticeItem) -> bool:
    """Whether it is worth telling: a ticket may have been handed on meanwhile."""
    return item.notice != "assigned" or item.ticket.assignee_id == item.agent_id


def _drop_mail(item: NoticeItem) -> None:
    """No mail is made of it; in the browser it stays."""
    if item.bell == Bell.OFF:
        db.session.delete(item)
    else:
        item.due_at = None


def _queue_for(agent: Agent, items: Sequence[NoticeItem]) -> OutboundMail:
    """A mail of its own for one event, a list for several."""
    first = items[0]
    alone = len(items) == 1
    channel = channels.sending_channel(first.ticket)
    numbers = list(dict.fromkeys(f"#{item.ticket.number}" for item in items))
    more = [f"+ {len(numbers) - NUMBERS}"] if len(numbers) > NUMBERS else []
    return outbox.queue(
        outbox.NewMail(
            purpose=first.notice if alone else "several",
            subject=first.ticket.subject if alone else ", ".join(numbers[:NUMBERS] + more),
            recipients=[agent.email],
            message_id=mail_rendering.new_message_id(first.ticket)
            if alone
            else mail_rendering.system_message_id(),
            envelope_from=mail_rendering.automatic_envelope(channel),
            channel=channel,
            ticket=first.ticket if alone else None,
            about=first.about if alone else None,
            agent_id=agent.id,
        )
    )


def _tell_requester(ticket_id: int) -> bool:
    """»Your ticket is resolved«, unless it was opened again meanwhile. Commits."""
    ticket = db.session.get_one(Ticket, ticket_id)
    gone = rows_changed(
        delete(NoticeItem).where(
            NoticeItem.ticket_id == ticket_id, NoticeItem.agent_id.is_(None), NoticeItem.mail_id.is_(None)
        )
    )
    address, asked = participants.requesters_reader(ticket)
    done = ticket.status in (Status.RESOLVED, Status.CLOSED) and ticket.merged_into_id is None
    if not gone or not done or asked is None or refusal(address, asked.refuted):
        db.session.commit()
        return False
    _queue_for_requester("resolved", ticket, asked, address)
    db.session.commit()
    return True


def forget_old() -> int:
    """Events of long ago are needed no more once their mail was written, if they have one. Commits."""
    written = select(OutboundMail.id).where(OutboundMail.sha256 != "")
    silent = and_(NoticeItem.mail_id.is_(None), NoticeItem.due_at.is_(None))
    gone = rows_changed(
        delete(NoticeItem)
        .where(NoticeItem.created_at < now() - KEPT, or_(silent, NoticeItem.mail_id.in_(written)))
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return gone


# --- below


def _queue_for_requester(purpose: str, ticket: Ticket, about: Message, address: str) -> None:
    """It is written when it is sent; the mail itself answers `about`."""
    channel = channels.sending_channel(ticket)
    outbox.queue(
        outbox.NewMail(
            purpose=purpose,
            subject=f"[#{ticket.number}]",
            recipients=[address],
            message_id=mail_rendering.new_message_id(ticket),
            envelope_from=mail_rendering.automatic_envelope(channel, channels.written_to(channel, about)),
            channel=channel,
            ticket=ticket,
            about=about,
            automatic=True,
        )
    )


def refusal(address: str, refuted: bool, more: Sequence[str] = ()) -> str:
    """Why no automatic mail goes to an address outside: address, refuted, or the brake that holds; empty: it may.

    `more`: where mails go that are not in the database yet (the dry run).
    """
    is_ours = channels.untagged(address) in channels.own_addresses()
    if is_ours or not valid_address(address) or is_robots(address):  # an answer may confirm a subscription
        return "address"
    if refuted:  # whoever's address was forged never wrote to us
        return "refuted"
    return brake.withholding(address, more)


def _agent_brake_allows(agent: Agent) -> bool:
    recent = db.session.scalar(
        select(func.count())
        .select_from(OutboundMail)
        .where(OutboundMail.agent_id == agent.id, OutboundMail.created_at > now() - timedelta(hours=1))
    )
    return (recent or 0) < AGENT_PER_HOUR
