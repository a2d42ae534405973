"""Administrators hear of a channel in trouble once, and once when it is over, whatever way out still works.

Of brakes that hold as well; these mails pass each of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from desk.agents import accounts
from desk.channels import channels, health
from desk.notices import brakes
from desk.office import office, signing_key, the_account
from desk.sending import alert_routes, mail_rendering, outbox
from desk.telling import who_hears
from mail import ids
from models import Channel, Ending, Incident, Trouble, db, now
from models.base import rows_changed

TROUBLE, RECOVERED = "channel_trouble", "channel_recovered"


def tell_due() -> int:
    """Tell what began to count and what is over; answers of how many incidents. Each is told once."""
    at = now()
    health.record_stale(at)
    brakes.record(at)
    return _tell(TROUBLE, _begun(at), Incident.told_at) + _tell(RECOVERED, _over(), Incident.told_end_at)


def _begun(at: datetime) -> list[Incident]:
    counts = or_(
        Incident.needs_person, Incident.failures >= health.FAILURES, Incident.began_at <= at - health.LASTING
    )
    query = select(Incident).where(Incident.told_at.is_(None), Incident.ended_at.is_(None), counts)
    return list(db.session.scalars(query.order_by(Incident.id)))


def _over() -> list[Incident]:
    """Told troubles that ended. After an edit nobody knows whether it helped: the next success decides."""
    works = or_(
        Incident.ending == Ending.RECOVERED,
        and_(Incident.trouble != Trouble.SENDING, Channel.last_success_at > Incident.ended_at),
    )
    query = select(Incident).join(Channel, Channel.id == Incident.channel_id)
    told = (Incident.told_at.is_not(None), Incident.told_end_at.is_(None), Incident.ended_at.is_not(None))
    return list(db.session.scalars(query.where(*told, works).order_by(Incident.id)))


def _tell(purpose: str, incidents: Sequence[Incident], told: InstrumentedAttribute[datetime | None]) -> int:
    """One mail to each administrator about all of them. The mark and the mails are one transaction."""
    found = alert_routes.ways(incidents) if incidents and who_hears.enabled(purpose) else []
    if not found:
        # A trouble may still be told later. A recovery that nobody was told of in time is no news any more.
        if purpose == RECOVERED and incidents and not who_hears.enabled(purpose):
            _mark(incidents, told)
            db.session.commit()
        return 0
    mine = _mark(incidents, told)
    if mine:
        _queue(purpose, mine, alert_routes.first(found))
    db.session.commit()
    if mine:
        office().ring("send", None)
    return len(mine)


def _mark(incidents: Sequence[Incident], told: InstrumentedAttribute[datetime | None]) -> list[int]:
    """Of several processes one tells each."""
    return [
        incident.id
        for incident in incidents
        if rows_changed(
            update(Incident)
            .where(Incident.id == incident.id, told.is_(None))
            .values({told: now()})
            .execution_options(synchronize_session=False)
        )
    ]


def _queue(purpose: str, incidents: list[int], way: int | None) -> None:
    own = channels.own_addresses()
    for agent in accounts.active_agents():
        if not agent.is_admin or channels.untagged(agent.email) in own:
            continue
        token = ids.new_token(secrets.token_bytes)
        outbox.queue(
            outbox.NewMail(
                purpose=purpose,
                subject=mail_rendering.alert_subject(purpose, incidents, agent),
                recipients=[agent.email],
                message_id=ids.system_message_id(signing_key(), token, the_account().mail_domain),
                envelope_from=alert_routes.envelope(way),
                channel=alert_routes.channel_of(way) if way is not alert_routes.RELAY else None,
                agent_id=agent.id,
                incidents=incidents,
            )
        )
