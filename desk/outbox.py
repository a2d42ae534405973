"""Story 2, the second half: mails leave from here and nowhere else. Claimed, handed over, and said so."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import aliased
from sqlalchemy.orm.attributes import set_committed_value

from desk import channels, connections, dkim, health, letters
from desk.failpoints import reach
from desk.office import office, owner_is_gone
from desk.settling import UNCONFIRMED, UNSENT, note, settle
from desk.trouble import is_trouble
from mail.domains import mailbox_key
from mail.transports import PermanentFailure, Sender, TemporaryFailure, TransportFailure
from models import (
    Channel,
    MailState,
    Message,
    OutboundMail,
    OutboundRecipient,
    RecipientState,
    Ticket,
    db,
    now,
)
from models.base import insert_now, reading, rows_changed

log = logging.getLogger(__name__)

STUCK_AFTER = timedelta(minutes=15)  # no hand-over takes longer; its process is gone
SERVER_DOWN = ("timeout", "connection_lost", "connect_timeout", "connect_refused", "name_not_found")
IN_ORDER_FOR = timedelta(hours=1)  # so long a reply waits for an earlier one of its ticket
BRAKE_REST = timedelta(minutes=5)

# --- putting mails in


def queue(
    *,
    purpose: str,
    subject: str,
    recipients: Sequence[str],
    message_id: str,
    envelope_from: str,
    channel: Channel | None,
    ticket: Ticket | None = None,
    message: Message | None = None,
    about: Message | None = None,
    agent_id: int | None = None,
    incidents: list[int] | None = None,
    raw: bytes = b"",
    send_after: datetime | None = None,
    automatic: bool = False,
) -> OutboundMail:
    """Add a mail to the running transaction. Without `raw` it is composed when it is first sent."""
    mail = OutboundMail(
        purpose=purpose,
        subject=subject[:1000],
        message_id=message_id,
        envelope_from=envelope_from,
        channel_id=channel.id if channel else None,
        ticket_id=ticket.id if ticket else None,
        message_fk=message.id if message else None,
        about_id=about.id if about else None,
        agent_id=agent_id,
        incidents=incidents,
        sha256=office().blobs.put(raw) if raw else "",
        send_after=send_after or now(),
        state=MailState.QUEUED,
    )
    insert_now(mail)
    unique = {mailbox_key(address): address for address in recipients}
    rows = [
        OutboundRecipient(
            mail_id=mail.id,
            address=address,
            address_key=key,
            automatic=automatic,
            state=RecipientState.QUEUED,
        )
        for key, address in unique.items()
    ]
    for row in rows:
        insert_now(row)
    set_committed_value(mail, "recipients", rows)
    return mail


def cancel(mail_id: int) -> bool:
    """Stop a mail that has not left yet (undo); one UPDATE decides against the sending job. Commits."""
    stopped = rows_changed(
        update(OutboundMail)
        .where(
            OutboundMail.id == mail_id,
            OutboundMail.state == MailState.QUEUED,
            OutboundMail.claimed_at.is_(None),  # never tried, so nobody has it
        )
        .values(state=MailState.CANCELLED, done_at=now())
    )
    if stopped:
        _mark_recipients(mail_id, RecipientState.CANCELLED)
    db.session.commit()
    return bool(stopped)


def send_again(mail: OutboundMail) -> None:
    """A person asks: a failed or kept mail goes to the recipients that did not get it, or perhaps not. Commits."""
    locked = select(OutboundMail).where(OutboundMail.id == mail.id).with_for_update()
    db.session.scalar(locked.execution_options(populate_existing=True))  # it may be on its way by now
    unsure = mail.state == MailState.DONE and any(r.reason == UNCONFIRMED for r in mail.recipients)
    if mail.state not in (MailState.FAILED, MailState.KEPT) and not unsure:
        db.session.rollback()
        return
    mail.state, mail.send_after, mail.attempts, mail.reason, mail.words = MailState.QUEUED, now(), 0, "", ""
    mail.created_at, mail.settled_at = now(), None  # patience begins anew
    for recipient in mail.recipients:
        lost = recipient.state in (RecipientState.UNDELIVERABLE, RecipientState.CANCELLED)
        if lost or recipient.reason == UNCONFIRMED:
            recipient.state, recipient.reason = RecipientState.QUEUED, ""
    note(mail, "send_again")
    db.session.commit()
    office().ring("send", None)


# --- sending


def due_servers() -> list[int | None]:
    """The channels that have mail to send now (None: in the install's own name)."""
    _free_abandoned()
    return _servers_of(_due(False, None))


def deliver(channel_id: int | None) -> dict[str, int]:
    """Send what is due of one channel over one connection, and answer how many mails ended how."""
    return _serve(channel_id, _due(False, None))


def deliver_due(at_once: bool = False, channel_id: int | None = None) -> dict[str, int]:
    """Send what is due of all channels, one after the other (for the command line).

    `at_once` ignores the undo time and the delays.
    """
    _free_abandoned()
    due = _due(at_once, channel_id)
    servers = _servers_of(due)
    total: dict[str, int] = {}
    for server in servers:
        for state, number in _serve(server, due).items():
            total[state] = total.get(state, 0) + number
    return total


def _servers_of(condition: ColumnElement[bool]) -> list[int | None]:
    with reading():
        return list(db.session.scalars(select(OutboundMail.channel_id).where(condition).distinct()))


def _serve(channel_id: int | None, due: ColumnElement[bool]) -> dict[str, int]:
    """All due mails of one server over one connection."""
    mine = OutboundMail.channel_id.is_(None) if channel_id is None else OutboundMail.channel_id == channel_id
    condition = and_(due, mine)
    counted: dict[str, int] = {}

    def count(state: str) -> None:
        counted[state] = counted.get(state, 0) + 1

    mail_id: int | None = None
    channel, gone = None, False
    try:
        with reading():
            channel = db.session.get(Channel, channel_id) if channel_id is not None else None
            gone = channel is not None and not channel.living
            sender = connections.open_sender(channel)
        if sender is None:
            return {"kept": _keep(condition)}
        left = _left_before_the_brake(channel_id)
        mail_id = _claim(condition, left)
        if mail_id is None:
            return counted
        with sender as open_sender:
            _record(channel, None)
            while mail_id is not None:
                state, failure = _hand_over(open_sender, mail_id)
                count(state)
                mail_id = None
                if failure is not None and failure.code in SERVER_DOWN:
                    raise failure  # not this mail's fault: the others need not find out one by one
                left -= 1
                mail_id = None if office().stopping.is_set() else _claim(condition, left)
    except TransportFailure as failure:
        # The server did not let us in: no mail is at fault, all of them wait; but not for a deleted channel.
        if not gone:
            _record(channel, failure)
        mail_id = mail_id or _claim(condition)
        while mail_id is not None:
            count(settle(mail_id, failure, connected=gone))
            mail_id = _claim(condition)
    return counted


class _TakenOver(Exception):
    """Another process holds the claim of this mail."""


def _record(channel: Channel | None, failure: TransportFailure | None) -> None:
    """How a way out fares; all »Standard« addresses share the relay, so it counts as the default channel's."""
    of = channel if channel is not None and channel.is_own else channels.default()
    health.record_sending(of.id, failure)


def _hand_over(sender: Sender, mail_id: int) -> tuple[str, TransportFailure | None]:
    prepared = False
    try:
        raw, envelope_from, recipients = _frozen(mail_id)
        prepared = True
        reach("before_handover")
        answers = sender.send(raw, envelope_from, recipients)
        reach("after_handover")
    except _TakenOver:
        log.warning("mail %s was claimed by another process meanwhile, which sends it", mail_id)
        return str(MailState.SENDING), None
    except TransportFailure as failure:
        return settle(mail_id, failure), failure
    except Exception as error:
        db.session.rollback()
        if is_trouble(error) and not prepared:
            log.warning("mail %s waits, disk or database are in trouble: %s", mail_id, error)
            return settle(mail_id, TemporaryFailure("internal", str(error)[:300])), None
        log.exception("mail %s could not be sent", mail_id)
        return settle(mail_id, PermanentFailure("internal", repr(error)[:300])), None
    return settle(mail_id, answers), None


def _frozen(mail_id: int) -> tuple[bytes, str, list[str]]:
    """The bytes that leave, their envelope's sender, and to whom. Commits if they were not stored yet.

    Composed and signed once, and stored, so that a retry sends the same; nobody waits for that meanwhile.
    Raises _TakenOver when we took so long that our claim was given to another process.
    """
    with reading():
        mail = db.session.get_one(OutboundMail, mail_id)
        stored, envelope_from = mail.sha256, mail.envelope_from
        recipients = [r.address for r in mail.recipients if r.state in UNSENT]
        raw = office().blobs.get(stored) if stored else letters.compose_queued(mail)
        signed = dkim.signed(mail, raw)
    if not stored or signed is not raw:
        frozen = {"sha256": office().blobs.put(signed)}
        if not stored:  # what a queued notice is about; only now it has words
            frozen["subject"] = str(message_from_bytes(raw, policy=default)["Subject"])[:1000]
        ours = and_(OutboundMail.state == MailState.SENDING, OutboundMail.claimed_by == office().owner)
        kept = rows_changed(update(OutboundMail).where(OutboundMail.id == mail_id, ours).values(frozen))
        db.session.commit()
        if not kept:
            raise _TakenOver
        if stored:
            office().blobs.forget(stored)  # nothing else has these bytes; some hold a link that lets in
    return signed, envelope_from, recipients


def _keep(condition: ColumnElement[bool]) -> int:
    """Without a relay nothing leaves and nothing is dropped: kept until a person says »send now«."""
    ids = db.session.scalars(select(OutboundMail.id).where(condition).limit(500)).all()
    for mail_id in ids:
        kept = rows_changed(
            update(OutboundMail)
            .where(OutboundMail.id == mail_id, OutboundMail.state == MailState.QUEUED)
            .values(state=MailState.KEPT, reason="no_relay")
        )
        if kept:
            mail = db.session.get(OutboundMail, mail_id)
            assert mail is not None
            db.session.refresh(mail)
            note(mail, "kept")
        db.session.commit()
    return len(ids)


def _left_before_the_brake(channel_id: int | None) -> int:
    """How many mails may still leave by this channel within the hour (POSTSTELLE_SEND_PER_HOUR)."""
    limit = office().settings.send_per_hour
    if not limit:
        return 1_000_000
    gone = db.session.scalar(
        select(func.count()).where(
            OutboundMail.channel_id.is_(None)
            if channel_id is None
            else OutboundMail.channel_id == channel_id,
            OutboundMail.done_at > now() - timedelta(hours=1),
        )
    )
    return limit - (gone or 0)


def _brake(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Unusually much has left: what is due rests and says why, but for what a person let through. Commits."""
    db.session.execute(
        update(OutboundMail)
        .where(condition, OutboundMail.hurried.is_(False))
        .values(send_after=now() + BRAKE_REST, reason="brake")
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return and_(condition, OutboundMail.hurried)


def _claim(condition: ColumnElement[bool], left: int = 1) -> int | None:
    """Take the next mail: the conditional UPDATE lets only one process have it. Commits."""
    if left <= 0:
        condition = _brake(condition)
    while True:
        mail_id = db.session.scalar(
            select(OutboundMail.id).where(condition).order_by(OutboundMail.id).limit(1)
        )
        if mail_id is None:
            db.session.rollback()
            return None
        taken = rows_changed(
            update(OutboundMail)
            .where(OutboundMail.id == mail_id, OutboundMail.state == MailState.QUEUED)
            .values(
                state=MailState.SENDING,
                attempts=OutboundMail.attempts + 1,
                claimed_at=now(),
                claimed_by=office().owner,
            )
        )
        db.session.commit()
        if taken:
            reach("claimed")
            return mail_id


def _free_abandoned() -> None:
    """A process that died while sending: the same bytes with the same Message-ID are sent again. Commits."""
    with reading():
        rows = db.session.execute(
            select(OutboundMail.id, OutboundMail.claimed_by, OutboundMail.claimed_at).where(
                OutboundMail.state == MailState.SENDING
            )
        ).all()
    for mail_id, owner, claimed_at in rows:
        if owner_is_gone(owner) or (claimed_at and claimed_at < now() - STUCK_AFTER):
            freed = rows_changed(
                update(OutboundMail)
                .where(
                    OutboundMail.id == mail_id,
                    OutboundMail.state == MailState.SENDING,
                    OutboundMail.claimed_by == owner,
                )
                .values(state=MailState.QUEUED)
            )
            if freed:
                log.warning("mail %s was being sent when its process ended; it is sent again", mail_id)
                note(db.session.get_one(OutboundMail, mail_id), "interrupted")
    db.session.commit()


def _due(at_once: bool, channel_id: int | None) -> ColumnElement[bool]:
    due: ColumnElement[bool] = OutboundMail.state == MailState.QUEUED
    if at_once:
        # A mail that was tried just now waits for the next call; else a failing server would be asked for ever.
        due = and_(due, or_(OutboundMail.claimed_at.is_(None), OutboundMail.claimed_at < now()))
    else:
        due = and_(due, OutboundMail.send_after <= now())
    due = and_(due, ~_behind_another())
    return and_(due, OutboundMail.channel_id == channel_id) if channel_id is not None else due


def _behind_another() -> ColumnElement[bool]:
    """Customers read the replies of a ticket in the order in which they were written."""
    earlier = aliased(OutboundMail)
    waits = exists().where(
        earlier.ticket_id == OutboundMail.ticket_id,
        earlier.id < OutboundMail.id,
        earlier.purpose == "ticket_reply",
        earlier.state.in_((MailState.QUEUED, MailState.SENDING)),
        earlier.created_at > now() - IN_ORDER_FOR,
    )
    return and_(OutboundMail.purpose == "ticket_reply", waits)


def _mark_recipients(mail_id: int, state: RecipientState) -> None:
    db.session.execute(
        update(OutboundRecipient)
        .where(OutboundRecipient.mail_id == mail_id, OutboundRecipient.state.in_(UNSENT))
        .values(state=state)
    )
