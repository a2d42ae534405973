"""What our own receiver (SMTP, LMTP) and the pipe bring in for »Standard« addresses."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from ssl import SSLContext

from config import Settings, SettingsError
from desk.channels import channels, health
from desk.failpoints import reacher
from desk.office import office
from desk.receiving import arrivals
from models import Channel, db, now
from models.base import writing
from wire.listener import ReceivedMail, Receiver
from wire.listener_tls import Certificate

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Taken:
    """What became of one mail: the new rows, and for which of its recipients it is safe."""

    rows: list[int] = field(default_factory=list)
    safe: list[str] = field(default_factory=list)
    fault: Exception | None = None  # why the others must be asked for again


def receivers(
    settings: Settings,
    accept: Callable[[str], bool],
    smtp: Callable[[ReceivedMail], Collection[str]],
    lmtp: Callable[[ReceivedMail], Collection[str]],
) -> list[Receiver]:
    """SMTP, and LMTP where it is wanted; not yet listening. The callables run in their threads.

    Raises SettingsError if the certificate cannot be used.
    """
    name, size, reached = settings.mail_domain or "poststelle", settings.max_mail_bytes, reacher(settings)
    tls = _certificate(settings)
    found = [Receiver(settings.smtp_host, settings.smtp_port, accept, smtp, size, name, tls, reached=reached)]
    if settings.lmtp is not None:
        host, port, path = settings.lmtp.host, settings.lmtp.port, settings.lmtp.path
        found.append(
            Receiver(host, port, accept, lmtp, size, name, tls, lmtp=True, path=path, reached=reached)
        )
    return found


def deliver_smtp(received: ReceivedMail) -> Collection[str]:
    """250 is said after this has returned, to the recipients that it answers."""
    return _deliver(received, "smtp")


def deliver_lmtp(received: ReceivedMail) -> Collection[str]:
    return _deliver(received, "lmtp")


def accepts(address: str) -> bool:
    """Whether mail to this address is taken (RCPT). No relaying: only active »Standard« channels.

    Signed reply addresses (`support+token@`) are those of their channel.
    """
    token = writing.set(False)  # asking needs no write lock, and never waits for one
    try:
        return channels.for_recipient(address) is not None
    finally:
        db.session.rollback()
        writing.reset(token)


def take(raw: bytes, envelope_from: str | None, recipients: Iterable[str], via: str, peer: str = "") -> Taken:
    """Store a mail durably, once for every channel among its recipients. The filing follows at once, in a job.

    The sender may forget the mail for the `safe` ones when this returns. What it brings again for
    them, because of the others or because it did not hear us, is a `duplicate` of their channel.
    """
    taken = Taken()
    addresses: dict[int, list[str]] = {}
    try:
        for address in recipients:
            channel = channels.for_recipient(address)
            if channel is None:  # switched off since RCPT: the sender asks again, and is told
                taken.fault = LookupError(f"{address} is not taken any more")
            else:
                addresses.setdefault(channel.id, []).append(address)
        db.session.rollback()
        for channel_id, named in addresses.items():
            row = arrivals.receive(
                channel_id,
                arrivals.Arrival(
                    raw=raw,
                    via=via,
                    source_id=_source_id(via),
                    envelope_from=envelope_from,
                    envelope_to=named[0],
                    peer=peer,
                ),
            )
            assert row is not None, "its source id is new"
            taken.rows.append(row)
            taken.safe += named
    except Exception as fault:
        db.session.rollback()
        taken.fault = fault
    if taken.rows:
        _tell(list(addresses)[: len(taken.rows)])
    return taken


def take_for(channel: Channel, raw: bytes, envelope_from: str | None) -> int:
    """A mail that an operator brings for any channel (`mail receive --channel`); answers its row."""
    arrival = arrivals.Arrival(raw=raw, via="pipe", source_id=_source_id("pipe"), envelope_from=envelope_from)
    row = arrivals.receive(channel.id, arrival)
    assert row is not None, "its source id is new"
    office().ring("process", None)
    return row


def _deliver(received: ReceivedMail, via: str) -> Collection[str]:
    taken = take(received.raw, received.envelope_from, received.recipients, via, received.client)
    if taken.fault is not None:
        log.warning("A mail by %s stays with its sender for now: %s", via, taken.fault)
    return taken.safe


def _tell(channel_ids: Iterable[int]) -> None:
    """The mail is safe: what goes wrong from here on is no reason to have it sent again."""
    try:
        for channel_id in channel_ids:
            channel = db.session.get(Channel, channel_id)
            if channel is not None and not _told_lately(channel):
                health.record_received(channel)
        db.session.commit()
    except Exception:
        db.session.rollback()
        log.warning("A mail was stored, but not its channel's last success", exc_info=True)
    office().ring("process", None)


def _told_lately(channel: Channel) -> bool:
    """A burst of mail is no reason for as many writes."""
    return channel.last_received_at is not None and now() - channel.last_received_at < timedelta(seconds=1)


def _source_id(via: str) -> str:
    """These ways have no identity of their own: a second try is known by its digest."""
    return f"{via}:{secrets.token_hex(16)}"


def _certificate(settings: Settings) -> Callable[[], SSLContext] | None:
    if settings.smtp_certificate is None:
        return None
    try:
        return Certificate(settings.smtp_certificate, settings.smtp_key).context
    except OSError as error:
        raise SettingsError(
            f"The certificate of the receiver cannot be used: {error} "
            "(POSTSTELLE_SMTP_CERTIFICATE, POSTSTELLE_SMTP_KEY)."
        ) from error
