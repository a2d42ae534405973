"""Who hears about what: the switches of the notices, and the events that wait for their readers.

Here stands only who is to be told; desk/texts/notice_table.py has the notices. Mails are made of it later
(desk/notices/notice_mails.py), so that many events become one mail, and so that tickets and the outbox can
say what happened without knowing how it is told. The switches are about mails; what agents see at the bell
(desk/telling/bell.py) they alone decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select

from desk.agents import accounts, groups
from desk.batch_cache import asked_once
from desk.channels import channels
from desk.office import the_account
from desk.telling import mentions, preferences
from desk.texts.notice_table import BY_NAME
from mail.domains import mailbox_key
from models import (
    Agent,
    Bell,
    Channel,
    Message,
    NoticeItem,
    NoticeSilence,
    NoticeSwitch,
    Status,
    Ticket,
    db,
    now,
)

# Mails to one agent about one ticket within the hour: two out-of-office robots that talk to each other end here.
AGENT_PER_TICKET = 5
# Notices to one agent about mails that came in the name of a colleague: robots of two agents end here.
COLLEAGUES_PER_DAY = 10
RESOLVED_AFTER = timedelta(seconds=10)  # besides the undo time: who clicked wrong has told nobody

# Asked for every mail that comes in, so they are put together once.
ITEM = insert(NoticeItem)
TOLD = (
    select(NoticeItem.agent_id)
    .where(
        # The sum keeps SQLite from reading all that these agents were told within the hour: one ticket is less.
        (NoticeItem.agent_id + 0).in_(bindparam("agents", expanding=True)),
        NoticeItem.ticket_id == bindparam("ticket_id"),
        NoticeItem.mail_id.is_not(None),
        NoticeItem.created_at > bindparam("hour_ago"),
    )
    .group_by(NoticeItem.agent_id)
    .having(func.count(NoticeItem.mail_id.distinct()) >= AGENT_PER_TICKET)
)


# --- the switches


def enabled(name: str, channel_id: int | None = None) -> bool:
    """Whether a notice is sent; for one channel, or at all."""
    notice = BY_NAME[name]
    on = notice.fixed or _switched().get(name, notice.on)
    return on and (channel_id is None or (name, channel_id) not in _silences())


def switch(name: str, on: bool) -> None:
    """Switch a notice. Raises KeyError for an unknown one, ValueError for a fixed one. Commits."""
    if BY_NAME[name].fixed:
        raise ValueError(name)
    row = db.session.get(NoticeSwitch, name) or NoticeSwitch(notice=name)
    row.enabled = on
    db.session.add(row)
    db.session.commit()


def switch_channels(name: str, silent: Iterable[int]) -> None:
    """The channels whose events this notice leaves out. Raises ValueError where channels do not matter. Commits."""
    if not BY_NAME[name].per_channel:
        raise ValueError(name)
    db.session.execute(delete(NoticeSilence).where(NoticeSilence.notice == name))
    known = {channel.id for channel in channels.living()}
    db.session.add_all(NoticeSilence(notice=name, channel_id=number) for number in known & set(silent))
    db.session.commit()


def silent_channels(name: str) -> frozenset[int]:
    """The channels that a notice leaves out."""
    return frozenset(channel_id for notice, channel_id in _silences() if notice == name)


# --- what happened; each adds to the running transaction


def ticket_opened(ticket: Ticket, message: Message) -> None:
    """A person's mail opened a ticket: the group of its channel hears of it, else all agents."""
    _tell_of_mail("new_ticket", ticket, message)


def customer_answered(ticket: Ticket, message: Message) -> None:
    """A customer's answer goes to the assignee, else (also if the assignee cannot sign in) to the group or all."""
    _tell_of_mail("customer_reply", ticket, message)


def readers_of_mail(channel: Channel, assignee_id: int | None, author: str) -> list[Agent]:
    """Whom a mail concerns that came in: the assignee, else whom nobody's matters concern; not its author.

    `author` is the address of From as it is compared.
    """
    assigned = [agent for agent in accounts.active_agents() if agent.id == assignee_id]
    found = assigned or _first_to_hear(channel)
    return [agent for agent in found if agent.email_key != author]


def assigned(ticket: Ticket, by: Agent) -> None:
    """Who got a ticket from somebody else."""
    people = [agent for agent in accounts.active_agents() if agent.id == ticket.assignee_id]
    _tell(people, "assigned", ticket, by=by)


def noted(ticket: Ticket, note: Message, by: Agent) -> None:
    """Whom a private note names."""
    _tell(mentions.mentioned(note.text, accounts.active_agents()), "mentioned", ticket, note, by)


def undeliverable(
    ticket: Ticket, reply: Message, address: str, reason: str, words: str, report: int | None = None
) -> None:
    """An answer did not arrive: its author hears of it; who cannot sign in is stood in for.

    `report`: the row of the ledger that says so, if one does.
    """
    people = accounts.active_agents()
    author = [agent for agent in people if agent.id == reply.agent_id]
    stand_in = [agent for agent in people if agent.id == ticket.assignee_id]
    details = {"to": address, "reason": reason, "words": words[:300]}
    if report is not None:
        details["report"] = str(report)
    _tell(
        author or stand_in or _first_to_hear(ticket.channel),
        "delivery_failed",
        ticket,
        reply,
        details=details,
    )


def moved(ticket: Ticket, before: Status, by: Agent | None) -> None:
    """A ticket was resolved, or closed without having been: its requester hears of it, once."""
    done = ticket.status == Status.RESOLVED or (ticket.status == Status.CLOSED and before != Status.RESOLVED)
    if not done or ticket.status == before or not enabled("resolved", ticket.channel_id):
        return
    if by is not None and ticket.contact.address_key == by.email_key:
        return
    wait = timedelta(seconds=the_account().undo_seconds) + RESOLVED_AFTER
    db.session.add(NoticeItem(notice="resolved", ticket_id=ticket.id, details={}, due_at=now() + wait))


def forget(ticket: Ticket) -> None:
    """Nobody is told of what happened in this ticket (demo scenes). In the running transaction."""
    waiting = NoticeItem.mail_id.is_(None)
    db.session.execute(delete(NoticeItem).where(NoticeItem.ticket_id == ticket.id, waiting))


# --- below


def _first_to_hear(channel: Channel) -> list[Agent]:
    """Of what concerns nobody alone: the group of the channel; all agents where none of it can sign in."""
    people = accounts.active_agents()
    return groups.of_channel(channel, people) or people


def _tell_of_mail(notice: str, ticket: Ticket, message: Message) -> None:
    """Of a mail that came in; mails to robots of agents come to an end."""
    others = readers_of_mail(ticket.channel, ticket.assignee_id, mailbox_key(message.from_address))
    spared: set[int] = set()
    if enabled(notice, ticket.channel_id):
        spared = _told_enough(others, ticket)
        if message.posing:
            spared |= {agent.id for agent in others if not _colleague_brake_allows(agent)}
    _tell(others, notice, ticket, message, spared=spared)


def _tell(
    people: Iterable[Agent],
    notice: str,
    ticket: Ticket,
    about: Message | None = None,
    by: Agent | None = None,
    details: dict[str, str] | None = None,
    spared: Set[int] = frozenset(),
) -> None:
    """One row for each reader, with the sides that they want; who is `spared` gets no mail of it."""
    mailed = enabled(notice, ticket.channel_id)
    own = channels.own_addresses()
    at = now()
    same = {
        "notice": notice,
        "ticket_id": ticket.id,
        "about_id": about.id if about else None,
        "actor_id": by.id if by else None,
        "details": details or {},
        "created_at": at,
    }
    rows = []
    for agent in people:
        if by is not None and agent.id == by.id:
            continue  # nobody is told of their own doing
        # Our own channels are never written to.
        reached = mailed and agent.id not in spared and channels.untagged(agent.email) not in own
        if sides := _sides(agent, notice, ticket, reached, at):
            rows.append({"agent_id": agent.id, **same, **sides})
    if rows:
        db.session.connection().execute(ITEM, rows)


def _sides(agent: Agent, notice: str, ticket: Ticket, reached: bool, at: datetime) -> dict[str, Any] | None:
    """Its two sides: by mail, if `reached` by that, and at the bell; None where the agent wants neither."""
    by_mail = reached and preferences.by_mail(agent, notice, ticket)
    shown = preferences.in_browser(agent, notice, ticket)
    if not by_mail and not shown:
        return None
    return {
        "due_at": preferences.leaves_at(agent, at) if by_mail else None,
        "bell": Bell.UNREAD if shown else Bell.OFF,
    }


@asked_once
def _switched() -> dict[str, bool]:
    rows = db.session.execute(select(NoticeSwitch.notice, NoticeSwitch.enabled))
    return {notice: on for notice, on in rows}


@asked_once
def _silences() -> frozenset[tuple[str, int]]:
    rows = db.session.execute(select(NoticeSilence.notice, NoticeSilence.channel_id))
    return frozenset((notice, channel_id) for notice, channel_id in rows)


def _told_enough(agents: list[Agent], ticket: Ticket) -> set[int]:
    """Which of these agents got so many mails about this ticket within the hour that they are spared."""
    asked = {
        "agents": [agent.id for agent in agents],
        "ticket_id": ticket.id,
        "hour_ago": now() - timedelta(hours=1),
    }
    return set(db.session.scalars(TOLD, asked))


def _colleague_brake_allows(agent: Agent) -> bool:
    recent = db.session.scalar(
        select(func.count())
        .select_from(NoticeItem)
        .join(Message, Message.id == NoticeItem.about_id)
        .where(
            NoticeItem.agent_id == agent.id,
            NoticeItem.created_at > now() - timedelta(days=1),
            or_(NoticeItem.due_at.is_not(None), NoticeItem.mail_id.is_not(None)),
            Message.posing,
        )
    )
    return (recent or 0) < COLLEAGUES_PER_DAY
