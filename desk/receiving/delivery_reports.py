"""Bounces: what a delivery report does to the mail of ours that came back, its recipients and its author;
and which mails quote a link of ours that lets in."""

from __future__ import annotations

from sqlalchemy import select

from desk.office import office, signing_key
from desk.sending import delivery_results, link_mails
from desk.tickets import undeliverable
from mail.domains import mailbox_key
from mail.ids import read_message_id
from mail.judging import private_links, ticket_clues
from mail.judging.refusals import reason_of
from mail.types import Bounce, BounceRecipient, Mail
from models import MailState, OutboundMail, OutboundRecipient, RecipientState, db


def take_back(sent: OutboundMail, bounce: Bounce, row_id: int) -> None:
    """Mark the recipients that a delivery report names, and tell the author, in the running transaction.

    `row_id`: of the report in the ledger.
    """
    for recipient in named(bounce):
        came_back(sent, recipient, row_id)


def named(bounce: Bounce) -> tuple[BounceRecipient, ...]:
    """Whom a report speaks of; one that names nobody means our reader."""
    return bounce.recipients or (BounceRecipient(""),)


def came_back(mail: OutboundMail, report: BounceRecipient, row_id: int | None = None) -> None:
    """A delivery report for one recipient of a mail that left, in the running transaction.

    It counts only for who was really handed over: what never left cannot come back, and who copied a
    Message-ID of ours makes nobody undeliverable who had nothing from us.
    """
    hit = reached(mail, report)
    for recipient in hit:
        recipient.reply = report.words[:1000] or report.status
        if report.permanent:
            recipient.move(RecipientState.UNDELIVERABLE)
            recipient.reason = reason_of(report.words, "bounced", report.status)
        elif recipient.state == RecipientState.ACCEPTED:
            recipient.reason = "delayed"  # the other server has it: it is not ours to send again
    if hit and report.permanent:
        if mail.state == MailState.DONE:  # while others still wait, the sending goes on
            mail.move(MailState.FAILED)
            mail.reason, mail.words = hit[0].reason, report.words
        undeliverable.mark(hit, came_back=True)
        delivery_results.back_to_author(mail, hit, row_id)


def reached(mail: OutboundMail, report: BounceRecipient) -> list[OutboundRecipient]:
    """The recipients that a report means and that the mail was handed over for.

    It may name the mailbox that the recipient's mail is passed on to, or nobody: a single recipient is meant.
    """
    known = [r for r in mail.recipients if r.address_key == mailbox_key(report.address)]
    meant = known or (mail.recipients if len(mail.recipients) == 1 else [])
    return [recipient for recipient in meant if _was_handed_over(mail, recipient)]


def holds_a_link(mail: Mail) -> bool:
    """Whether it answers, quotes or encloses our mail with somebody's link for a password, however rewritten.

    An out-of-office reply does, a forward, a bounce.
    """
    if private_links.holds(mail, f"{office().settings.public_url}/password/"):
        return True
    key = signing_key()
    attached = [each for each in private_links.attached_ids(mail) if read_message_id(key, each) == 0]
    named = [*ticket_clues.without_ticket(mail, key), *attached]
    return bool(named) and bool(
        db.session.scalar(
            select(OutboundMail.id)
            .where(OutboundMail.message_id.in_(named), OutboundMail.purpose.in_(link_mails.PURPOSES))
            .limit(1)
        )
    )


def _was_handed_over(mail: OutboundMail, recipient: OutboundRecipient) -> bool:
    """While a mail is being sent, its report may be faster than our note of its hand-over."""
    under_way = mail.state == MailState.SENDING and recipient.state in delivery_results.UNSENT
    return recipient.state == RecipientState.ACCEPTED or under_way
