"""Our own door: what the SMTP receiver and the pipe bring in for »Standard« addresses."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

from config import Settings
from desk import channels, health, intake
from desk.office import office
from mail.transports.listener import Arrival, Receiver
from models import Channel, db


def receiver(
    host: str, port: int, accept: Callable[[str], bool], take: Callable[[Arrival], None], settings: Settings
) -> Receiver:
    """The SMTP receiver, not yet listening. `accept` and `take` run in its threads."""
    return Receiver(host, port, accept, take, settings.max_mail_bytes, settings.mail_domain or "poststelle")


def deliver(arrival: Arrival) -> None:
    """A mail by SMTP: 250 is said after this has returned."""
    take(arrival.raw, arrival.envelope_from, arrival.recipients, "smtp")


def accepts(address: str) -> bool:
    """Whether mail to this address is taken (RCPT). No relaying: only active »Standard« channels."""
    try:
        return channels.for_recipient(address) is not None
    finally:
        db.session.rollback()


def take(raw: bytes, envelope_from: str | None, recipients: Iterable[str], via: str) -> list[int]:
    """Store a mail durably, once for every channel among its recipients; answers the new rows.

    When this returns the sender may forget the mail. The filing follows at once, in a job.
    Raises LookupError, with nothing stored, if one of the addresses is not taken (any more).
    """
    per_channel: dict[int, str] = {}
    for address in recipients:
        channel = channels.for_recipient(address)
        if channel is None:  # switched off since RCPT: the sender keeps the mail and asks again
            raise LookupError(f"{address} is not taken any more")
        per_channel.setdefault(channel.id, address)
    db.session.rollback()
    rows = [
        intake.receive(
            channel_id,
            intake.Arrival(
                raw=raw,
                via=via,
                source_id=f"{via}:{secrets.token_hex(16)}",
                envelope_from=envelope_from,
                envelope_to=address,
            ),
        )
        for channel_id, address in per_channel.items()
    ]
    stored = [row for row in rows if row is not None]
    for channel_id in per_channel:
        channel = db.session.get(Channel, channel_id)
        if channel is not None:
            health.record_received(channel)
    db.session.commit()
    office().ring("process", None)
    return stored


def take_for(channel: Channel, raw: bytes) -> int | None:
    """A mail that an operator brings for any channel (`mail receive --channel`)."""
    arrival = intake.Arrival(raw=raw, via="pipe", source_id=f"pipe:{secrets.token_hex(16)}")
    stored = intake.receive(channel.id, arrival)
    office().ring("process", None)
    return stored
