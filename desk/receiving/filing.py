"""A judged mail becomes a message: in its ticket or a new one, with attachments, search and notices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy.orm.attributes import set_committed_value

from desk.channels import channels
from desk.channels.addresses import address_key
from desk.notices import notice_mails
from desk.receiving import attached_parts
from desk.receiving.deciding import Decision
from desk.receiving.matching import Match
from desk.receiving.speakers import Speaker
from desk.telling import who_hears
from desk.tickets import copies, search, tickets, undeliverable
from desk.tickets.attachments import add_attachments
from desk.tickets.contacts import as_rows, contact_for, contact_of, language_of
from desk.tickets.list_lines import note_last
from mail import arrival
from mail.judging.ticket_clues import DELIVERY_HEADERS
from mail.providers.lookup import address_of
from mail.safe_reading import Reading
from mail.shared_addresses import is_service, person_named
from mail.showing.clean import finish
from mail.showing.forwarded_mail import read_forward
from mail.showing.quotes import fold_text, is_forward
from mail.types import Address, Mail, Part
from models import (
    Attachment,
    Contact,
    InboundMail,
    Kind,
    Message,
    Outcome,
    Ticket,
    db,
)
from models.base import insert_now, update_now
from models.ticket import after_customer_mail

FETCHED = ("imap", "pop3")  # ways by which mail comes out of a mailbox


def file_mail(row: InboundMail, reading: Reading, decision: Decision) -> None:
    """Add the mail to the running transaction: message, ticket, and what is told. The row gets its ticket."""
    match = decision.match
    assert match is not None, "it goes into no ticket"
    came = arrived_at(row, reading.mail)
    if decision.copy is not None and decision.copy.sent is not None:
        reading = decision.copy.sent  # our own answer says what we wrote, whatever came in its name
    ticket = match.ticket or _open(row, reading.mail, match, came, _answered(decision))
    message = _add_message(row, reading, ticket, match, decision, came)
    if decision.outcome == Outcome.REPLY:
        tickets.move(ticket, after_customer_mail(ticket.status), None)
    update_now(ticket)
    row.ticket_id = ticket.id
    if message.copy_of_id is not None:
        copies.note(message, ticket)
    if not (row.predates_channel or message.refuted or message.through or match.why == "bounce"):
        undeliverable.heard_from(message.from_address, ticket.contact)
    if message.quiet or row.predates_channel:
        return
    if match.ticket is None:
        notice_mails.ticket_opened(ticket, message, decision.told.confirmation, decision.told.withheld)
    else:
        who_hears.customer_answered(ticket, message)


def unreadable(raw: bytes, sender: Address, subject: str, fault: str) -> tuple[Reading, Decision]:
    """What could not be read becomes a visible ticket with the raw mail attached; nobody is answered."""
    original = Part("original.eml", "message/rfc822", raw)
    mail = Mail(sender=sender, subject=subject or "(…)", attachments=(original,))
    match, speaker = Match(None, "unreadable"), Speaker(mail.sender.key)
    return Reading(mail), Decision(Outcome.QUIET, "unreadable", fault, match, speaker)


def arrived_at(row: InboundMail, mail: Mail) -> datetime:
    """When it arrived at its server, which is ours for what a stranger brought to our receiver.

    A mailbox says how long it kept a mail. What is handed to us is under way, which no server lets last longer than
    `arrival.JOURNEY`: an older Received is not of the server that handed it over.
    """
    ours = row.via == "smtp" and (peer := address_of(row.peer)) is not None and peer.is_global
    came = arrival.arrived(mail, row.arrived_at, row.received_at, by_last_hop=not ours)
    under_way = row.via not in FETCHED
    return row.received_at if under_way and came < row.received_at - arrival.JOURNEY else came


def _answered(decision: Decision) -> tuple[Contact, str] | None:
    """Whom our own answer is for, which is filed here, and their name: who reads this channel may write to them."""
    if decision.copy is None or decision.reason != "our_answer":
        return None
    reply = db.session.get_one(Message, decision.copy.message_id)
    of = reply.ticket
    reader = next(iter(reply.to), {"name": of.requester_name, "address": of.contact.address})
    return contact_for(reader["name"], reader["address"], lambda: of.locale), reader["name"]


def _open(
    row: InboundMail, mail: Mail, match: Match, came: datetime, answered: tuple[Contact, str] | None
) -> Ticket:
    by_name = person_named(mail.sender.name) if is_service(mail.sender.address) else mail.sender.name
    contact, name = answered or (contact_of(mail), by_name)
    return tickets.open_ticket(
        subject=mail.subject,
        channel=row.channel,
        contact=contact,
        locale=language_of(mail, contact, row.channel),
        requester_name=name,
        continues=match.continues,
        maybe=match.maybe,
        arrived_at=came,
    )


def _add_message(
    row: InboundMail, reading: Reading, ticket: Ticket, match: Match, decision: Decision, came: datetime
) -> Message:
    """The message with its files and its place in the search; the list shows it as the ticket's last."""
    mail = reading.mail
    sent = cache(lambda: attached_parts.answered_text(mail, ticket)) if match.proved else None
    folded = fold_text(mail.text, forwarded=is_forward(mail.subject), sent=sent)
    message = _described(row, mail, decision)
    message.ticket_id, message.visible, message.opening = ticket.id, len(folded.visible), folded.opening
    message.arrived_at = came
    if match.ticket is None:
        message.forwarded_from = _forwarded_from(mail, reading.attached)
    attachments = add_attachments(mail.attachments)
    attached_parts.note_attached_mails(attachments, reading.heads)
    numbered = any(attachment.content_id for attachment in attachments)
    if not numbered:
        _clean(message, reading, (), sent)
    insert_now(message)
    for attachment in attachments:
        attachment.message_id = message.id
        insert_now(attachment)
    set_committed_value(message, "attachments", attachments)
    if numbered:  # the addresses of pictures in the HTML are made of numbers
        _clean(message, reading, attachments, sent)
    search.index_message(message, *(attachment.name for attachment in attachments))
    note_last(ticket, message)
    ticket.has_attachments = ticket.has_attachments or any(not part.inline for part in mail.attachments)
    if not message.quiet:
        ticket.last_inbound_id = message.id
    tickets.note_event(ticket, "received", message=str(message.id))
    return message


def _described(row: InboundMail, mail: Mail, decision: Decision) -> Message:
    """What the mail says of itself, and what was decided about it."""
    match, speaker = decision.match, decision.speaker
    assert match is not None and speaker is not None
    return Message(
        kind=Kind.INBOUND,
        from_name=mail.sender.name[:320],
        from_address=mail.sender.address[:320],
        through=mail.through.address[:320] if mail.through is not None else "",
        to=as_rows(mail.to),
        cc=as_rows(mail.cc),
        bcc=[],
        # Of our own answer it is the signed address of its ticket, where nobody here is to write to.
        reply_to=as_rows(mail.reply_to) if decision.reason != "our_answer" else [],
        subject=mail.subject,
        text=mail.text,
        reaction=mail.reaction,
        message_id=mail.message_id[:998],
        references=list(mail.references or mail.in_reply_to),
        sent_at=mail.date,
        spam_report=mail.spam_report,
        quiet=decision.outcome in (Outcome.QUIET, Outcome.BOUNCE),
        why=match.why,
        newcomer=match.newcomer,
        sender_state=speaker.verdict.state,
        sender_proof=speaker.verdict.proof[:100],
        refuted=speaker.verdict.refuted,
        posing=speaker.is_agent and not (match.proved and speaker.confirmed),
        inbound_id=row.id,
        copy_of_id=decision.copy.message_id if decision.copy is not None else None,
        written_to=_written_to(row, mail),
        invitation=attached_parts.invitation_row(mail.invitation),
        seals=[seal.value for seal in mail.seals] or None,
    )


def _written_to(row: InboundMail, mail: Mail) -> str:
    """Which further address of its channel a mail was written to, as it is compared; empty: the channel's own.

    What the writer chose counts first; else where it was delivered, by the envelope or by what a server noted.
    """
    aliases = channels.aliases_of(row.channel_id)
    if not aliases:
        return ""
    own = (address_key(row.channel.address), *aliases)
    noted = (value.strip(" <>") for name in DELIVERY_HEADERS for value in mail.all(name))
    named = (*(mailbox.address for mailbox in (*mail.to, *mail.cc)), row.envelope_to, *noted)
    found = (channels.untagged(address_key(address)) for address in named)
    first = next((key for key in found if key in own), own[0])
    return "" if first == own[0] else first


def _clean(
    message: Message,
    reading: Reading,
    attachments: Sequence[Attachment],
    sent: Callable[[], str] | None,
) -> None:
    if not reading.mail.html:
        return
    # Relative to the frame's own address (/messages/<id>/frame), so that it holds below any prefix.
    cids = {
        attachment.content_id: f"../../attachments/{attachment.id}/inline"
        for attachment in attachments
        if attachment.content_id and attachment.shown_as
    }
    safe = finish(reading.sanitized(), cids, forwarded=is_forward(reading.mail.subject), sent=sent)
    message.html, message.remote_images = safe.html, safe.remote_images


def _forwarded_from(mail: Mail, attached: Mail | None) -> dict[str, str] | None:
    """Whom a mail is from that a colleague passed on; an agent decides whether they are the requester."""
    found = read_forward(mail, attached)
    return as_rows([found.author])[0] if found else None
