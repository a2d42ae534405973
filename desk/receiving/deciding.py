"""What becomes of a mail, decided in one place: by the fetch, the receiver, the dry run and `mail explain`.

`decide` only decides. What it has to know it is given: the mail as it was read, how it came, and somebody who
answers its questions (`Asked`; desk/receiving/decision_facts.py asks the database). Intake writes the
decision down and carries it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from desk.receiving.matching import Match
from desk.receiving.speakers import Speaker
from mail.judging import rules
from mail.judging.authentication_results import Result
from mail.safe_reading import Reading
from mail.types import Action, Bounce, Clue, ClueKind, Facts, Mail, Verdict
from models import Channel, Existing, InboundState, OutboundMail, Outcome, Ticket
from models.inbound import STATE_OF


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a mail came to a channel, and what a person has said of it.

    `envelope_from` is empty for the null sender and None where nobody knows it (fetched mail).
    `predates_channel`: older than the channel's connection, so nobody is told of it. `released`: a person let it in
    from the quarantine. `results`: of the check of the sender, as `speakers.check` answers them. `aliases`: the
    further addresses of the channel, as they are compared. `sha256`: of the bytes, where they are stored.
    """

    channel: Channel
    envelope_from: str | None = None
    envelope_to: str = ""
    predates_channel: bool = False
    released: bool = False
    results: tuple[Result, ...] = ()
    aliases: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def own_addresses(self) -> frozenset[str]:
        """What the mail may be addressed to as ours, casefolded; a group of the company's own among them."""
        return self.channel_addresses | frozenset({self.envelope_to.casefold()} - {""})

    @property
    def channel_addresses(self) -> frozenset[str]:
        """The addresses of the channel itself, however the mail came."""
        channel = self.channel
        ours = (channel.address, channel.address_key, channel.forwarded_from, *self.aliases)
        return frozenset(address.casefold() for address in ours if address)


@dataclass(frozen=True, slots=True)
class Copy:
    """The message that the same mail has become already: in another channel, or as the reply of ours that it is.

    `message_id` is the number of the first one. `confirmed`: its sender got an acknowledgement of one of them.
    `ticket`: the one of this channel that has it already; of a reply of ours, where it belongs. `newcomer`: whether
    its sender took no part there. `sent`: that reply as it left, which is filed in place of what came.
    """

    message_id: int
    confirmed: bool = False
    ticket: Ticket | None = None
    newcomer: bool = False
    sent: Reading | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of a mail.

    `confirmation`: the address that gets one, or empty; then `withheld` may say why not: refuted (the sender
    was forged) or withheld… (a brake). `notice`: what those agents are told who want it, or empty.
    """

    confirmation: str = ""
    withheld: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a mail becomes and why; nothing of it is done yet.

    `reason` is a stable code, translated on screen; `details` the words of the mail behind it. `match` says
    which ticket gets it, None for what goes into none. `speaker` is None for what no ticket gets. `sent`: the
    mail of ours that a delivery report speaks of. `copy`: what the same mail has become elsewhere.
    """

    outcome: Outcome
    reason: str
    details: str = ""
    match: Match | None = None
    speaker: Speaker | None = None
    told: Told = Told()
    sent: OutboundMail | None = None
    copy: Copy | None = None

    @property
    def end(self) -> InboundState:
        return STATE_OF[self.outcome]


# What is decided before a mail is read.
DUPLICATE = Decision(Outcome.DUPLICATE, "duplicate")  # the channel has these bytes
PUT_BACK = Decision(Outcome.LEFT_ALONE, "put_back")  # we put these bytes into the mailbox ourselves
EXISTING = Decision(Outcome.LEFT_ALONE, "existing")  # there before the channel, and nobody wants it
WAS_READ = Decision(Outcome.LEFT_ALONE, "was_read")  # somebody reads this mailbox with a mail program
OVERSIZE = Decision(Outcome.HELD, "oversize")  # above the size limit: not fetched


@dataclass(frozen=True, slots=True)
class Reported:
    """The mail of ours that a delivery report speaks of, and its ticket by now.

    `failed`: the recipients, by number, of whom the report is the first to say that nothing arrived.
    """

    sent: OutboundMail
    ticket: Ticket | None = None
    failed: frozenset[int] = frozenset()

    @property
    def tells_author(self) -> bool:
        """Whether it is a reply, whose author has to hear of it."""
        is_reply = self.sent.purpose == "ticket_reply" and self.sent.message_fk is not None
        return bool(self.failed) and is_reply and self.ticket is not None


def stays(
    seen: bool, size: int, largest: int, *, only_unseen: bool, first: bool = False, existing: str = ""
) -> Decision | None:
    """What the fetch leaves on the server without reading it, or None. `size` and `largest` in bytes.

    `first`: nothing was fetched yet, so what is there may be meant to stay.
    """
    if first and existing == Existing.LEAVE:
        return EXISTING
    if seen and (first or only_unseen):
        return WAS_READ
    return OVERSIZE if size > largest else None


def of_known_bytes(put_back_at: datetime | None) -> Decision:
    """Of bytes that the channel has already, by when we put them back into the mailbox ourselves, if we did."""
    return DUPLICATE if put_back_at is None else PUT_BACK


def predates(arrived_at: datetime | None, activated_at: datetime | None, first: bool) -> bool:
    """Whether a mail is older than its channel: by its arrival (servers count whole seconds), else by its presence
    at the first fetch. `activated_at` is None for a channel that is still to be made."""
    if arrived_at is None or activated_at is None:
        return first
    return arrived_at < activated_at - timedelta(seconds=1)


class Asked(Protocol):
    """The questions of a decision; each is asked only when its answer matters."""

    def facts(self, mail: Mail, delivery: Delivery) -> Facts:
        """What the rules of mail/judging/rules.py need to know."""

    def speaker(self, mail: Mail, delivery: Delivery) -> Speaker:
        """Who speaks, and how far they can be believed."""

    def clues(self, mail: Mail, delivery: Delivery) -> Iterable[Clue]:
        """What ties the mail to a ticket, strongest first."""

    def match(self, mail: Mail, clues: Iterable[Clue], speaker: Speaker, channel: Channel) -> Match:
        """Into which ticket it goes."""

    def has_copy(self, ticket: Ticket, mail: Mail) -> bool:
        """Whether the ticket has the same mail already, by another of our addresses."""

    def same_mail(self, mail: Mail, delivery: Delivery, quiet: bool, refuted: bool) -> Copy | None:
        """What the same mail has become in this channel, which then has all of it, or in another one."""

    def our_answer(self, mail: Mail, delivery: Delivery) -> Copy | None:
        """The reply of ours that it is, if that left by another channel, names this one and is not here yet.

        None where the check of the sender speaks against it.
        """

    def reported(self, bounce: Bounce) -> Reported | None:
        """What a delivery report speaks of; None for nothing of ours."""

    def told(self, mail: Mail, ticket: Ticket | None, speaker: Speaker, channel: Channel) -> Told:
        """Who hears of what a person wrote in this ticket; None: in a new one."""


def decide(reading: Reading, delivery: Delivery, asked: Asked) -> Decision:
    """The one decision about a mail that was read.

    1. The rules of mail/judging/rules.py say what kind of mail it is; what a person let in is not held
    again. 2. What is held or dropped ends here. 3. A delivery report is tied to the mail of ours that it
    speaks of; without one it waits in the quarantine. 4. All else goes into a ticket, an old or a new one;
    MAILER-DAEMON never opens one. 5. Of what a person wrote somebody hears, unless it is older than the
    channel.
    """
    verdict = rules.judge(
        reading.mail, asked.facts(reading.mail, delivery), reading.bounce, delivery.envelope_from
    )
    if delivery.released and verdict.action in (Action.HOLD, Action.DROP):
        verdict = Verdict(Action.FILE, "released")
    match verdict.action:
        case Action.DROP:
            return _ends(Outcome.DROPPED, verdict)
        case Action.HOLD:
            return _ends(Outcome.HELD, verdict)
        case Action.BOUNCE:
            return _report(reading, delivery, asked, verdict)
        case Action.QUIET if verdict.reason == "our_answer":
            return _our_answer(reading.mail, delivery, asked, verdict)
        case Action.FILE | Action.QUIET:
            return _for_a_ticket(reading.mail, delivery, asked, verdict)


def _ends(outcome: Outcome, verdict: Verdict) -> Decision:
    return Decision(outcome, verdict.reason, verdict.detail)


def _report(reading: Reading, delivery: Delivery, asked: Asked, verdict: Verdict) -> Decision:
    """The returned Message-ID carries our signature, so nobody can invent one; but who got our mail can copy it.

    So what only looks like a report, from a person's address, marks nothing: it is filed like any answer.
    One that belongs to nothing of ours never becomes a requester MAILER-DAEMON by itself.
    """
    mail, bounce = reading.mail, reading.bounce
    assert bounce is not None
    found = asked.reported(bounce)
    ticket = found.ticket if found is not None else None
    if found is not None and rules.speaks_for_a_server(mail, delivery.envelope_from):
        match = Match(ticket, "bounce") if ticket is not None else None
        told = Told(notice="delivery_failed" if found.tells_author else "")
        speaker = asked.speaker(mail, delivery)
        return Decision(Outcome.BOUNCE, verdict.reason, verdict.detail, match, speaker, told, found.sent)
    quiet = Verdict(Action.QUIET, verdict.reason, verdict.detail)
    if ticket is not None:
        clue = Clue(ClueKind.SIGNED_ID, ticket=ticket.number)
        return _filed(mail, delivery, asked, quiet, (clue,))
    if delivery.released:
        return _for_a_ticket(mail, delivery, asked, quiet)
    return _ends(Outcome.HELD, verdict)


def _our_answer(mail: Mail, delivery: Delivery, asked: Asked, verdict: Verdict) -> Decision:
    """Beside the ticket that it was written in, for who reads this channel; nobody is answered or told."""
    copy = asked.our_answer(mail, delivery)
    ticket = copy.ticket if copy is not None else None
    match = Match(ticket, "our_answer" if ticket is None else "our_answer_again")
    speaker = asked.speaker(mail, delivery)
    return Decision(Outcome.QUIET, verdict.reason, verdict.detail, match, speaker, copy=copy)


def _for_a_ticket(mail: Mail, delivery: Delivery, asked: Asked, verdict: Verdict) -> Decision:
    decision = _filed(mail, delivery, asked, verdict, asked.clues(mail, delivery))
    is_new = decision.match is not None and decision.match.ticket is None
    if is_new and verdict.action == Action.QUIET and rules.is_mail_server(mail) and not delivery.released:
        return _ends(Outcome.HELD, verdict)  # MAILER-DAEMON is never a requester
    return decision


def _filed(mail: Mail, delivery: Delivery, asked: Asked, verdict: Verdict, clues: Iterable[Clue]) -> Decision:
    speaker = asked.speaker(mail, delivery)
    match = asked.match(mail, clues, speaker, delivery.channel)
    if match.ticket is not None and asked.has_copy(match.ticket, mail):
        return Decision(Outcome.QUIET, "copy", verdict.detail, match, speaker)
    quiet = verdict.action == Action.QUIET
    copy = asked.same_mail(mail, delivery, quiet, speaker.verdict.refuted)
    if copy is not None and copy.ticket is not None:
        again = Match(copy.ticket, "again", newcomer=copy.newcomer)  # to bring it twice lets nobody in
        return Decision(Outcome.QUIET, "again", verdict.detail, again, speaker)
    if quiet:
        return Decision(Outcome.QUIET, verdict.reason, verdict.detail, match, speaker, copy=copy)
    outcome = Outcome.NEW_TICKET if match.ticket is None else Outcome.REPLY
    told = Told() if delivery.predates_channel else asked.told(mail, match.ticket, speaker, delivery.channel)
    confirmed = copy is not None and copy.confirmed
    if told.confirmation and (
        confirmed or rules.from_a_robot(mail, delivery.envelope_from, delivery.own_addresses)
    ):
        told = replace(told, confirmation="")
    return Decision(outcome, verdict.reason, verdict.detail, match, speaker, told, copy=copy)
