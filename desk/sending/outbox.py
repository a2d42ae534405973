"""Story 2, the second half: mails leave from here and nowhere else. Put in, claimed, handed over, and said so."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.policy import default

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm.attributes import set_committed_value

from desk.channels import channels, connections, dkim, health
from desk.failpoints import reach
from desk.office import office
from desk.sending import brake, claims, link_mails, mail_rendering, return_addresses
from desk.sending.brake import Budget, Lane
from desk.sending.claims import Claimed
from desk.sending.delivery_results import UNCONFIRMED, note, settle
from desk.sending.return_addresses import Envelope
from desk.trouble import is_trouble
from mail.domains import mailbox_key
from models import (
    Channel,
    MailState,
    Message,
    OutboundMail,
    OutboundRecipient,
    RecipientState,
    Ticket,
    db,
    now,
)
from models.base import insert_now, reading, rows_changed
from models.outbound import UNSENT, move_where
from wire import PermanentFailure, Sender, TemporaryFailure, TransportFailure

log = logging.getLogger(__name__)

# The server's fault and no mail's: the others of the run need not find out one by one.
SERVER_DOWN = ("timeout", "connection_lost", "connect_timeout", "connect_refused", "name_not_found")

# --- putting mails in


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMail:
    """A mail as it is put into the outbox.

    What it is: its purpose is ticket_reply, or the name of a notice. What it looks like: `raw` has the
    octets, ready to leave; empty, it is composed when it is first sent, from `about`, `agent_id` and `incidents`.
    """

    purpose: str
    subject: str  # decoded; for the screen, the octets have their own
    recipients: Sequence[str]  # bare addresses; each mailbox gets the mail once
    message_id: str  # RFC 5322, with brackets
    envelope_from: str  # a bare address; empty: the null sender, nobody wants reports about it
    channel: Channel | None  # whose server takes it; None: the relay, in the install's own name
    ticket: Ticket | None = None
    message: Message | None = None  # the reply that it is
    about: Message | None = None  # the message that a notice speaks of
    agent_id: int | None = None  # the agent whom a notice is for
    incidents: list[int] | None = None  # the troubles that an alert speaks of
    raw: bytes = b""
    send_after: datetime | None = None  # None: at once
    automatic: bool = False  # counts for the brake on automatic mail to one address


def queue(new: NewMail) -> OutboundMail:
    """Add a mail and its recipients to the running transaction."""
    # Without a way out such a mail is not stored: who asked for its link sees it once.
    shown_only = new.purpose in link_mails.PURPOSES and not connections.has_way_out(new.channel)
    mail = OutboundMail(
        purpose=new.purpose,
        subject=new.subject[:1000],
        message_id=new.message_id,
        envelope_from=new.envelope_from,
        channel_id=new.channel.id if new.channel else None,
        ticket_id=new.ticket.id if new.ticket else None,
        message_fk=new.message.id if new.message else None,
        about_id=new.about.id if new.about else None,
        agent_id=new.agent_id,
        incidents=new.incidents,
        sha256=link_mails.put(new.purpose, new.raw) if new.raw and not shown_only else "",
        send_after=new.send_after or now(),
    )
    insert_now(mail)
    unique = {mailbox_key(address): address for address in new.recipients}
    rows = [
        OutboundRecipient(mail_id=mail.id, address=address, address_key=key, automatic=new.automatic)
        for key, address in unique.items()
    ]
    for row in rows:
        insert_now(row)
    set_committed_value(mail, "recipients", rows)
    if shown_only:
        mail.move(MailState.KEPT)
        mail.reason = "no_relay"
    return mail


# --- what a person wants of a mail that is in


def cancel(mail_id: int) -> bool:
    """Stop a mail that has not left yet (undo); one UPDATE decides against the sending job. Commits."""
    never_tried = OutboundMail.claimed_at.is_(None)  # so nobody has it
    stopped = move_where(MailState.CANCELLED, OutboundMail.id == mail_id, never_tried, done_at=now())
    if stopped:
        move_where(RecipientState.CANCELLED, OutboundRecipient.mail_id == mail_id)
    db.session.commit()
    return bool(stopped)


def send_again(mail: OutboundMail) -> None:
    """A person asks: a failed or kept mail goes to the recipients that did not get it, or perhaps not. Commits."""
    hold(mail)
    unsure = mail.state == MailState.DONE and any(r.reason == UNCONFIRMED for r in mail.recipients)
    if (mail.state not in (MailState.FAILED, MailState.KEPT) and not unsure) or link_mails.is_spent(mail):
        db.session.rollback()
        return
    begin_anew(mail)
    for recipient in mail.recipients:
        lost = recipient.state in (RecipientState.UNDELIVERABLE, RecipientState.CANCELLED)
        if lost or recipient.reason == UNCONFIRMED:
            recipient.move(RecipientState.QUEUED)
            recipient.reason = ""
    note(mail, "send_again")
    db.session.commit()
    office().ring("send", None)


def hold(mail: OutboundMail) -> bool:
    """Read a mail again and keep it from others until the transaction ends: it may be on its way by now.

    False if it is gone.
    """
    query = select(OutboundMail).where(OutboundMail.id == mail.id).with_for_update()
    return db.session.scalar(query.execution_options(populate_existing=True)) is not None


def begin_anew(mail: OutboundMail) -> None:
    """Due at once, as if it had never been tried; patience begins anew too. In the running transaction."""
    mail.move(MailState.QUEUED)
    mail.created_at = mail.send_after = now()
    mail.attempts, mail.reason, mail.words, mail.set_aside_at = 0, "", "", None


# --- sending


def due_servers(lane: Lane | None = None) -> list[int | None]:
    """The channels that have mail to send now, in a lane or at all (None: in the install's own name)."""
    if lane != Lane.AUTOMATIC:
        claims.free_abandoned()
    return _servers_of(claims.due(lane=lane))


def deliver(channel_id: int | None, lane: Lane | None = None) -> dict[str, int]:
    """Send what is due of one channel and lane over one connection, and answer how many mails ended how."""
    return _serve(channel_id, claims.due(lane=lane))


def deliver_due(at_once: bool = False, channel_id: int | None = None) -> dict[str, int]:
    """Send what is due of all channels, one after the other (for the command line).

    `at_once` ignores the undo time and the delays.
    """
    claims.free_abandoned()
    due = claims.due(at_once, channel_id)
    total: Counter[str] = Counter()
    for server in _servers_of(due):
        total.update(_serve(server, due))
    return dict(total)


def _servers_of(condition: ColumnElement[bool]) -> list[int | None]:
    with reading():
        return list(db.session.scalars(select(OutboundMail.channel_id).where(condition).distinct()))


@dataclass(slots=True)
class _Run:
    """One server's turn: the condition of what is due there, the mail in hand, and how the others ended."""

    due: ColumnElement[bool]
    left: dict[Budget, int] = field(default_factory=dict)  # mails until the brake; none: it has no say
    in_hand: Claimed | None = None  # claimed, and not settled yet
    ended: Counter[str] = field(default_factory=Counter)

    def claim(self) -> bool:
        """Take the next mail; false when there is none for us."""
        for budget in [budget for budget, left in self.left.items() if left <= 0]:
            self.due = claims.rest(self.due, budget)
            del self.left[budget]
        self.in_hand = claims.claim(self.due)
        return self.in_hand is not None

    def end(self, state: str) -> None:
        assert self.in_hand is not None
        budget = brake.budget_of(self.in_hand.purpose)
        if budget in self.left:
            self.left[budget] -= 1
        self.in_hand = None
        self.ended[state] += 1


def _serve(channel_id: int | None, due: ColumnElement[bool]) -> dict[str, int]:
    """All due mails of one server over one connection; answers how many ended how.

    1. Find the way out. Where there is none, because no relay is set up, what is due is kept.
    2. Claim the first mail, people's before what writes itself: one conditional UPDATE decides that it is ours, and
       counts the attempt.
    3. Connect and sign in, and note that this way works.
    4. Freeze the mail: composed and signed once and stored, so that a retry sends the same octets.
    5. Hand it over, and write down what the server said of each recipient (desk/sending/delivery_results.py).
    6. Claim the next one and go on with step 4, until nothing is due, the brake holds or the office closes.
    7. If nobody lets us in, or the server falls silent, note the trouble; every mail that is due waits.

    A process may die between any two steps: what it had claimed is found abandoned and sent again.
    """
    run = _Run(and_(due, OutboundMail.channel_id == channel_id))  # None: IS NULL
    channel, gone = None, False
    try:
        with reading():
            channel = db.session.get(Channel, channel_id) if channel_id is not None else None
            gone = channel is not None and not channel.living
            way_out = connections.open_sender(channel)
        if way_out is None:
            return {"kept": claims.keep(run.due)}
        run.left = brake.left(channel_id)
        if run.claim():
            with way_out as sender:
                _record(channel, None)
                _one_after_the_other(run, sender)
    except TransportFailure as failure:
        if not gone:
            _record(channel, failure)
        _nobody_gets_in(run, failure, gone)
    return dict(run.ended)


def _one_after_the_other(run: _Run, sender: Sender) -> None:
    """The mail in hand and all that follow. Raises TransportFailure when the server itself is down."""
    while run.in_hand is not None:
        state, failure = _hand_over(sender, run.in_hand.mail_id)
        run.end(state)
        if failure is not None and failure.code in SERVER_DOWN:
            raise failure
        if not office().stopping.is_set():
            run.claim()


def _nobody_gets_in(run: _Run, failure: TransportFailure, gone: bool) -> None:
    """No mail is at fault, so all of them wait; but they fail where the channel was deleted (`gone`)."""
    run.left.clear()  # nothing leaves: the brake has no say
    while run.in_hand is not None or run.claim():
        assert run.in_hand is not None
        run.end(settle(run.in_hand.mail_id, failure, connected=gone))


class _TakenOver(Exception):
    """Another process holds the claim of this mail."""


def _record(channel: Channel | None, failure: TransportFailure | None) -> None:
    """How a way out fares; all »Standard« addresses share the relay, so it counts as the default channel's."""
    of = channel if channel is not None and channel.is_own else channels.default()
    health.record_sending(of.id, failure)


def _hand_over(sender: Sender, mail_id: int) -> tuple[str, TransportFailure | None]:
    """One mail to the server; answers how it ended, and what failed if it was the way there."""
    prepared = False
    try:
        raw, envelope_from, envelopes = _frozen(mail_id)
        prepared = True
        reach("before_handover")
        answers = return_addresses.send(sender, raw, envelopes, envelope_from)
        reach("after_handover")
    except _TakenOver:
        log.warning("mail %s was claimed by another process meanwhile, which sends it", mail_id)
        return str(MailState.SENDING), None
    except TransportFailure as failure:
        return settle(mail_id, failure), failure
    except Exception as error:
        db.session.rollback()
        if is_trouble(error) and not prepared:
            log.warning("mail %s waits, disk or database are in trouble: %s", mail_id, error)
            return settle(mail_id, TemporaryFailure("internal", str(error)[:300])), None
        log.exception("mail %s could not be sent", mail_id)
        return settle(mail_id, PermanentFailure("internal", repr(error)[:300])), None
    return settle(mail_id, answers), None


def _frozen(mail_id: int) -> tuple[bytes, str, list[Envelope]]:
    """The bytes that leave, who sends them, and the envelopes to whom. Commits if they were not stored yet.

    Composed and signed once, and stored, so that a retry sends the same; nobody waits for that meanwhile.
    Raises _TakenOver when we took so long that our claim was given to another process.
    """
    with reading():
        mail = db.session.get_one(OutboundMail, mail_id)
        stored, envelope_from, purpose = mail.sha256, mail.envelope_from, mail.purpose
        envelopes = return_addresses.envelopes(mail, [r for r in mail.recipients if r.state in UNSENT])
        if link_mails.is_spent(mail):
            raise PermanentFailure("link_expired")
        raw = link_mails.octets(mail) if stored else mail_rendering.compose_queued(mail)
        signed = dkim.signed(mail, raw)
    if not stored or signed is not raw:
        frozen = {"sha256": link_mails.put(purpose, signed)}
        if not stored:  # what a queued notice is about; only now it has words
            frozen["subject"] = str(message_from_bytes(raw, policy=default)["Subject"])[:1000]
        kept = rows_changed(update(OutboundMail).where(claims.still_ours(mail_id)).values(frozen))
        db.session.commit()
        if not kept:
            raise _TakenOver
        if stored:
            office().blobs.forget(stored)  # nothing else has these bytes
    return signed, envelope_from, envelopes
