"""Which brakes hold just now, and for whom: seen from what they held within the last hour, told like other troubles.

A brake on one address is no news while it holds a mail or two: somebody wrote three times. All others are, since
they are met by a flood or a loop, or because a budget is too small.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

from sqlalchemy import select

from desk.channels import channels, health
from desk.sending import brake
from mail.domains import folded, mailbox_key, registered
from models import MailState, OutboundMail, Ticket, TicketEvent, Trouble, db
from models.base import reading
from models.ticket import WITHHELD

NEWS = 10  # automatic mails to one address that were withheld within the hour, until somebody is told
NAMED = 10  # addresses or organisations that an alert names, the busiest first
LOOKED_AT = 5000  # what was withheld or waits, the newest first; a flood is known by less

# What a ticket's event says of a withheld confirmation.
TROUBLE = {
    "confirmation_withheld": Trouble.BRAKE_ADDRESS,
    "confirmation_withheld_domain": Trouble.BRAKE_DOMAIN,
    "confirmation_withheld_total": Trouble.BRAKE_TOTAL,
}

Held = dict[tuple[int, Trouble], health.Brake]  # by channel and kind of brake


def record(at: datetime) -> None:
    """Write down which brakes hold since when, and which let go. Commits."""
    with reading():
        holding = _withheld(at) | _waiting()
    health.record_brakes(holding)


def _withheld(at: datetime) -> Held:
    query = (
        select(Ticket.channel_id, TicketEvent.kind, TicketEvent.details["to"].as_string())
        .join(Ticket, Ticket.id == TicketEvent.ticket_id)
        .where(WITHHELD, TicketEvent.at > at - brake.HOUR)
        .order_by(TicketEvent.at.desc())
        .limit(LOOKED_AT)
    )
    whom: defaultdict[tuple[int, Trouble], Counter[str]] = defaultdict(Counter)
    for channel_id, kind, address in db.session.execute(query):
        whom[channel_id, TROUBLE[kind]][_counted(kind, address)] += 1
    found: Held = {}
    for (channel_id, trouble), counted in whom.items():
        least = NEWS if trouble == Trouble.BRAKE_ADDRESS else 1
        named = [(name, count) for name, count in counted.most_common(NAMED) if count >= least]
        if named:
            found[channel_id, trouble] = health.Brake(str(trouble), _words(named))
    return found


def _counted(kind: str, address: str) -> str:
    """Whom the brake counted: the mailbox or the organisation; in total the organisation that is most about."""
    if TROUBLE[kind] == Trouble.BRAKE_ADDRESS:
        return folded(address)
    return registered(mailbox_key(address).rpartition("@")[2])


def _words(named: list[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in named)


def _waiting() -> Held:
    """What waits in the outbox because its budget is spent, with the number of mails."""
    reasons = [budget.reason for budget in brake.BUDGETS]
    query = (
        select(OutboundMail.channel_id, OutboundMail.reason)
        .where(OutboundMail.state == MailState.QUEUED, OutboundMail.reason.in_(reasons))
        .limit(LOOKED_AT)
    )
    counted: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for channel_id, reason in db.session.execute(query):
        counted[channel_id or channels.default().id][reason] += 1
    found: Held = {}
    for channel_id, by_reason in counted.items():
        reason = (
            "brake" if by_reason["brake"] else "brake_automatic"
        )  # what people wrote is the greater trouble
        found[channel_id, Trouble.BRAKE] = health.Brake(reason, str(by_reason[reason]))
    return found
