"""Story 2, the second half: mails leave from here and nowhere else. Claimed, handed over, and said so."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update

from desk import channels, letters, sent_copies, tickets
from desk.failpoints import reach
from desk.office import office, owner_is_gone
from mail.domains import mailbox_key
from mail.transports import Handover, PermanentFailure, Sender, TransportFailure
from mail.types import BounceRecipient
from models import (
    Channel,
    MailState,
    Message,
    OutboundMail,
    OutboundRecipient,
    RecipientState,
    Status,
    Ticket,
    db,
    now,
)
from models.base import rows_changed

log = logging.getLogger(__name__)

# Minutes after each failed attempt; the last one repeats until PATIENCE is over.
RETRY_MINUTES = (1, 5, 15, 60)
PATIENCE = timedelta(days=4)
TELL_AFTER = timedelta(hours=1)  # a mail that waits longer is shown as delayed
STUCK_AFTER = timedelta(minutes=15)  # no hand-over takes longer; its process is gone
SERVER_DOWN = ("timeout", "connection_lost", "connect_timeout", "connect_refused", "name_not_found")

LINK_MAILS = ("invitation", "password_link")
UNSENT = (RecipientState.QUEUED, RecipientState.DELAYED)


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
        sha256=office().blobs.put(raw) if raw else "",
        send_after=send_after or now(),
        state=MailState.QUEUED,
    )
    unique = {mailbox_key(address): address for address in recipients}
    mail.recipients = [
        OutboundRecipient(address=address, address_key=key, automatic=automatic, state=RecipientState.QUEUED)
        for key, address in unique.items()
    ]
    db.session.add(mail)
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
    """A person asks: a failed or kept mail goes to the recipients that did not get it. Commits."""
    if mail.state not in (MailState.FAILED, MailState.KEPT):
        db.session.rollback()
        return
    mail.state, mail.send_after, mail.attempts, mail.reason, mail.words = MailState.QUEUED, now(), 0, "", ""
    mail.created_at, mail.settled_at = now(), None  # patience begins anew
    for recipient in mail.recipients:
        if recipient.state in (RecipientState.UNDELIVERABLE, RecipientState.CANCELLED):
            recipient.state, recipient.reason = RecipientState.QUEUED, ""
    _event(mail, "send_again")
    db.session.commit()
    office().ring("send", None)


# --- sending


def due_servers() -> list[int | None]:
    """The channels that have mail to send now (None: in the install's own name)."""
    _free_abandoned()
    servers = list(db.session.scalars(select(OutboundMail.channel_id).where(_due(False, None)).distinct()))
    db.session.rollback()
    return servers


def deliver(channel_id: int | None) -> dict[str, int]:
    """Send what is due of one channel over one connection, and answer how many mails ended how."""
    return _serve(channel_id, _due(False, None))


def deliver_due(at_once: bool = False, channel_id: int | None = None) -> dict[str, int]:
    """Send what is due of all channels, one after the other (for the command line).

    `at_once` ignores the undo time and the delays.
    """
    _free_abandoned()
    due = _due(at_once, channel_id)
    servers = list(db.session.scalars(select(OutboundMail.channel_id).where(due).distinct()))
    db.session.rollback()
    total: dict[str, int] = {}
    for server in servers:
        for state, number in _serve(server, due).items():
            total[state] = total.get(state, 0) + number
    return total


def _serve(channel_id: int | None, due: ColumnElement[bool]) -> dict[str, int]:
    """All due mails of one server over one connection."""
    mine = OutboundMail.channel_id.is_(None) if channel_id is None else OutboundMail.channel_id == channel_id
    condition = and_(due, mine)
    counted: dict[str, int] = {}

    def count(state: str) -> None:
        counted[state] = counted.get(state, 0) + 1

    channel = db.session.get(Channel, channel_id) if channel_id is not None else None
    gone = channel is not None and not channel.living
    mail_id: int | None = None
    try:
        sender = channels.open_sender(channel)
        db.session.rollback()
        if sender is None:
            return {"kept": _keep(condition)}
        mail_id = _claim(condition)
        if mail_id is None:
            return counted
        with sender as open_sender:
            while mail_id is not None:
                state, failure = _hand_over(open_sender, mail_id)
                count(state)
                mail_id = None
                if failure is not None and failure.code in SERVER_DOWN:
                    raise failure  # not this mail's fault: the others need not find out one by one
                mail_id = None if office().stopping.is_set() else _claim(condition)
    except TransportFailure as failure:
        # The server did not let us in: no mail is at fault, all of them wait; but not for a deleted channel.
        mail_id = mail_id or _claim(condition)
        while mail_id is not None:
            count(_settle(mail_id, failure, connected=gone))
            mail_id = _claim(condition)
    return counted


def _hand_over(sender: Sender, mail_id: int) -> tuple[str, TransportFailure | None]:
    mail = db.session.get(OutboundMail, mail_id)
    assert mail is not None
    try:
        raw = _frozen(mail)
        recipients = [r.address for r in mail.recipients if r.state in UNSENT]
        envelope_from = mail.envelope_from
        db.session.commit()
        reach("before_handover")
        answers = sender.send(raw, envelope_from, recipients)
        reach("after_handover")
    except TransportFailure as failure:
        return _settle(mail_id, failure), failure
    except Exception as error:
        db.session.rollback()
        log.exception("mail %s could not be sent", mail_id)
        return _settle(mail_id, PermanentFailure("internal", repr(error)[:300])), None
    return _settle(mail_id, answers), None


def _frozen(mail: OutboundMail) -> bytes:
    if not mail.sha256:
        mail.sha256 = office().blobs.put(letters.compose_queued(mail))
        db.session.commit()
    return office().blobs.get(mail.sha256)


def _settle(mail_id: int, result: dict[str, Handover] | TransportFailure, connected: bool = True) -> str:
    """Write down what became of each recipient, and of the mail. One transaction."""
    mail = db.session.scalar(select(OutboundMail).where(OutboundMail.id == mail_id).with_for_update())
    assert mail is not None
    waited = now() - mail.created_at
    told = any(recipient.state == RecipientState.DELAYED for recipient in mail.recipients)
    failed: list[OutboundRecipient] = []
    for recipient in mail.recipients:
        if recipient.state not in UNSENT:
            continue
        outcome, reply, reason = _answer_for(recipient.address, result, connected)
        recipient.reply = reply[:1000]
        if outcome == "accepted":
            recipient.state, recipient.reason = RecipientState.ACCEPTED, ""
        elif outcome == "permanent" or waited > PATIENCE:
            recipient.state = RecipientState.UNDELIVERABLE
            recipient.reason = reason if outcome == "permanent" else "gave_up"
            failed.append(recipient)
        else:
            recipient.state = RecipientState.DELAYED if waited > TELL_AFTER else RecipientState.QUEUED
            recipient.reason = reason
    _conclude(mail, told)
    if failed:  # at once, also while others still wait
        back_to_author(mail, failed)
    state = str(mail.state)
    db.session.commit()
    return state


def _answer_for(
    address: str, result: dict[str, Handover] | TransportFailure, connected: bool
) -> tuple[str, str, str]:
    """Outcome, the server's words, and a reason code."""
    if isinstance(result, TransportFailure):
        # A wrong password or a changed port is for an administrator to mend; the mails wait for that.
        final = isinstance(result, PermanentFailure) and connected
        return ("permanent" if final else "temporary"), result.words, result.code
    answer = result.get(address)
    if answer is None:
        return "temporary", "", "connection_lost"
    return answer.outcome, answer.reply, "" if answer.outcome == "accepted" else "recipients_refused"


def _conclude(mail: OutboundMail, told: bool) -> None:
    """The state of the whole mail. `told`: its delay stands in the ticket's history already."""
    waiting = [r for r in mail.recipients if r.state in UNSENT]
    failed = [r for r in mail.recipients if r.state == RecipientState.UNDELIVERABLE]
    blamed = next(iter(failed or waiting), None)
    mail.reason = blamed.reason if blamed else ""
    mail.words = blamed.reply if blamed else ""
    if waiting:
        delay = RETRY_MINUTES[min(mail.attempts, len(RETRY_MINUTES)) - 1]
        mail.state, mail.send_after = MailState.QUEUED, now() + timedelta(minutes=delay)
        office().ring("send", mail.send_after)
        if not told and any(r.state == RecipientState.DELAYED for r in waiting):
            _event(mail, "delayed", reason=mail.reason)
        return
    mail.done_at = now()
    mail.state = MailState.FAILED if failed else MailState.DONE
    if mail.purpose in LINK_MAILS:
        office().blobs.forget(mail.sha256)  # it holds a link that lets in whoever reads it
    if not failed:
        sent_copies.wish(mail)
        _event(mail, "sent", to=", ".join(r.address for r in mail.recipients))


def back_to_author(mail: OutboundMail, failed: Iterable[OutboundRecipient]) -> None:
    """An undeliverable reply returns the ticket to who wrote it, in the running transaction."""
    first = next(iter(failed))
    _event(mail, "undeliverable", to=first.address, reason=first.reason, words=first.reply[:300])
    if mail.purpose != "ticket_reply" or mail.ticket is None or mail.message is None:
        return
    if mail.ticket.status in (Status.WAITING, Status.RESOLVED, Status.CLOSED):
        tickets.move(mail.ticket, Status.OPEN, None)
    if mail.ticket.assignee_id is None:
        mail.ticket.assignee_id = mail.message.agent_id


def came_back(mail: OutboundMail, report: BounceRecipient) -> None:
    """A delivery report for one recipient of a mail that left, in the running transaction."""
    known = [r for r in mail.recipients if r.address_key == mailbox_key(report.address)]
    hit = known or (mail.recipients if len(mail.recipients) == 1 else [])
    for recipient in hit:
        recipient.reply = report.words[:1000] or report.status
        if report.permanent:
            recipient.state, recipient.reason = RecipientState.UNDELIVERABLE, "bounced"
        elif recipient.state == RecipientState.ACCEPTED:
            recipient.reason = "delayed"  # the other server has it: it is not ours to send again
    if hit and report.permanent:
        if mail.state == MailState.DONE:  # while others still wait, the sending goes on
            mail.state, mail.reason, mail.words = MailState.FAILED, "bounced", report.words
        back_to_author(mail, hit)


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
            _event(mail, "kept")
        db.session.commit()
    return len(ids)


def _claim(condition: ColumnElement[bool]) -> int | None:
    """Take the next mail: the conditional UPDATE lets only one process have it. Commits."""
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
    """A process that died while sending: the same bytes with the same Message-ID are sent again."""
    rows = db.session.execute(
        select(OutboundMail.id, OutboundMail.claimed_by, OutboundMail.claimed_at).where(
            OutboundMail.state == MailState.SENDING
        )
    ).all()
    for mail_id, owner, claimed_at in rows:
        if owner_is_gone(owner) or (claimed_at and claimed_at < now() - STUCK_AFTER):
            log.warning("mail %s was being sent when its process ended; it is sent again", mail_id)
            db.session.execute(
                update(OutboundMail)
                .where(
                    OutboundMail.id == mail_id,
                    OutboundMail.state == MailState.SENDING,
                    OutboundMail.claimed_by == owner,
                )
                .values(state=MailState.QUEUED)
            )
    db.session.commit()


def _due(at_once: bool, channel_id: int | None) -> ColumnElement[bool]:
    due: ColumnElement[bool] = OutboundMail.state == MailState.QUEUED
    if at_once:
        # A mail that was tried just now waits for the next call; else a failing server would be asked for ever.
        due = and_(due, or_(OutboundMail.claimed_at.is_(None), OutboundMail.claimed_at < now()))
    else:
        due = and_(due, OutboundMail.send_after <= now())
    return and_(due, OutboundMail.channel_id == channel_id) if channel_id is not None else due


def _mark_recipients(mail_id: int, state: RecipientState) -> None:
    db.session.execute(
        update(OutboundRecipient)
        .where(OutboundRecipient.mail_id == mail_id, OutboundRecipient.state.in_(UNSENT))
        .values(state=state)
    )


def _event(mail: OutboundMail, kind: str, **details: str) -> None:
    """Into the ticket's history, where a person cares: replies and what the customer gets."""
    if mail.ticket_id is None or mail.agent_id is not None:
        return
    ticket = mail.ticket or db.session.get(Ticket, mail.ticket_id)
    if ticket is not None:
        tickets.note_event(ticket, f"mail_{kind}", None, purpose=mail.purpose, **details)
