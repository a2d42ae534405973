"""Which ticket does a mail belong to? Five signals, strongest first, and no stranger gets in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import joinedload

from desk.office import the_account
from desk.receiving.speakers import Speaker
from desk.tickets import participants, tickets
from mail.domains import mailbox_key
from mail.judging.authentication_results import NOT_ANSWERED
from mail.types import Clue, ClueKind, Mail
from models import Channel, Message, Status, Ticket, db, now

SAME_ID = 5  # tickets that are asked when several contain one Message-ID

# A mail to two of our addresses is in two tickets: its answers belong to that of their own channel.
# And anybody can copy a Message-ID: the ticket where the sender takes part is the right one.
TICKETS_WITH_MAIL = (
    select(Ticket)
    .join(Message, Message.ticket_id == Ticket.id)
    .where(Message.message_id == bindparam("message_id"))
    .options(joinedload(Ticket.contact))
    .order_by(Ticket.channel_id != bindparam("channel_id"), Message.id)
    .limit(SAME_ID)
)


SAME_MAIL = select(Message.from_address, Message.text).where(
    Message.ticket_id == bindparam("ticket_id"), Message.message_id == bindparam("message_id")
)


CAME_THROUGH = select(Message.from_address, Message.through).where(
    Message.ticket_id == bindparam("ticket_id"),
    Message.through != "",
    Message.newcomer.is_(False),
    Message.refuted.is_(False),
)


# Where a clue stands that does not prove itself: what is not the sender's word there is nobody's.
FIELDS = {
    ClueKind.FOREIGN_ID: frozenset({"in-reply-to", "references"}),
    ClueKind.MARKER: frozenset({"from"}),  # in the body, for which whatever vouches for From vouches too
    ClueKind.SUBJECT: frozenset({"subject"}),
}


@dataclass(frozen=True, slots=True)
class Match:
    """`ticket` is None for a new one. `why` is the code shown as »Warum hier?«.

    `newcomer`: the sender proved a signature of ours but takes no part so far. `continues`: the ticket was
    closed too long ago, so a new, linked one follows it. `maybe`: a clue without proof named this ticket,
    or its mail was forwarded to another of our addresses.
    """

    ticket: Ticket | None
    why: str
    newcomer: bool = False
    continues: Ticket | None = None
    maybe: Ticket | None = None

    @property
    def proved(self) -> bool:
        """Whether a signature of ours led here."""
        return self.why in (ClueKind.REPLY_ADDRESS, ClueKind.SIGNED_ID)


class KnownTickets:
    """What a clue can lead to, by the database."""

    def named_by(self, clue: Clue, channel: Channel) -> list[Ticket]:
        """The tickets that a clue names, the most likely one first."""
        if clue.kind == ClueKind.FOREIGN_ID:
            values = {"message_id": clue.message_id, "channel_id": channel.id}
            return list(dict.fromkeys(db.session.scalars(TICKETS_WITH_MAIL, values)))
        named = db.session.scalar(select(Ticket).where(Ticket.number == clue.ticket))
        return [tickets.standing(named)] if named is not None else []

    def participants(self, ticket: Ticket) -> set[str]:
        """The keys of the addresses that take part."""
        return participants.participants(ticket)

    def came_through(self, ticket: Ticket, speaker: Speaker) -> bool:
        """Whether mail of this person came into the ticket by the same list or service before."""
        rows = db.session.connection().execute(CAME_THROUGH, {"ticket_id": ticket.id})
        return any((mailbox_key(one), mailbox_key(by)) == (speaker.key, speaker.through) for one, by in rows)

    def has_copy(self, ticket: Ticket, mail: Mail) -> bool:
        """Whether it has this mail: the same Message-ID, author and words."""
        known = db.session.connection().execute(
            SAME_MAIL, {"ticket_id": ticket.id, "message_id": mail.message_id}
        )
        return any(author == mail.sender.address and text == mail.text for author, text in known)


def find_ticket(
    clues: Iterable[Clue],
    speaker: Speaker,
    channel: Channel,
    known: KnownTickets,
    forwarded: bool = False,
) -> Match:
    """The first clue that holds decides.

    The address in From is only a claim: clues that do not prove themselves count for participants alone,
    and never where the check of the sender spoke against them. `forwarded`: the mail calls itself so.
    """
    hints: list[tuple[Ticket, str]] = []
    for clue in clues:
        for ticket in known.named_by(clue, channel):
            takes_part = _takes_part(speaker, ticket, clue, known)
            if not takes_part and not clue.proves_itself:
                hints.append((ticket, "maybe"))
                continue
            if ticket.channel_id != channel.id and (forwarded or not clue.proves_itself):
                # WG:/Fwd: to another of our addresses is a matter of its own, linked to the first.
                hints.append((ticket, "other_channel"))
                continue
            if closed_for_good(ticket):
                return Match(None, "reopened_late", continues=ticket)
            return Match(ticket, clue.kind.value, newcomer=not takes_part)
    maybe, why = hints[0] if hints else (None, "new")
    return Match(None, why, maybe=maybe)


def _takes_part(speaker: Speaker, ticket: Ticket, clue: Clue, known: KnownTickets) -> bool:
    if speaker.is_ours or speaker.verdict.refuted or speaker.verdict == NOT_ANSWERED:
        return False
    if not clue.proves_itself:
        if clue.kind in speaker.unheard:
            return False
        if speaker.is_agent and not speaker.confirmed:
            return False
        if not speaker.verdict.unproven.isdisjoint(FIELDS[clue.kind]):
            return False
    if speaker.through and not known.came_through(ticket, speaker):
        return False  # whoever writes through it can name anybody
    return speaker.key in known.participants(ticket)


def closed_for_good(ticket: Ticket) -> bool:
    """Whether it was closed too long ago to be opened again."""
    if ticket.status != Status.CLOSED or ticket.closed_at is None:
        return False
    return ticket.closed_at < now() - timedelta(days=the_account().reopen_days)
