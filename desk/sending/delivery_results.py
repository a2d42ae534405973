"""What a mail server said becomes the state of each recipient, of the mail, and of its ticket."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import select

from desk.office import office
from desk.sending import alert_routes, link_mails, retry_delays, sent_copies
from desk.sending.link_mails import UNCONFIRMED
from desk.sending.retry_delays import PATIENCE, TELL_AFTER
from desk.telling import who_hears
from desk.tickets import tickets, undeliverable
from mail.judging.refusals import reason_of
from models import Agent, MailState, OutboundMail, OutboundRecipient, RecipientState, Status, Ticket, db, now
from models.outbound import ENDED, UNSENT
from wire import Handover, PermanentFailure, TransportFailure

log = logging.getLogger(__name__)


def settle(mail_id: int, result: dict[str, Handover] | TransportFailure, connected: bool = True) -> str:
    """Write down what became of each recipient, and of the mail. One transaction; answers the mail's state.

    `result`: what the server said of each address, or why it could not be asked. `connected`: it let us in.
    """
    mail = db.session.scalar(select(OutboundMail).where(OutboundMail.id == mail_id).with_for_update())
    assert mail is not None
    state = str(mail.state)
    if mail.state in ENDED:
        db.session.rollback()
        log.warning("mail %s had ended otherwise (%s) when its hand-over did", mail_id, state)
        return state
    waited = now() - mail.created_at
    told = any(recipient.state == RecipientState.DELAYED for recipient in mail.recipients)
    accepted, failed = _answered(mail, result, connected, waited)
    unsent = failed or any(recipient.state in UNSENT for recipient in mail.recipients)
    if mail.incidents and unsent and waited <= PATIENCE and alert_routes.take_another(mail, failed):
        mail.move(MailState.QUEUED)
    else:
        _conclude(mail, told)
        if accepted:
            undeliverable.taken_again(accepted)
        if failed:  # at once, also while others still wait
            if not isinstance(result, TransportFailure):  # else it speaks of the way there, and of no address
                undeliverable.mark(failed)
            back_to_author(mail, failed)
    state, with_link = str(mail.state), mail.purpose in link_mails.PURPOSES
    db.session.commit()
    if with_link:
        link_mails.forget_what_left(mail_id)
    return state


def _answered(
    mail: OutboundMail, result: dict[str, Handover] | TransportFailure, connected: bool, waited: timedelta
) -> tuple[list[OutboundRecipient], list[OutboundRecipient]]:
    """Note what was said of each recipient that still waits; answers who got the mail and who never will."""
    accepted: list[OutboundRecipient] = []
    failed: list[OutboundRecipient] = []
    for recipient in mail.recipients:
        if recipient.state not in UNSENT:
            continue
        outcome, reply, reason = _answer_for(recipient.address, result, connected)
        recipient.reply, recipient.reason = reply[:1000], reason
        if outcome == "accepted":
            recipient.move(RecipientState.ACCEPTED)
            accepted.append(recipient)
        elif outcome == "permanent" or waited > PATIENCE:
            recipient.move(RecipientState.UNDELIVERABLE)
            recipient.reason = reason if outcome == "permanent" else "gave_up"
            failed.append(recipient)
        else:
            recipient.move(RecipientState.DELAYED if waited > TELL_AFTER else RecipientState.QUEUED)
    return accepted, failed


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
    if answer.outcome == "accepted":  # without a reply the server fell silent when it had the whole mail
        return "accepted", answer.reply, "" if answer.reply else UNCONFIRMED
    return answer.outcome, answer.reply, reason_of(answer.reply, "recipients_refused")


def _conclude(mail: OutboundMail, told: bool) -> None:
    """The state of the whole mail. `told`: its delay stands in the ticket's history already."""
    waiting = [r for r in mail.recipients if r.state in UNSENT]
    failed = [r for r in mail.recipients if r.state == RecipientState.UNDELIVERABLE]
    blamed = next(iter(failed or waiting), None)
    mail.reason = blamed.reason if blamed else ""
    mail.words = blamed.reply if blamed else ""
    if waiting:
        mail.move(MailState.QUEUED)
        mail.send_after = now() + retry_delays.after(mail.attempts)
        office().ring("send", mail.send_after)
        if not told and any(r.state == RecipientState.DELAYED for r in waiting):
            note(mail, "delayed", reason=mail.reason)
        return
    mail.done_at = now()
    mail.move(MailState.FAILED if failed else MailState.DONE)
    if not failed:
        sent_copies.wish(mail)
        note(mail, "sent", to=", ".join(r.address for r in mail.recipients))


def back_to_author(
    mail: OutboundMail,
    failed: Iterable[OutboundRecipient],
    report: int | None = None,
    kind: str = "undeliverable",
) -> None:
    """An undeliverable reply returns the ticket to who wrote it, in the running transaction.

    `report`: the row of the delivery report in the ledger, where one says so. `kind`: alleged, if it may be forged.
    """
    first = next(iter(failed))
    note(mail, kind, to=first.address, reason=first.reason, words=first.reply[:300])
    if mail.purpose != "ticket_reply" or mail.ticket is None or mail.message is None:
        return
    if mail.ticket.status in (Status.WAITING, Status.RESOLVED, Status.CLOSED):
        tickets.move(mail.ticket, Status.OPEN, None)
    if mail.ticket.assignee_id is None:
        mail.ticket.assignee_id = mail.message.agent_id
    who_hears.undeliverable(mail.ticket, mail.message, first.address, first.reason, first.reply, report)


def note(mail: OutboundMail, kind: str, by: Agent | None = None, **details: str) -> None:
    """Into the ticket's history, where a person cares: replies and what the customer gets."""
    if mail.ticket_id is None or mail.agent_id is not None:
        return
    ticket = mail.ticket or db.session.get(Ticket, mail.ticket_id)
    if ticket is not None:
        tickets.note_event(tickets.standing(ticket), f"mail_{kind}", by, purpose=mail.purpose, **details)
