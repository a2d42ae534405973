"""Who hears about what: the notices, their switches, and their words in the reader's language."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, case, func, select

from desk import accounts, channels, letters, outbox, tickets
from desk.circumstances import asked_once
from desk.office import signing_key, the_account
from mail import ids
from mail.addresses import valid_address
from mail.compose import compose
from mail.domains import mailbox_key
from mail.types import Address, Outgoing
from models import (
    Agent,
    Message,
    NoticeSwitch,
    OutboundMail,
    OutboundRecipient,
    RecipientState,
    Ticket,
    db,
    now,
)


@dataclass(frozen=True, slots=True)
class Notice:
    """`audience` is requester, agents or administrators; a `fixed` notice is always on."""

    name: str
    audience: str
    fixed: bool = False


NOTICES = (
    Notice("confirmation", "requester"),
    Notice("ticket_reply", "requester", fixed=True),
    Notice("new_ticket", "agents"),
    Notice("customer_reply", "agents"),
    Notice("channel_trouble", "administrators"),
    Notice("channel_recovered", "administrators"),
)

# Loops end by counting: automatic mails to one address outside the company.
PER_HOUR, PER_DAY = 2, 5
# Agents' notices: enough for a busy desk, an end for two out-of-office robots that talk to each other.
AGENT_PER_HOUR, AGENT_PER_TICKET = 60, 5
# Notices to one agent about mails that came in the name of a colleague: robots of two agents end here.
COLLEAGUES_PER_DAY = 10


# Asked for every mail that comes in, so they are put together once.
SENT_TO = select(
    func.count(), func.sum(case((OutboundRecipient.created_at > bindparam("hour_ago"), 1), else_=0))
).where(
    OutboundRecipient.address_key == bindparam("key"),
    OutboundRecipient.automatic.is_(True),
    OutboundRecipient.state != RecipientState.CANCELLED,
    OutboundRecipient.created_at > bindparam("day_ago"),
)
TOLD = (
    select(
        OutboundMail.agent_id,
        func.count(),
        func.sum(case((OutboundMail.ticket_id == bindparam("ticket_id"), 1), else_=0)),
    )
    .where(
        OutboundMail.agent_id.in_(bindparam("agents", expanding=True)),
        OutboundMail.created_at > bindparam("hour_ago"),
    )
    .group_by(OutboundMail.agent_id)
)


def enabled(name: str) -> bool:
    return name not in _switched_off()


def switch(name: str, on: bool) -> None:
    """Switch a notice. Raises KeyError for an unknown one, ValueError for a fixed one. Commits."""
    notice = {notice.name: notice for notice in NOTICES}[name]
    if notice.fixed:
        raise ValueError(name)
    row = db.session.get(NoticeSwitch, name) or NoticeSwitch(notice=name)
    row.enabled = on
    db.session.add(row)
    db.session.commit()


# --- what happened; each queues mails in the running transaction


def ticket_opened(ticket: Ticket, message: Message) -> None:
    """A person's mail opened a ticket: confirm it to the requester, tell the agents."""
    if enabled("confirmation"):
        _confirm(ticket, message)
    if enabled("new_ticket"):
        _tell(accounts.active_agents(), "new_ticket", ticket, message)


def customer_answered(ticket: Ticket, message: Message) -> None:
    """A customer's answer goes to the assignee, else (also if the assignee cannot sign in) to all."""
    if enabled("customer_reply"):
        people = accounts.active_agents()
        assigned = [agent for agent in people if agent.id == ticket.assignee_id]
        _tell(assigned or people, "customer_reply", ticket, message)


def queue_link_mail(agent: Agent, purpose: str, url: str) -> None:
    """An invitation or a new password: `purpose` is invitation or password_link. In the caller's transaction."""
    account = the_account()
    channel = channels.default()
    token = ids.new_token(secrets.token_bytes)
    subject, text, html = letters.render(purpose, agent.locale or account.locale, agent=agent, url=url)
    message_id = ids.system_message_id(signing_key(), token, account.mail_domain)
    raw = compose(
        Outgoing(
            sender=Address(account.company, channel.address),
            to=(Address(agent.name, agent.email),),
            subject=subject,
            text=text,
            html=html,
            message_id=message_id,
            date=now(),
            automatic=True,
            headers=letters.loop_header(),
        )
    )
    outbox.queue(
        purpose=purpose,
        subject=subject,
        recipients=[agent.email],
        message_id=message_id,
        envelope_from=letters.automatic_envelope(channel),
        channel=channel,
        agent_id=agent.id,
        raw=raw,
    )


# --- below


def _confirm(ticket: Ticket, message: Message) -> None:
    address = (message.reply_to or [{"address": message.from_address}])[0]["address"]
    if not valid_address(address) or channels.untagged(address) in channels.own_addresses():
        return
    if message.refuted:  # whoever's address was forged never wrote to us
        tickets.note_event(ticket, "confirmation_refuted", to=address)
        return
    if not _brake_allows(address):
        tickets.note_event(ticket, "confirmation_withheld", to=address)
        return
    channel = letters.sending_channel(ticket)
    outbox.queue(
        purpose="confirmation",
        subject=f"[#{ticket.number}]",
        recipients=[address],
        message_id=letters.new_message_id(ticket),
        envelope_from=letters.automatic_envelope(channel),
        channel=channel,
        ticket=ticket,
        about=message,
        automatic=True,
    )


def _tell(agents: Iterable[Agent], purpose: str, ticket: Ticket, message: Message) -> None:
    channel = letters.sending_channel(ticket)
    own = channels.own_addresses()
    people = list(agents)
    told_enough = _told_enough(people, ticket)
    for agent in people:
        # Nobody is told of his own mail, and our own channels are never written to.
        if agent.email_key == mailbox_key(message.from_address) or channels.untagged(agent.email) in own:
            continue
        if agent.id in told_enough or (message.posing and not _colleague_brake_allows(agent)):
            continue
        outbox.queue(
            purpose=purpose,
            subject=ticket.subject,
            recipients=[agent.email],
            message_id=letters.new_message_id(ticket),
            envelope_from=letters.automatic_envelope(channel),
            channel=channel,
            ticket=ticket,
            about=message,
            agent_id=agent.id,
        )


@asked_once
def _switched_off() -> frozenset[str]:
    off = select(NoticeSwitch.notice).where(NoticeSwitch.enabled.is_(False))
    return frozenset(db.session.scalars(off))


def _brake_allows(address: str) -> bool:
    at = now()
    in_day, in_hour = db.session.execute(
        SENT_TO,
        {
            "key": mailbox_key(address),
            "hour_ago": at - timedelta(hours=1),
            "day_ago": at - timedelta(hours=24),
        },
    ).one()
    return (in_hour or 0) < PER_HOUR and in_day < PER_DAY


def _told_enough(agents: Sequence[Agent], ticket: Ticket) -> set[int]:
    """Which of these agents were told so often within the hour, of all or of this ticket, that they are spared."""
    told = db.session.execute(
        TOLD,
        {
            "agents": [agent.id for agent in agents],
            "ticket_id": ticket.id,
            "hour_ago": now() - timedelta(hours=1),
        },
    )
    return {
        agent_id
        for agent_id, often, of_ticket in told
        if agent_id is not None and (often >= AGENT_PER_HOUR or of_ticket >= AGENT_PER_TICKET)
    }


def _colleague_brake_allows(agent: Agent) -> bool:
    recent = db.session.scalar(
        select(func.count())
        .select_from(OutboundMail)
        .join(Message, Message.id == OutboundMail.about_id)
        .where(
            OutboundMail.agent_id == agent.id,
            OutboundMail.created_at > now() - timedelta(days=1),
            Message.posing,
        )
    )
    return (recent or 0) < COLLEAGUES_PER_DAY
