"""Bounces: what a delivery report does to the mail of ours that came back, its recipients and its author;
and which mails quote a link of ours that lets in."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlalchemy import select

from desk.office import office, relay, signing_key
from desk.receiving.speakers import Speaker
from desk.sending import delivery_results, link_mails, return_addresses
from desk.tickets import undeliverable
from mail.domains import mailbox_key, related
from mail.ids import read_message_id
from mail.judging import private_links, ticket_clues
from mail.judging.refusals import reason_of
from mail.types import Bounce, BounceRecipient, Mail
from models import InboundMail, MailState, OutboundMail, OutboundRecipient, RecipientState, db

ALLEGED = "alleged"  # the reason of a recipient whom a report names that anybody could have written
MAILBOXES = ("imap", "pop3")
# The names that servers report under and that no provider gives to a customer (RFC 2142, 5; RFC 5321, 4.5.1).
_OF_A_SERVER = re.compile(r"(?:mailer-daemon|postmaster|microsoftexchange[0-9a-f]{32})@.+", re.I)
_FROM_OUTSIDE = re.compile(r"\s*from\b", re.I)


def take_back(
    sent: OutboundMail, bounce: Bounce, row: InboundMail, mail: Mail, speaker: Speaker | None
) -> None:
    """Mark the recipients that a delivery report names, and tell the author, in the running transaction.

    `row`: the report in the ledger; `mail` and `speaker`: the report itself, and who wrote it.
    """
    by_token = return_addresses.meant(sent, row.envelope_to)
    from_there = _proven_domain(speaker)
    readers = {recipient.address_key for recipient in sent.recipients}
    for one in named(bounce):
        if by_token is not None and mailbox_key(one.address) not in readers:
            one = replace(
                one, address=by_token.address
            )  # it names another mailbox, or none: that of this way
        hit = reached(sent, one)
        proven = (
            len(sent.recipients) == 1  # whoever else could know of the mail has nothing to gain
            or any(recipient is by_token for recipient in hit)
            or _was_made_here(row, mail)
            or any(_speaks_for(from_there, sent, recipient) for recipient in hit)
        )
        came_back(sent, one, row.id, proven)


def named(bounce: Bounce) -> tuple[BounceRecipient, ...]:
    """Whom a report speaks of; one that names nobody means our reader."""
    return bounce.recipients or (BounceRecipient(""),)


def came_back(
    mail: OutboundMail, report: BounceRecipient, row_id: int | None = None, proven: bool = True
) -> None:
    """A delivery report for one recipient of a mail that left, in the running transaction.

    It counts only for who was really handed over: what never left cannot come back, and who copied a
    Message-ID of ours makes nobody undeliverable who had nothing from us. One that is not proven is told as
    what it is, and changes nobody's state.
    """
    hit = reached(mail, report)
    if not proven and report.permanent:
        _tell_of(mail, [one for one in hit if one.reason != ALLEGED], report, row_id)
        return
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


def _tell_of(
    mail: OutboundMail, hit: list[OutboundRecipient], report: BounceRecipient, row_id: int | None
) -> None:
    """The author hears of it, and it stands beside the recipient: true or not, somebody should look."""
    for recipient in hit:
        recipient.reply, recipient.reason = report.words[:1000] or report.status, ALLEGED
    if hit:
        delivery_results.back_to_author(mail, hit, row_id, "alleged")


def _proven_domain(speaker: Speaker | None) -> str:
    """The domain of From, if the sender check confirms it, and nobody who has a mailbox there can write so."""
    if speaker is None or not speaker.confirmed or not _OF_A_SERVER.fullmatch(speaker.key):
        return ""
    return speaker.key.rpartition("@")[2]


def _was_made_here(row: InboundMail, mail: Mail) -> bool:
    """Whether the mailbox's own server wrote it: no server took it from another (`Received: from`, RFC 5321 4.4).

    Not by our own receiver: who speaks to that can leave out what they like.
    """
    return row.via in MAILBOXES and not any(_FROM_OUTSIDE.match(value) for value in mail.all("received"))


def _speaks_for(domain: str, sent: OutboundMail, recipient: OutboundRecipient) -> bool:
    """The recipient's own servers, or the one that took the mail from us."""
    taken_by = sent.channel.smtp_server if sent.channel is not None and sent.channel.is_own else ""
    if not taken_by and (way := relay()) is not None:
        taken_by = way.host
    return any(related(domain, other) for other in (recipient.address.rpartition("@")[2], taken_by))


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
