"""Decisions that were made, or that would be: of a row of the ledger, and of a mail file for one channel."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import ScalarSelect, select

from desk.channels import channels
from desk.notices import notice_mails
from desk.receiving import deciding, speakers
from desk.receiving.deciding import Decision, Delivery
from desk.receiving.decision_facts import DatabaseFacts, as_written
from desk.tickets.participants import CLUES
from mail.domains import mailbox_key
from mail.safe_reading import Reading
from models import (
    Channel,
    InboundMail,
    Message,
    NoticeItem,
    OutboundMail,
    OutboundRecipient,
    Outcome,
    Ticket,
    TicketEvent,
    db,
    now,
)

JOINED = (
    *CLUES,
    "bounce",
    "our_answer_again",
    "again",
)  # the clues that led into a ticket which was there before
WITHHELD = "confirmation_"  # begins the ticket's event that says why there was no confirmation


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision as people and scripts read it: codes and numbers, where a `Decision` has the rows to work on.

    `ticket` is the number of the ticket that the mail joins, None where it opens one or goes into none; then
    `continues` and `maybe` may name others. `why` is the clue that decided, »Warum hier?«. `speaker` is the
    address of who wrote it as it is compared, `through` that of a list or service in From. The rest as in Decision,
    Match, SenderVerdict and Told.
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
    through: str = ""
    sender_state: str = ""
    sender_proof: str = ""
    refuted: bool = False
    confirmation: str = ""
    withheld: str = ""
    notice: str | None = ""  # None: forgotten, it is too long ago
    foreseen: bool = False  # the ticket that it speaks of is still to be made, by a mail of the same dry run


def explain(decision: Decision) -> Explanation:
    """What was decided and why, detached from the database."""
    match, told = decision.match, decision.told
    said = Explanation(
        str(decision.end), str(decision.outcome), decision.reason, decision.details, notice=told.notice
    )
    if match is None or decision.speaker is None:
        return said
    verdict = decision.speaker.verdict
    spoken_of = match.ticket or match.continues or match.maybe
    return replace(
        said,
        ticket=_number(match.ticket),
        why=str(match.why),
        newcomer=match.newcomer,
        continues=_number(match.continues),
        maybe=_number(match.maybe),
        speaker=decision.speaker.key,
        through=decision.speaker.through,
        sender_state=str(verdict.state),
        sender_proof=verdict.proof,
        refuted=verdict.refuted,
        confirmation=told.confirmation,
        withheld=told.withheld,
        foreseen=spoken_of is not None and spoken_of.id is None,
    )


def _number(ticket: Ticket | None) -> int | None:
    return ticket.number if ticket is not None else None


def if_it_came(reading: Reading, channel: Channel) -> Explanation:
    """What would become of a mail if it came to the channel now, by a mailbox. Changes nothing."""
    results = speakers.foreseen(channel, reading.mail)
    delivery = Delivery(channel, results=results, aliases=channels.aliases_of(channel.id))
    return explain(deciding.decide(as_written(reading, delivery), delivery, DatabaseFacts(locks=False)))


def stored(row: InboundMail, message: Message | None) -> Explanation:
    """What was decided about a mail of the ledger, as its rows tell; `message` is what it became.

    Agents may have moved its message since; notices are forgotten after a month. One statement.
    """
    said = Explanation(str(row.state), str(row.outcome), row.reason, row.details)
    if message is None or message.inbound_id != row.id:  # of identical bytes the first became one
        return said
    ticket, opened = message.ticket, message.why not in JOINED
    confirmation, withheld, notice = db.session.execute(
        select(_confirmed(message), _withheld(message), _notice(row, message))
    ).one()
    return replace(
        said,
        ticket=None if opened else ticket.number,
        why=message.why,
        newcomer=message.newcomer,
        continues=_number(ticket.continues) if opened else None,
        maybe=_number(ticket.maybe) if opened else None,
        speaker=row.described.sender,
        through=mailbox_key(message.through),
        sender_state=message.sender_state,
        sender_proof=message.sender_proof,
        refuted=message.refuted,
        confirmation=confirmation or "",
        withheld=(withheld or "").removeprefix(WITHHELD) if opened else "",
        notice=notice or ("" if _still_noted(row) else None),
    )


def _still_noted(row: InboundMail) -> bool:
    """Whether the events that agents were told of are still there (`notice_mails.forget_old`)."""
    return row.filed_at is not None and row.filed_at > now() - notice_mails.KEPT


def _confirmed(message: Message) -> ScalarSelect[str]:
    """The address that a confirmation of this mail went to."""
    return (
        select(OutboundRecipient.address)
        .join(OutboundMail, OutboundMail.id == OutboundRecipient.mail_id)
        .where(OutboundMail.about_id == message.id, OutboundMail.purpose == "confirmation")
        .limit(1)
        .scalar_subquery()
    )


def _withheld(message: Message) -> ScalarSelect[str]:
    """The ticket's event that says why there was none."""
    return (
        select(TicketEvent.kind)
        .where(
            TicketEvent.ticket_id == message.ticket_id, TicketEvent.kind.startswith(WITHHELD, autoescape=True)
        )
        .limit(1)
        .scalar_subquery()
    )


def _notice(row: InboundMail, message: Message) -> ScalarSelect[str]:
    """What agents were told of it. Of a report they hear under the reply that did not arrive."""
    of_it = NoticeItem.about_id == message.id
    if row.outcome == Outcome.BOUNCE:
        of_it = NoticeItem.details["report"].as_string() == str(row.id)
    return (
        select(NoticeItem.notice)
        .where(NoticeItem.ticket_id == message.ticket_id, of_it)
        .limit(1)
        .scalar_subquery()
    )
