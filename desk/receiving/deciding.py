"""What becomes of a mail, decided in one place: by the fetch, the receiver, the dry run and `mail explain`.

`decide` only decides. What it has to know it is given: the mail as it was read, how it came, and somebody who
answers its questions (`Asked`; desk/receiving/decision_facts.py asks the database). Intake writes the
decision down and carries it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from desk.receiving.matching import Match
from desk.receiving.speakers import Speaker
from mail.judging import rules
from mail.judging.authentication_results import Result
from mail.safe_reading import Reading
from mail.types import Action, Bounce, Clue, ClueKind, Facts, Mail, Verdict
from models import Channel, InboundState, OutboundMail, Outcome, Ticket
from models.inbound import STATE_OF


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a mail came to a channel, and what a person has said of it.

    `envelope_from` is empty for the null sender and None where nobody knows it (fetched mail).
    `history`: older than the channel's connection, so nobody is told of it. `released`: a person let it in
    from the quarantine. `results`: of our own check of the sender, where no server before us made one.
    """

    channel: Channel
    envelope_from: str | None = None
    envelope_to: str = ""
    history: bool = False
    released: bool = False
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of a mail.

    `confirmation`: the address that gets one, or empty; then `withheld` may say why not: refuted (the sender
    was forged) or withheld (the brake). `notice`: what those agents are told who want it, or empty.
    """

    confirmation: str = ""
    withheld: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a mail becomes and why; nothing of it is done yet.

    `reason` is a stable code, translated on screen; `details` the words of the mail behind it. `match` says
    which ticket gets it, None for what goes into none. `speaker` is None for what no ticket gets. `sent`: the
    mail of ours that a delivery report speaks of.
    """

    outcome: Outcome
    reason: str
    details: str = ""
    match: Match | None = None
    speaker: Speaker | None = None
    told: Told = Told()
    sent: OutboundMail | None = None

    @property
    def end(self) -> InboundState:
        return STATE_OF[self.outcome]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision as people and scripts read it: codes and numbers in place of rows.

    `ticket` is the number of the ticket that the mail joins, None where it opens one or goes into none; then
    `continues` and `maybe` may name others. `why` is the clue that decided, »Warum hier?«. `speaker` is the
    address of From as it is compared. The rest as in Decision, Match, SenderVerdict and Told.
    """

    end: str
    outcome: str
    reason: str
    details: str = ""
    ticket: int | None = None
    why: str = ""
    newcomer: bool = False
    continues: int | None = None
    maybe: int | None = None
    speaker: str = ""
    sender_state: str = ""
    sender_proof: str = ""
    refuted: bool = False
    confirmation: str = ""
    withheld: str = ""
    notice: str | None = ""  # None: forgotten, it is too long ago
    foreseen: bool = False  # `ticket` is still to be made, by a mail of the same dry run


def explain(decision: Decision) -> Explanation:
    """What was decided and why, detached from the database."""
    match, speaker, told = decision.match, decision.speaker, decision.told
    said = Explanation(str(decision.end), str(decision.outcome), decision.reason, decision.details)
    if match is not None:
        said = replace(
            said,
            ticket=_number(match.ticket),
            why=str(match.why),
            newcomer=match.newcomer,
            continues=_number(match.continues),
            maybe=_number(match.maybe),
            foreseen=match.ticket is not None and match.ticket.id is None,
            confirmation=told.confirmation,
            withheld=told.withheld,
        )
    if speaker is not None:
        verdict = speaker.verdict
        said = replace(
            said,
            speaker=speaker.key,
            sender_state=str(verdict.state),
            sender_proof=verdict.proof,
            refuted=verdict.refuted,
        )
    return replace(said, notice=told.notice)


def _number(ticket: Ticket | None) -> int | None:
    return ticket.number if ticket is not None else None


# What is decided before a mail is read.
DUPLICATE = Decision(Outcome.DUPLICATE, "duplicate")  # the channel has these bytes
PUT_BACK = Decision(Outcome.LEFT_ALONE, "put_back")  # we put these bytes into the mailbox ourselves
EXISTING = Decision(Outcome.LEFT_ALONE, "existing")  # there before the channel, and nobody wants it
WAS_READ = Decision(Outcome.LEFT_ALONE, "was_read")  # somebody reads this mailbox with a mail program
OVERSIZE = Decision(Outcome.HELD, "oversize")  # above the size limit: not fetched


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

    def sent(self, bounce: Bounce) -> OutboundMail | None:
        """The mail of ours that a delivery report speaks of."""

    def standing(self, sent: OutboundMail) -> Ticket | None:
        """The ticket that this mail of ours belongs to, by now."""

    def returns_to_author(self, sent: OutboundMail, bounce: Bounce) -> bool:
        """Whether a report tells of a failure that the author of a reply has to hear of."""

    def confirmation(self, mail: Mail, speaker: Speaker, channel: Channel) -> tuple[str, str]:
        """The address of a confirmation of a new ticket, or why there is none (`Told`)."""

    def is_heard(self, mail: Mail, ticket: Ticket | None, channel: Channel) -> bool:
        """Whether there is an agent whom a mail in this ticket (None: in a new one) concerns."""


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
    sent = asked.sent(bounce)
    ticket = asked.standing(sent) if sent is not None else None
    if sent is not None and rules.speaks_for_a_server(mail, delivery.envelope_from):
        match = Match(ticket, "bounce") if ticket is not None else None
        notice = "delivery_failed" if asked.returns_to_author(sent, bounce) else ""
        told = Told(notice=notice)
        speaker = asked.speaker(mail, delivery)
        return Decision(Outcome.BOUNCE, verdict.reason, verdict.detail, match, speaker, told, sent)
    quiet = Verdict(Action.QUIET, verdict.reason, verdict.detail)
    if ticket is not None:
        clue = Clue(ClueKind.SIGNED_ID, ticket=ticket.number)
        return _filed(mail, delivery, asked, quiet, (clue,))
    if delivery.released:
        return _for_a_ticket(mail, delivery, asked, quiet)
    return _ends(Outcome.HELD, verdict)


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
    if verdict.action == Action.QUIET:
        return Decision(Outcome.QUIET, verdict.reason, verdict.detail, match, speaker)
    outcome = Outcome.NEW_TICKET if match.ticket is None else Outcome.REPLY
    told = Told() if delivery.history else _told(mail, match, speaker, delivery.channel, asked)
    return Decision(outcome, verdict.reason, verdict.detail, match, speaker, told)


def _told(mail: Mail, match: Match, speaker: Speaker, channel: Channel, asked: Asked) -> Told:
    heard = asked.is_heard(mail, match.ticket, channel)
    if match.ticket is not None:
        return Told(notice="customer_reply" if heard else "")
    return Told(*asked.confirmation(mail, speaker, channel), "new_ticket" if heard else "")
