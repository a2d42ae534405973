"""What a decision about a mail asks the database; the dry run puts in what it has foreseen itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import bindparam, func, select

from desk.notices import notice_mails
from desk.office import signing_key
from desk.receiving import blocking, delivery_reports, matching, speakers
from desk.receiving.deciding import Delivery
from desk.receiving.matching import Match
from desk.receiving.speakers import Speaker
from desk.telling import who_hears
from desk.tickets import tickets
from mail import ids
from mail.judging import limits, ticket_clues
from mail.showing.forwarded_mail import says_forwarded
from mail.types import Bounce, Clue, Facts, Mail
from models import Channel, InboundMail, Message, OutboundMail, Ticket, db, now

# Asked for every mail, so they are put together once.
RECENT_FROM_SENDER = select(func.count()).where(
    InboundMail.channel_id == bindparam("channel_id"),
    InboundMail.sender == bindparam("sender"),
    InboundMail.received_at > bindparam("since"),
)
SAME_MAIL = select(Message.from_address, Message.text).where(
    Message.ticket_id == bindparam("ticket_id"), Message.message_id == bindparam("message_id")
)


class DatabaseFacts:
    """Answers `deciding.Asked` by the database as it stands in the running transaction.

    `locks`: what a report speaks of is held until the transaction ends, so that nothing which the sending
    notes meanwhile is overwritten. Who only looks takes no locks.
    """

    def __init__(self, locks: bool = True) -> None:
        self._locks = locks

    def facts(self, mail: Mail, delivery: Delivery) -> Facts:
        key, sender = signing_key(), mail.sender.key[:320]
        own = {delivery.channel.address.casefold(), delivery.envelope_to.casefold()}
        return Facts(
            own_addresses=frozenset(own - {""}),
            own_message_id=ids.read_message_id(key, mail.message_id) is not None,
            own_loop_header=any(ids.read_loop(key, value) for value in mail.all(ids.LOOP_HEADER)),
            holds_a_link=delivery_reports.holds_a_link(mail),
            sender_blocked=blocking.stops(sender),
            # Years of mail in a mailbox that was just connected are no storm.
            recent_from_sender=0 if delivery.history or not sender else self.recent(sender, delivery.channel),
        )

    def recent(self, sender: str, channel: Channel) -> int:
        """How many mails of this sender came to the channel before this one, within the window of a storm."""
        since = now() - timedelta(seconds=limits.STORM_SECONDS)
        values = {"channel_id": channel.id, "sender": sender, "since": since}
        return db.session.connection().scalar(RECENT_FROM_SENDER, values) or 0

    def speaker(self, mail: Mail, delivery: Delivery) -> Speaker:
        verdict = speakers.verdict_of(delivery.channel, mail, delivery.results)
        return speakers.speaker_of(mail, verdict, delivery.channel)

    def clues(self, mail: Mail, delivery: Delivery) -> Iterable[Clue]:
        return ticket_clues.find_clues(
            mail, signing_key(), [delivery.envelope_to] if delivery.envelope_to else []
        )

    def match(self, mail: Mail, found: Iterable[Clue], speaker: Speaker, channel: Channel) -> Match:
        return matching.find_ticket(found, speaker, channel, says_forwarded(mail))

    def has_copy(self, ticket: Ticket, mail: Mail) -> bool:
        if not mail.message_id:
            return False
        known = db.session.connection().execute(
            SAME_MAIL, {"ticket_id": ticket.id, "message_id": mail.message_id}
        )
        return any(author == mail.sender.address and text == mail.text for author, text in known)

    def sent(self, bounce: Bounce) -> OutboundMail | None:
        if not bounce.returned_message_id:
            return None
        query = select(OutboundMail).where(OutboundMail.message_id == bounce.returned_message_id).limit(1)
        if self._locks:  # it may be on its way out
            query = query.with_for_update().execution_options(populate_existing=True)
        return db.session.scalar(query)

    def standing(self, sent: OutboundMail) -> Ticket | None:
        ticket = db.session.get(Ticket, sent.ticket_id) if sent.ticket_id else None
        return tickets.standing(ticket) if ticket is not None else None

    def returns_to_author(self, sent: OutboundMail, bounce: Bounce) -> bool:
        if sent.purpose != "ticket_reply" or sent.ticket_id is None or sent.message_fk is None:
            return False
        return any(
            recipient.permanent and delivery_reports.reached(sent, recipient)
            for recipient in delivery_reports.named(bounce)
        )

    def is_heard(self, mail: Mail, ticket: Ticket | None, channel: Channel) -> bool:
        assignee = ticket.assignee_id if ticket is not None else None
        of = ticket.channel if ticket is not None and ticket.id is not None else channel
        return bool(who_hears.readers_of_mail(of, assignee, mail.sender.key))

    def confirmation(self, mail: Mail, speaker: Speaker, channel: Channel) -> tuple[str, str]:
        if not who_hears.enabled("confirmation", channel.id or 0):
            return "", ""
        address = (mail.reply_to or (mail.sender,))[0].address
        refusal = notice_mails.refusal(address, speaker.verdict.refuted)
        return ("", "" if refusal == "address" else refusal) if refusal else (address, "")
