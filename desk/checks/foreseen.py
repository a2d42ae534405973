"""The facts of a dry run: those of the database, and what was foreseen of the mails before.

A mail that answers an earlier one of the same mailbox goes into the ticket which that one will open. The tickets
here exist in memory only; their numbers are those that come next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from desk.receiving.deciding import Copy, Decision, Delivery, Reported
from desk.receiving.decision_facts import DatabaseFacts, may_come_twice
from desk.receiving.matching import SAME_ID, KnownTickets, Match
from desk.receiving.speakers import Speaker
from desk.tickets import copies, participants
from mail.domains import mailbox_key
from mail.types import Bounce, Clue, ClueKind, Mail
from models import Channel, Counter, Kind, Message, Outcome, Status, Ticket, db


class ForeseenFacts(DatabaseFacts):
    """Answers `deciding.Asked` as the database will when the mails before are filed. Takes no locks."""

    def __init__(self) -> None:
        self._tickets = ForeseenTickets()
        super().__init__(locks=False, known=self._tickets)
        self._counted: defaultdict[str, int] = defaultdict(int)
        self._carried_before: defaultdict[str, int] = defaultdict(int)
        self._confirmed: list[str] = []
        self._failed: set[int] = set()  # recipients, by number, that reports before have spoken of
        self._failing: frozenset[int] = frozenset()  # and those of the report that is just decided
        self._answers: set[int] = set()  # replies of ours, by number, that will be filed
        # By Message-ID: author, text and the rest; its ticket; whether it was quiet, refuted, and of a newcomer.
        self._come: defaultdict[str, list[tuple[tuple[Any, ...], Ticket, bool, bool, bool]]] = defaultdict(
            list
        )
        self._beside: dict[int, Ticket] = {}  # the ticket here that has a mail of that ticket elsewhere

    def remember(self, mail: Mail, delivery: Delivery, decision: Decision) -> None:
        """What the mails that follow find."""
        self._counted[mail.sender.key[:320]] += 1
        if decision.told.confirmation:
            self._confirmed.append(decision.told.confirmation)
        if decision.outcome == Outcome.BOUNCE:
            self._failed |= self._failing
        if decision.match is None:
            return
        if mail.through is not None:
            self._carried_before[mail.through.key] += 1
        first = db.session.get(Message, decision.copy.message_id) if decision.copy is not None else None
        reader = next(iter(first.to), None) if first is not None and first.kind == Kind.REPLY else None
        ticket = self._tickets.add(
            mail, delivery.channel, decision.match, reader["address"] if reader else ""
        )
        if mail.message_id and decision.speaker is not None:
            quiet = decision.outcome in (Outcome.QUIET, Outcome.BOUNCE)
            refuted, newcomer = decision.speaker.verdict.refuted, decision.match.newcomer
            self._come[mail.message_id].append((_whole(mail), ticket, quiet, refuted, newcomer))
        if first is not None:
            self._answers.add(first.id)
            self._beside[first.ticket_id] = ticket

    def recent(self, sender: str, channel: Channel) -> int:
        return super().recent(sender, channel) + self._counted[sender]

    def recent_through(self, carrier: str, channel: Channel) -> int:
        return super().recent_through(carrier, channel) + self._carried_before[carrier]

    def reported(self, bounce: Bounce) -> Reported | None:
        found = super().reported(bounce)
        self._failing = found.failed - self._failed if found is not None else frozenset()
        return replace(found, failed=self._failing) if found is not None else None

    def same_mail(self, mail: Mail, delivery: Delivery, quiet: bool, refuted: bool) -> Copy | None:
        found = super().same_mail(mail, delivery, quiet, refuted)
        if (found is not None and found.ticket is not None) or not may_come_twice(mail, delivery):
            return found
        for whole, ticket, was_quiet, was_refuted, newcomer in self._come.get(mail.message_id, ())[
            : copies.SAME_ID
        ]:
            if was_quiet <= quiet and was_refuted <= refuted and whole == _whole(mail):
                return Copy(0, ticket=ticket, newcomer=newcomer)
        return found

    def our_answer(self, mail: Mail, delivery: Delivery) -> Copy | None:
        found = super().our_answer(mail, delivery)
        if found is None or found.message_id in self._answers:
            return None
        written_in = db.session.get_one(Message, found.message_id).ticket_id
        return replace(found, ticket=self._beside.get(written_in, found.ticket))

    def confirmed_before(self) -> Sequence[str]:
        return self._confirmed


def _whole(mail: Mail) -> tuple[Any, ...]:
    return mail.sender.key, mail.text, bool(mail.html), *copies.chosen(mail)


class ForeseenTickets(KnownTickets):
    """The tickets of the database, and those that the mails before will open or have joined."""

    def __init__(self) -> None:
        self._with_mail: defaultdict[str, list[Ticket]] = defaultdict(list)
        self._by_number: dict[int, Ticket] = {}
        self._writers: defaultdict[int, set[str]] = defaultdict(set)
        self._through: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
        self._copies: defaultdict[int, set[tuple[str, str, str]]] = defaultdict(set)
        counter = db.session.scalar(select(Counter.value).where(Counter.name == "ticket"))
        self._next = (counter or 0) + 1

    def add(self, mail: Mail, channel: Channel, match: Match, requester: str = "") -> Ticket:
        """The ticket that the mail goes into; of a new one, `requester` is another than the mail's author."""
        ticket = match.ticket
        if ticket is None:
            ticket = Ticket(number=self._next, channel_id=channel.id, status=Status.NEW)
            self._by_number[self._next] = ticket
            self._next += 1
            self._writers[ticket.number].add(
                mailbox_key(requester or mail.sender.address[:320] or "unknown@invalid")
            )
        if not match.newcomer and match.why != "bounce":
            self._writers[ticket.number].add(mailbox_key(mail.sender.address[:320]))
            if mail.through is not None:
                self._through[ticket.number].add((mail.sender.key, mail.through.key))
        if mail.message_id:
            self._with_mail[mail.message_id[:998]].append(ticket)
            self._copies[ticket.number].add((mail.message_id, mail.sender.address, mail.text))
        return ticket

    def named_by(self, clue: Clue, channel: Channel) -> list[Ticket]:
        if clue.kind != ClueKind.FOREIGN_ID:
            foreseen = self._by_number.get(clue.ticket)
            return [foreseen] if foreseen is not None else super().named_by(clue, channel)
        both = super().named_by(clue, channel) + self._with_mail.get(clue.message_id, [])
        both.sort(key=lambda ticket: ticket.channel_id != channel.id)  # as the database orders them
        return list(dict.fromkeys(both))[:SAME_ID]

    def participants(self, ticket: Ticket) -> set[str]:
        known = participants.participants(ticket) if ticket.id is not None else set()
        return known | self._writers.get(ticket.number, set())

    def came_through(self, ticket: Ticket, speaker: Speaker) -> bool:
        if (speaker.key, speaker.through) in self._through[ticket.number]:
            return True
        return ticket.id is not None and super().came_through(ticket, speaker)

    def has_copy(self, ticket: Ticket, mail: Mail) -> bool:
        if (mail.message_id, mail.sender.address, mail.text) in self._copies[ticket.number]:
            return True
        return ticket.id is not None and super().has_copy(ticket, mail)
