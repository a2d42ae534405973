"""Groups of agents. A channel may have one: its members hear first of what comes in there.

A group decides who is told and who stands first in a menu, never who may see a ticket: all agents see all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select, update

from desk.agents import accounts
from desk.agents.accounts import AccountRefused
from desk.batch_cache import asked_once
from models import Agent, AgentGroup, Channel, GroupMember, db
from models.base import unless_taken

LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Group:
    """A group with its members (the deactivated as well) and its living channels, each by name."""

    id: int
    name: str
    members: list[Agent]
    channels: list[Channel]


def groups() -> list[Group]:
    """All groups, by name; four statements, however many there are."""
    members = _members()
    everybody = accounts.agents()
    theirs: dict[int | None, list[Channel]] = {}
    query = select(Channel).where(Channel.group_id.is_not(None), Channel.deleted_at.is_(None))
    for channel in db.session.scalars(query.order_by(func.lower(Channel.key))):
        theirs.setdefault(channel.group_id, []).append(channel)
    return [
        Group(
            number,
            name,
            [agent for agent in everybody if agent.id in members.get(number, ())],
            theirs.get(number, []),
        )
        for number, name in names()
    ]


def by_id(number: int) -> Group | None:
    return next((group for group in groups() if group.id == number), None)


def names() -> list[tuple[int, str]]:
    """Number and name of every group, by name."""
    rows = db.session.execute(
        select(AgentGroup.id, AgentGroup.name).order_by(func.lower(AgentGroup.name))
    ).all()
    return [(number, name) for number, name in rows]


def exists(number: int) -> bool:
    return db.session.get(AgentGroup, number) is not None


def of_channel(channel: Channel, people: list[Agent]) -> list[Agent]:
    """Those of `people` who are in the channel's group: nobody where there is none. Asked for every mail."""
    if channel.group_id is None:
        return []
    members = _members().get(channel.group_id, frozenset())
    return [agent for agent in people if agent.id in members]


# --- changes; each is one transaction


def create(name: str, members: Iterable[int]) -> int:
    """The number of the new group. `members` are numbers of agents. Raises AccountRefused."""
    return _save(AgentGroup(), name, members)


def change(number: int, name: str, members: Iterable[int]) -> None:
    """Another name, other members. Raises AccountRefused."""
    _save(db.session.get_one(AgentGroup, number), name, members)


def delete(number: int) -> None:
    """Its channels have no group from then on: all agents hear of their mails."""
    db.session.execute(update(Channel).where(Channel.group_id == number).values(group_id=None))
    db.session.execute(delete_from(GroupMember).where(GroupMember.group_id == number))
    db.session.execute(delete_from(AgentGroup).where(AgentGroup.id == number))
    db.session.commit()


def _save(group: AgentGroup, name: str, members: Iterable[int]) -> int:
    name = accounts.checked_name(name)
    if len(name) > LONGEST_NAME:
        raise AccountRefused("name_long")
    known = {agent.id for agent in accounts.agents()} & set(members)
    group.name, group.name_fold = name, name.casefold()
    db.session.add(group)
    with unless_taken(AccountRefused("group_taken")):
        db.session.flush()
    number = group.id
    db.session.execute(delete_from(GroupMember).where(GroupMember.group_id == number))
    if known:
        rows = [{"group_id": number, "agent_id": agent_id} for agent_id in sorted(known)]
        db.session.execute(insert(GroupMember), rows)
    db.session.commit()
    return number


@asked_once
def _members() -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {}
    for group_id, agent_id in db.session.execute(select(GroupMember.group_id, GroupMember.agent_id)):
        found.setdefault(group_id, set()).add(agent_id)
    return {group_id: frozenset(members) for group_id, members in found.items()}
