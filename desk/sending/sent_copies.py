"""»Kopie in Gesendet ablegen«: after an answer has left, its copy goes into the mailbox it left from.

A step of its own: whatever goes wrong here, the mail is sent and stays sent, once. A copy that was put there
before its note was written is found by its Message-ID and not put there twice.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import select, update

from desk import files
from desk.channels.connections import incoming_credentials, incoming_server
from models import Channel, MailState, OutboundMail, Protocol, db, now
from wire import PermanentFailure, TransportFailure
from wire.sent_folder import SentFolder

log = logging.getLogger(__name__)

AT_ONCE = 50  # mails of one conversation
PATIENCE = timedelta(days=1)  # then the copy is given up; the mail itself was sent long ago
WANTED, STORED, FAILED = "wanted", "stored", "failed"


def wish(mail: OutboundMail) -> None:
    """Note that a copy is owed, in the transaction that notes that the mail has left."""
    channel = mail.channel
    if mail.purpose != "ticket_reply" or channel is None or mail.state != MailState.DONE:
        return
    if channel.keep_sent and channel.is_own and channel.protocol == Protocol.IMAP and channel.living:
        mail.sent_copy = WANTED


def due() -> list[int]:
    """The channels that owe a copy; those whose mailbox is in trouble wait until its fetch works again."""
    query = (
        select(Channel.id)
        .join(OutboundMail, OutboundMail.channel_id == Channel.id)
        .where(OutboundMail.sent_copy == WANTED, Channel.failing_since.is_(None))
        .distinct()
    )
    found = list(db.session.scalars(query))
    db.session.rollback()
    return found


def put_down(channel_id: int) -> int:
    """Put the owed copies of one channel into its folder; answers how many are there now."""
    _give_up(channel_id)
    query = (
        select(OutboundMail)
        .where(OutboundMail.channel_id == channel_id, OutboundMail.sent_copy == WANTED)
        .order_by(OutboundMail.id)
        .limit(AT_ONCE)
    )
    owed = [
        (mail.id, mail.sha256, mail.message_id, mail.done_at or now()) for mail in db.session.scalars(query)
    ]
    channel = db.session.get(Channel, channel_id)
    if not owed or channel is None or not channel.living or not channel.has_way_in:
        db.session.rollback()
        return 0
    credentials = incoming_credentials(channel, channel.password, channel.grant)
    folder = SentFolder(incoming_server(channel), credentials)
    db.session.rollback()
    stored = 0
    try:
        with folder:
            for mail_id, sha256, message_id, sent_at in owed:
                raw = files.content(sha256)
                if raw is not None:
                    folder.keep(raw, message_id, sent_at)
                _note(mail_id, STORED if raw is not None else FAILED)
                stored += raw is not None
    except TransportFailure as failure:
        log.warning("no copy in the Sent folder of channel %s: %s", channel_id, failure.code)
        if isinstance(failure, PermanentFailure):
            for mail_id, *_ in owed[stored:]:
                _note(mail_id, FAILED)
    return stored


def _give_up(channel_id: int) -> None:
    db.session.execute(
        update(OutboundMail)
        .where(
            OutboundMail.channel_id == channel_id,
            OutboundMail.sent_copy == WANTED,
            OutboundMail.done_at < now() - PATIENCE,
        )
        .values(sent_copy=FAILED)
    )
    db.session.commit()


def _note(mail_id: int, state: str) -> None:
    db.session.execute(update(OutboundMail).where(OutboundMail.id == mail_id).values(sent_copy=state))
    db.session.commit()
