"""Way 2: an address elsewhere is forwarded to one of ours, and a mail of our own checks that it really is.

The check goes to the address elsewhere, on demand and once a day, and has to come back through our receiver.
It carries a Message-ID that we signed, so that it never becomes a ticket, and that nobody else knows.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from flask_babel import force_locale, gettext
from sqlalchemy import or_, select

from desk import files
from desk.channels.channels import sender_address
from desk.office import office, relay, signing_key, the_account
from desk.refusal import Refusal
from desk.sending import outbox
from desk.sending.mail_rendering import loop_header
from mail import ids
from mail.judging.forward_requests import read_forward_check
from mail.reading.parse import parse
from mail.types import Address, ForwardCheck, Outgoing
from mail.writing.compose import compose
from models import Channel, InboundMail, Provider, RawMail, db, now

PURPOSE = "forward_check"
AGAIN_AFTER = timedelta(days=1)
PATIENCE = timedelta(hours=1)  # a forward that takes longer is told as one that does not work
QUESTIONS_FOR = timedelta(days=30)
MOST_QUESTIONS = 3


class ForwardState(StrEnum):
    NONE = "none"  # no forwarded address
    UNCHECKED = "unchecked"
    WAITING = "waiting"
    WORKS = "works"
    LOST = "lost"


class CheckRefused(Refusal):
    """`code`: no_address or no_relay."""


def state(channel: Channel, at: datetime) -> ForwardState:
    """By the last check alone: whether it came back after it was sent."""
    if not channel.forwarded_from:
        return ForwardState.NONE
    if channel.forward_sent_at is None:
        return ForwardState.UNCHECKED
    if channel.forward_back_at is not None and channel.forward_back_at >= channel.forward_sent_at:
        return ForwardState.WORKS
    return ForwardState.WAITING if at - channel.forward_sent_at < PATIENCE else ForwardState.LOST


def check(channel: Channel) -> None:
    """Send a check to the forwarded address. Raises CheckRefused; commits."""
    if channel.is_own or not channel.forwarded_from:
        raise CheckRefused("no_address")
    if relay() is None:
        raise CheckRefused("no_relay")
    token = ids.new_token(secrets.token_bytes)
    message_id = ids.system_message_id(signing_key(), token, channel.address.rpartition("@")[2])
    raw, subject = _compose(channel, message_id)
    outbox.queue(
        outbox.NewMail(
            purpose=PURPOSE,
            subject=subject,
            recipients=[channel.forwarded_from],
            message_id=message_id,
            envelope_from=channel.address,  # some providers forward no mail with the null sender
            channel=channel,
            raw=raw,
            automatic=True,
        )
    )
    channel.forward_probe, channel.forward_sent_at = message_id, now()
    db.session.commit()
    office().ring("send", None)


def check_due() -> int:
    """The daily check of every forwarded address of an active channel; answers how many were sent."""
    if relay() is None:
        return 0
    query = select(Channel.id).where(
        Channel.forwarded_from != "",
        Channel.provider == Provider.STANDARD,
        Channel.active,
        Channel.deleted_at.is_(None),
        or_(Channel.forward_sent_at.is_(None), Channel.forward_sent_at <= now() - AGAIN_AFTER),
    )
    due = list(db.session.scalars(query))
    for channel_id in due:
        channel = db.session.get(Channel, channel_id)
        assert channel is not None
        check(channel)
    return len(due)


def questions(channel: Channel) -> list[ForwardCheck]:
    """What providers asked before they forward, the newest first: their link and their code."""
    query = (
        select(InboundMail.sha256)
        .where(
            InboundMail.channel_id == channel.id,
            InboundMail.reason == PURPOSE,
            InboundMail.raw == RawMail.KEPT,
            InboundMail.received_at > now() - QUESTIONS_FOR,
        )
        .order_by(InboundMail.id.desc())
        .limit(MOST_QUESTIONS)
    )
    raws = (files.content(sha256) for sha256 in db.session.scalars(query).all())
    found = (read_forward_check(parse(raw)) for raw in raws if raw is not None)
    return [asked for asked in found if asked is not None]


def _compose(channel: Channel, message_id: str) -> tuple[bytes, str]:
    with force_locale(the_account().locale):
        subject = gettext("Check of your forwarding")
        text = gettext(
            "This mail checks whether %(address)s is forwarded to Poststelle. It needs no answer.",
            address=channel.forwarded_from,
        )
    mail = Outgoing(
        sender=sender_address(channel),
        to=(Address("", channel.forwarded_from),),
        subject=subject,
        text=f"{text}\n",
        html=f"<p>{text}</p>",
        message_id=message_id,
        date=now(),
        automatic=True,
        headers=loop_header(),
    )
    return compose(mail), subject
