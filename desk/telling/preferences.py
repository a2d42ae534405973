"""What agents choose to hear of by mail and in the browser, and when a mail leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from desk.agents.accounts import AccountRefused
from desk.office import office, the_account
from desk.telling.working_hours import Rhythm, due_at
from desk.texts.notice_table import BY_NAME, CHOICES
from models import Agent, Ticket, db

DIGESTS = ("", "hourly", "daily")  # empty: as it happens
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def by_mail(agent: Agent, notice: str, ticket: Ticket) -> bool:
    """Whether the agent wants this notice about this ticket by mail."""
    return _lets_through(agent.notify, agent, notice, ticket)


def in_browser(agent: Agent, notice: str, ticket: Ticket) -> bool:
    """Whether the agent wants to see this notice about this ticket at the bell."""
    return _lets_through(agent.bell, agent, notice, ticket)


def leaves_at(agent: Agent, happened: datetime) -> datetime:
    """When a mail about it leaves: after the moment in which others join it, in the agent's hours."""
    return due_at(happened + timedelta(seconds=office().settings.notice_seconds), _rhythm(agent))


def choose(
    agent: Agent, notify: str, bell: str, digest: str, days: Iterable[str], begin: str, end: str
) -> None:
    """What an agent decides. `days` are ISO weekdays, `begin` and `end` HH:MM. Raises AccountRefused. Commits."""
    if notify not in CHOICES or bell not in CHOICES or digest not in DIGESTS:
        raise AccountRefused("choice_unknown")
    chosen = "".join(sorted(set(days) & set("1234567")))
    if chosen and not (_TIME.fullmatch(begin) and _TIME.fullmatch(end) and begin < end):
        raise AccountRefused("hours_order")
    agent.notify, agent.bell, agent.digest, agent.work_days = notify, bell, digest, chosen
    agent.work_begin, agent.work_end = (begin, end) if chosen else ("", "")
    db.session.commit()


def _lets_through(choice: str, agent: Agent, notice: str, ticket: Ticket) -> bool:
    row = BY_NAME[notice]
    if choice == "mine" and row.own_with_mine and ticket.assignee_id != agent.id:
        return False
    return CHOICES.index(choice) <= CHOICES.index(row.choice)


def _rhythm(agent: Agent) -> Rhythm:
    zone = ZoneInfo(agent.timezone or office().settings.timezone or the_account().timezone)
    if not agent.work_days:
        return Rhythm(zone, agent.digest)
    days = frozenset(int(day) for day in agent.work_days)
    begin, end = time.fromisoformat(agent.work_begin), time.fromisoformat(agent.work_end)
    return Rhythm(zone, agent.digest, days, begin, end)
