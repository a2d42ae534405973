"""The brakes: how much may leave, of what people write and of what writes itself.

Two of them. An automatic mail to somebody outside is counted *before it is put in*, by its reader's address, by
the organisation, and in total; what is above is withheld for good, and the ticket says so: a confirmation that
comes hours later helps nobody. What is in the outbox is counted *as it leaves*, by the server that takes it, and
each kind of mail has a budget of its own, so that a flood of strangers never uses up what people write with. What
is above waits. Who is told of it: desk/notices/brakes.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, bindparam, case, func, or_, select

from desk.office import office
from desk.texts.notice_table import NOTICES
from mail.domains import folded, mailbox_key, registered
from models import OutboundMail, OutboundRecipient, RecipientState, db, now

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)

# --- before a mail is put in


class Limit(NamedTuple):
    """Mails within an hour and within a day."""

    hour: int
    day: int


# Automatic mails to one address, whatever stands behind its plus: loops end by counting.
TO_ADDRESS = Limit(2, 5)
# To all addresses of an organisation: customers may share a large provider, a bombed company gets no more.
TO_DOMAIN = Limit(60, 600)
# To everybody within an hour: this part of POSTSTELLE_SEND_PER_HOUR.
TOTAL_SHARE = 0.25

_TO, _AT = OutboundRecipient.address_key, OutboundRecipient.created_at
_TO_ADDRESS = or_(bindparam("folded") == _TO, _TO.like(bindparam("tagged"), escape="!"))
_TO_DOMAIN = or_(
    _TO.like(bindparam("at_domain"), escape="!"), _TO.like(bindparam("below_domain"), escape="!")
)
_IN_HOUR = bindparam("hour_ago") < _AT


def _count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    matches = conditions[0] if len(conditions) == 1 else conditions[0] & conditions[1]
    return func.coalesce(func.sum(case((matches, 1), else_=0)), 0)


# Asked for every mail that comes in, so it is put together once. What it reads is bounded by the brake itself.
SENT = select(
    _count(_TO_ADDRESS, _IN_HOUR), _count(_TO_ADDRESS),
    _count(_TO_DOMAIN, _IN_HOUR), _count(_TO_DOMAIN),
    _count(_IN_HOUR),
).where(
    OutboundRecipient.automatic.is_(True),
    OutboundRecipient.state != RecipientState.CANCELLED,
    bindparam("day_ago") < _AT,
)  # fmt: skip


def withholding(address: str, more: Sequence[str] = ()) -> str:
    """Which brake withholds an automatic mail to this address: withheld, withheld_domain, withheld_total; else empty.

    `more`: where mails go that are not in the database yet.
    """
    mailbox, domain = folded(address), registered(mailbox_key(address).rpartition("@")[2])
    in_hour, in_day, of_domain, of_domain_day, in_total = _sent(mailbox, domain)
    same = sum(folded(other) == mailbox for other in more)
    same_domain = sum(registered(mailbox_key(other).rpartition("@")[2]) == domain for other in more)
    if in_hour + same >= TO_ADDRESS.hour or in_day + same >= TO_ADDRESS.day:
        return "withheld"
    if of_domain + same_domain >= TO_DOMAIN.hour or of_domain_day + same_domain >= TO_DOMAIN.day:
        return "withheld_domain"
    if in_total + len(more) >= most_in_total():
        return "withheld_total"
    return ""


def most_in_total() -> int:
    """Automatic mails to people outside within an hour, whichever channel they are of."""
    return _part(TOTAL_SHARE)


def _sent(mailbox: str, domain: str) -> Sequence[int]:
    at = now()
    local, _, host = _plain(mailbox).rpartition("@")
    values = {
        "folded": mailbox,
        "tagged": f"{local}+%@{host}",
        "at_domain": f"%@{_plain(domain)}",
        "below_domain": f"%.{_plain(domain)}",
        "hour_ago": at - HOUR,
        "day_ago": at - DAY,
    }
    return db.session.connection().execute(SENT, values).one()


def _plain(text: str) -> str:
    """The text as it stands for itself in LIKE."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


# --- as mails leave


class Lane(StrEnum):
    """Each has a run and a connection of its own, so that nothing which a person wrote waits for what no one did."""

    PEOPLE = "people"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Budget:
    """Mails that are counted together. `share` of POSTSTELLE_SEND_PER_HOUR may leave by one server; None: all.

    No purposes: all that no other budget names. `reason` is what the others wait for.
    """

    lane: Lane
    purposes: tuple[str, ...]
    share: float | None
    reason: str = "brake"


# In the order in which they leave. What administrators must hear passes each brake, since it may be about one.
BUDGETS = (
    Budget(Lane.PEOPLE, tuple(one.name for one in NOTICES if one.audience == "administrators"), None),
    Budget(Lane.PEOPLE, (), 1),
    Budget(
        Lane.AUTOMATIC,
        (*(one.name for one in NOTICES if one.audience == "agents"), "several"),
        0.5,
        "brake_automatic",
    ),
    Budget(
        Lane.AUTOMATIC,
        tuple(one.name for one in NOTICES if one.audience == "requester" and not one.fixed),
        TOTAL_SHARE,
        "brake_automatic",
    ),
)
_OF_PURPOSE = {purpose: budget for budget in BUDGETS for purpose in budget.purposes}
_ALL_OTHERS = next(budget for budget in BUDGETS if not budget.purposes)
NO_BRAKE = 1_000_000  # more than can leave within the hour

# What leaves first: in the order of the budgets.
RANK = case(
    *(
        (OutboundMail.purpose.in_(budget.purposes), rank)
        for rank, budget in enumerate(BUDGETS)
        if budget.purposes
    ),
    else_=BUDGETS.index(_ALL_OTHERS),
)


def budget_of(purpose: str) -> Budget:
    return _OF_PURPOSE.get(purpose, _ALL_OTHERS)


def within(budget: Budget) -> ColumnElement[bool]:
    """The condition of the mails that are counted in it."""
    return (
        OutboundMail.purpose.in_(budget.purposes)
        if budget.purposes
        else OutboundMail.purpose.not_in(_OF_PURPOSE)
    )


def in_lane(lane: Lane) -> ColumnElement[bool]:
    """The condition of the mails that leave by it."""
    named = [purpose for purpose, budget in _OF_PURPOSE.items() if budget.lane == Lane.AUTOMATIC]
    purpose = OutboundMail.purpose
    return purpose.in_(named) if lane == Lane.AUTOMATIC else purpose.not_in(named)


def left(channel_id: int | None) -> dict[Budget, int]:
    """How many mails of each budget may still leave by this channel within the hour."""
    gone = dict.fromkeys(BUDGETS, 0)
    if office().settings.send_per_hour:
        query = (
            select(OutboundMail.purpose, func.count())
            .where(
                OutboundMail.channel_id == channel_id, OutboundMail.done_at > now() - HOUR
            )  # None: IS NULL
            .group_by(OutboundMail.purpose)
        )
        for purpose, count in db.session.execute(query):
            gone[budget_of(purpose)] += count
    return {
        budget: NO_BRAKE if budget.share is None else _part(budget.share) - gone[budget] for budget in BUDGETS
    }


def _part(share: float) -> int:
    """This part of what may leave within the hour, at least one mail."""
    limit = office().settings.send_per_hour
    return max(1, int(limit * share)) if limit else NO_BRAKE
