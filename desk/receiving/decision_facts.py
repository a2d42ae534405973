"""What a decision about a mail asks the database; the dry run puts in what it has foreseen itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import bindparam, func, select

from desk.channels import channels
from desk.notices import notice_mails
from desk.office import signing_key
from desk.receiving import blocking, delivery_reports, matching, speakers
from desk.receiving.deciding import Copy, Delivery, Reported, Told
from desk.receiving.matching import KnownTickets, Match
from desk.receiving.speakers import Speaker
from desk.telling import who_hears
from desk.tickets import copies, participants, tickets
from desk.tickets.contacts import as_rows
from mail import ids, written_for
from mail.domains import mailbox_key
from mail.judging import limits, ticket_clues
from mail.judging.authentication_results import SenderState
from mail.safe_reading import Reading
from mail.showing.forwarded_mail import says_forwarded
from mail.types import Bounce, Clue, Facts, Mail
from models import Channel, InboundMail, Message, OutboundMail, Ticket, db, now

# Asked for every mail, so it is put together once.
RECENT_FROM_SENDER = select(func.count()).where(
    InboundMail.channel_id == bindparam("channel_id"),
    InboundMail.sender == bindparam("sender"),
    InboundMail.received_at > bindparam("since"),
)
# Of the newest messages alone: no index knows who a mail came through, and few mails ask.
LOOKED_AT = 2 * limits.STORM_LIMIT * limits.OWN_GROUP_BRINGS
NEWEST = (
    select(Message.through, Message.inbound_id)
    .where(Message.inbound_id.is_not(None))
    .order_by(Message.id.desc())
    .limit(LOOKED_AT)
    .subquery()
)
RECENT_THROUGH = (
    select(NEWEST.c.through)
    .join(InboundMail, InboundMail.id == NEWEST.c.inbound_id)
    .where(
        NEWEST.c.through != "",
        InboundMail.channel_id == bindparam("channel_id"),
        InboundMail.received_at > bindparam("since"),
    )
)


def as_written(reading: Reading, delivery: Delivery) -> Reading:
    """As of the person who wrote it, where a list of the channel's own, a form or certified mail stands in From.

    Asked before anything is decided, and after the check of the sender, which speaks of who stands in From.
    """
    mail, channel = reading.mail, delivery.channel
    by_reply_to = bool(channel.requester_from_reply_to and mail.reply_to) and not _answers_us(mail, delivery)
    arrival = written_for.Arrival(
        delivery.own_addresses, delivery.envelope_from, channels.own_addresses, by_reply_to
    )
    written = written_for.as_written(mail, arrival)
    return reading if written is mail else replace(reading, mail=written)


def _answers_us(mail: Mail, delivery: Delivery) -> bool:
    """Whether it is an answer to a mail of ours, by a signature: then no form sent it."""
    return any(clue.proves_itself for clue in _clues(mail, delivery))


def _clues(mail: Mail, delivery: Delivery) -> tuple[Clue, ...]:
    recipients = [delivery.envelope_to] if delivery.envelope_to else []
    return ticket_clues.find_clues(mail, signing_key(), recipients)


def may_come_twice(mail: Mail, delivery: Delivery) -> bool:
    """Whether it can have come before: written to the one address of the one channel it cannot, as most mail is."""
    if delivery.channel.id is None or not channels.is_alone():
        return True
    named = {mailbox.key for mailbox in (*mail.to, *mail.cc)}
    return len(delivery.channel_addresses) > 1 or named != delivery.channel_addresses


class DatabaseFacts:
    """Answers `deciding.Asked` by the database as it stands in the running transaction.

    `locks`: what a report speaks of is held until the transaction ends, so that nothing which the sending
    notes meanwhile is overwritten. Who only looks takes no locks.
    """

    def __init__(self, locks: bool = True, known: KnownTickets | None = None) -> None:
        self._locks, self._known = locks, known or KnownTickets()

    def facts(self, mail: Mail, delivery: Delivery) -> Facts:
        key, sender = signing_key(), mail.sender.key[:320]
        is_ours = ids.read_message_id(key, mail.message_id) is not None
        return Facts(
            own_addresses=delivery.own_addresses,
            own_message_id=is_ours,
            names_this_channel=is_ours and self.our_answer(mail, delivery) is not None,
            own_loop_header=any(ids.read_loop(key, value) for value in mail.all(ids.LOOP_HEADER)),
            holds_a_link=delivery_reports.holds_a_link(mail),
            sender_blocked=blocking.stops(mail),
            # Years of mail in a mailbox that was just connected are no storm.
            recent_from_sender=0
            if delivery.predates_channel or not sender
            else max(self.recent(sender, delivery.channel), self._carried(mail, delivery)),
        )

    def _carried(self, mail: Mail, delivery: Delivery) -> int:
        """As `recent`, of who stands in From where that is not the writer: names are had for nothing."""
        if mail.through is None:
            return 0
        found = self.recent_through(mail.through.key, delivery.channel)
        is_own = not delivery.own_addresses.isdisjoint((mail.through.key, mail.through.address.casefold()))
        return found // limits.OWN_GROUP_BRINGS if is_own else found

    def recent(self, sender: str, channel: Channel) -> int:
        """How many mails of this sender came to the channel before this one, within the window of a storm."""
        since = now() - timedelta(seconds=limits.STORM_SECONDS)
        values = {"channel_id": channel.id, "sender": sender, "since": since}
        return db.session.connection().scalar(RECENT_FROM_SENDER, values) or 0

    def recent_through(self, carrier: str, channel: Channel) -> int:
        """How many mails that came through this address (as it is compared) were filed within that window."""
        since = now() - timedelta(seconds=limits.STORM_SECONDS)
        values = {"channel_id": channel.id, "since": since}
        found = db.session.connection().scalars(RECENT_THROUGH, values)
        return sum(mailbox_key(address) == carrier for address in found)

    def speaker(self, mail: Mail, delivery: Delivery) -> Speaker:
        verdict = speakers.verdict_of(delivery.channel, mail, delivery.results)
        speaker = speakers.speaker_of(mail, verdict, delivery.channel, delivery.aliases)
        outer = mail if mail.through is None else replace(mail, sender=mail.through, through=None)
        if not written_for.is_wrapped(outer):
            return speaker
        provider = speakers.verdict_of(delivery.channel, outer, delivery.results)
        return replace(speaker, is_lookalike=provider.state != SenderState.CONFIRMED)

    def clues(self, mail: Mail, delivery: Delivery) -> Iterable[Clue]:
        return _clues(mail, delivery)

    def match(self, mail: Mail, found: Iterable[Clue], speaker: Speaker, channel: Channel) -> Match:
        return matching.find_ticket(found, speaker, channel, self._known, says_forwarded(mail))

    def has_copy(self, ticket: Ticket, mail: Mail) -> bool:
        return bool(mail.message_id) and self._known.has_copy(ticket, mail)

    def same_mail(self, mail: Mail, delivery: Delivery, quiet: bool, refuted: bool) -> Copy | None:
        if not may_come_twice(mail, delivery):
            return None
        elsewhere, here = copies.same_mail(
            mail, delivery.sha256, delivery.channel.id or 0, quiet, refuted, self._locks
        )
        if here is not None:
            return Copy(here.id, ticket=here.ticket, newcomer=here.newcomer)
        return Copy(elsewhere, copies.is_confirmed(elsewhere)) if elsewhere is not None else None

    def our_answer(self, mail: Mail, delivery: Delivery) -> Copy | None:
        if speakers.verdict_of(delivery.channel, mail, delivery.results).refuted:
            return None
        found = copies.our_answer(mail, delivery.channel_addresses, delivery.channel.id or 0, self._locks)
        if found is None:
            return None
        beside = copies.beside(found.reply.ticket, delivery.channel.id or 0)
        ended = beside is not None and matching.closed_for_good(beside)
        return Copy(found.reply.id, ticket=None if ended else beside, sent=found.sent)

    def reported(self, bounce: Bounce) -> Reported | None:
        if not bounce.returned_message_id:
            return None
        query = select(OutboundMail).where(OutboundMail.message_id == bounce.returned_message_id).limit(1)
        if self._locks:  # it may be on its way out
            query = query.with_for_update().execution_options(populate_existing=True)
        sent = db.session.scalar(query)
        if sent is None:
            return None
        ticket = db.session.get(Ticket, sent.ticket_id) if sent.ticket_id else None
        failed = frozenset(
            recipient.id
            for one in delivery_reports.named(bounce)
            if one.permanent
            for recipient in delivery_reports.reached(sent, one)
        )
        return Reported(sent, tickets.standing(ticket) if ticket is not None else None, failed)

    def told(self, mail: Mail, ticket: Ticket | None, speaker: Speaker, channel: Channel) -> Told:
        of = ticket.channel if ticket is not None and ticket.id is not None else channel
        assignee = ticket.assignee_id if ticket is not None else None
        heard = bool(who_hears.readers_of_mail(of, assignee, mail.sender.key))
        if ticket is not None:
            return Told(notice="customer_reply" if heard else "")
        return Told(*self._confirmation(mail, speaker, channel), "new_ticket" if heard else "")

    def confirmed_before(self) -> Sequence[str]:
        """The addresses of confirmations that are not in the database yet."""
        return ()

    def _confirmation(self, mail: Mail, speaker: Speaker, channel: Channel) -> tuple[str, str]:
        """The address that it goes to, or why there is none (`Told`)."""
        if speaker.is_lookalike or not who_hears.enabled("confirmation", channel.id or 0):
            return "", ""
        address = participants.first_reader(as_rows(mail.reply_to), mail.sender.address)
        why_not = notice_mails.refusal(address, speaker.verdict.refuted, self.confirmed_before())
        if not why_not:
            return address, ""
        return "", "" if why_not == "address" else why_not
