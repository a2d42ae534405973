"""Ways out for mails that must arrive whatever is broken: the relay, or any own channel's server, one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from sqlalchemy import select

from desk.channels import channels
from desk.office import office, relay
from desk.sending import mail_rendering, retry_delays
from desk.sending.retry_delays import ROUND_MINUTES, ROUNDS_REFUSED
from models import (
    BRAKES,
    Channel,
    Incident,
    OutboundMail,
    OutboundRecipient,
    Provider,
    RecipientState,
    Trouble,
    db,
    now,
)

RELAY = None  # as in OutboundMail.channel_id: the install's own way out


def ways(incidents: Collection[Incident]) -> list[int | None]:
    """Every way out that these troubles leave, always in the same order: the relay, own channels by number.

    Never through what is broken. Where nothing else is set up, the outgoing server of a channel whose mailbox
    alone is in trouble is better than silence.
    """
    relay_broken = any(
        incident.trouble == Trouble.SENDING and not _channel(incident).is_own for incident in incidents
    )
    relays = [RELAY] if relay() is not None and not relay_broken else []
    query = select(Channel.id).where(
        Channel.deleted_at.is_(None),
        Channel.active,
        Channel.provider == Provider.OWN,
        Channel.smtp_server != "",
    )
    own = list(db.session.scalars(query.order_by(Channel.id)))
    broken = {incident.channel_id for incident in incidents if not incident.is_brake}
    sound = [*relays, *(channel_id for channel_id in own if channel_id not in broken)]
    if sound:
        return sound
    mute = {incident.channel_id for incident in incidents if incident.trouble == Trouble.SENDING}
    return [channel_id for channel_id in own if channel_id not in mute]


def first(found: Iterable[int | None]) -> int | None:
    """The one to begin with: not one that is known to be in trouble, if there is another."""
    known = select(Incident.channel_id).where(Incident.ended_at.is_(None), Incident.trouble.not_in(BRAKES))
    default_id = channels.default().id
    in_trouble = {RELAY if number == default_id else number for number in db.session.scalars(known)}
    return min(found, key=lambda way: way in in_trouble)


def take_another(mail: OutboundMail, failed: list[OutboundRecipient]) -> bool:
    """A way did not take an alert: turn to the next one, at once until all were tried. In the transaction.

    False when no way is left, or when the recipient was refused for good after every way had its turns.
    """
    about = db.session.scalars(select(Incident).where(Incident.id.in_(mail.incidents or ())))
    found = ways(about.all())
    if not found or (failed and mail.attempts >= ROUNDS_REFUSED * len(found)):
        return False
    here = found.index(mail.channel_id) if mail.channel_id in found else -1
    mail.channel_id = found[(here + 1) % len(found)]
    mail.envelope_from = envelope(mail.channel_id)
    mail.sha256 = ""  # another sender: composed anew, the Message-ID stays
    rounds, begun = divmod(mail.attempts, len(found))
    mail.send_after = now() + (timedelta() if begun else retry_delays.after(rounds, ROUND_MINUTES))
    for recipient in failed:
        recipient.move(RecipientState.QUEUED)
    office().ring("send", mail.send_after)
    return True


def envelope(way: int | None) -> str:
    """The envelope sender of an automatic mail by this way."""
    return mail_rendering.automatic_envelope(channel_of(way))


def channel_of(way: int | None) -> Channel:
    """Whose address such a mail has in From."""
    found = db.session.get(Channel, way) if way is not RELAY else None
    return found or channels.default()


def _channel(incident: Incident) -> Channel:
    found = db.session.get(Channel, incident.channel_id)
    assert found is not None
    return found
