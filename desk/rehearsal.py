"""The dry run: what the first fetch of a mailbox would do, told before anything is saved or touched."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime

from flask import Flask, current_app
from sqlalchemy import select

from desk import accounts, blocking, matching
from desk.channel_values import ChannelValues, completed, grant_of, incoming_password
from desk.connections import incoming_credentials, incoming_server
from desk.office import office, signing_key
from desk.senders import Speaker
from desk.trials import LONGEST, trials
from mail import clues, guards, ids
from mail.forwards import says_forwarded
from mail.reading import Reading, read
from mail.transports import Timeouts, TransportFailure
from mail.transports.looking import Glance, Glimpse, glance
from mail.types import Action, Facts, Mail
from models import Channel, Existing, InboundMail, db
from models.base import reading

log = logging.getLogger(__name__)

NEWEST = 20  # mails that are listed


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One mail and what would become of it.

    `what`: new_ticket, reply, machine, bounce, own_mail, held, dropped, was_read, existing, known, too_large.
    `ticket` is the number for a reply, else 0.
    """

    subject: str
    sender: str
    arrived_at: datetime | None
    what: str
    ticket: int = 0


@dataclass(slots=True)
class Rehearsal:
    """`failure` is a code with the server's `words`; `takes` how many of `total` mails the fetch would take."""

    agent_id: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    began: float = field(default_factory=time.monotonic)
    done: bool = False
    failure: str = ""
    words: str = ""
    total: int = 0
    takes: int = 0
    mails: list[Foreseen] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return not self.done and time.monotonic() - self.began < LONGEST

    def wait(self) -> None:
        while self.running:
            time.sleep(0.05)


def start(values: ChannelValues, channel: Channel | None, agent_id: int) -> Rehearsal:
    """Begin to look into the mailbox of these values, saved or not. Answers at once."""
    values = completed(values)
    rehearsal = Rehearsal(agent_id)
    login = incoming_credentials(values, incoming_password(values, channel), grant_of(values, channel))
    # The stored one is taken for its place in the mailbox only where it is still the same mailbox.
    stored = channel.id if channel is not None and values.server == channel.server else None
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    server = replace(incoming_server(values), timeouts=Timeouts(LONGEST / 3, LONGEST / 2))
    db.session.rollback()
    trials().keep(rehearsal)

    def run() -> None:
        try:
            seen = glance(values.protocol, server, login, NEWEST)
            with app.app_context():
                _foresee(rehearsal, values, stored, seen)
        except TransportFailure as failure:
            rehearsal.failure, rehearsal.words = failure.code, failure.words
        except Exception:
            log.exception("a dry run failed")
            rehearsal.failure = "internal"
        finally:
            rehearsal.done = True

    threading.Thread(target=run, name="dry run", daemon=True).start()
    return rehearsal


def get(token: str, agent_id: int) -> Rehearsal | None:
    """The dry run that this agent has begun; None when it is forgotten or another's."""
    found = trials().get(token, agent_id)
    return found if isinstance(found, Rehearsal) else None


def _foresee(rehearsal: Rehearsal, values: ChannelValues, stored: int | None, seen: Glance) -> None:
    """Judge the newest mails as the fetch would. Reads the database, changes nothing."""
    readings = [read(glimpse.raw) for glimpse in seen.mails]  # may take a while: nothing is locked meanwhile
    try:
        with reading():
            channel = db.session.get(Channel, stored) if stored is not None else None
            first = channel is None or channel.first_fetch_at is None
            mails = [
                _foreseen(glimpse, its, values, channel, first)
                for glimpse, its in zip(seen.mails, readings, strict=True)
            ]
    finally:
        db.session.remove()
    rehearsal.mails, rehearsal.total = mails, seen.total
    if not first:  # of all below the newest the ledger knows
        rehearsal.takes = sum(_is_taken(mail) for mail in mails)
    elif values.existing == Existing.TAKE:
        rehearsal.takes = seen.unread


def _foreseen(
    glimpse: Glimpse, its: Reading, values: ChannelValues, channel: Channel | None, first: bool
) -> Foreseen:
    mail = its.mail
    shown = Foreseen(mail.subject, mail.sender.name or mail.sender.address, glimpse.arrived_at, "")
    if channel is not None and _is_known(channel, glimpse.source_id):
        return replace(shown, what="known")
    if first and values.existing == Existing.LEAVE:
        return replace(shown, what="existing")
    if first and glimpse.seen:
        return replace(shown, what="was_read")
    if glimpse.size > office().settings.max_mail_bytes:
        return replace(shown, what="too_large")
    verdict = guards.judge(mail, _facts(mail), its.bounce)
    if verdict.action in (Action.DROP, Action.HOLD, Action.BOUNCE):
        what = {Action.HOLD: "held", Action.BOUNCE: "bounce"}.get(verdict.action, "dropped")
        return replace(shown, what="own_mail" if verdict.reason == "own_mail" else what)
    match = matching.find_ticket(
        clues.find_clues(mail, signing_key(), []),
        Speaker(mail.sender.key, is_agent=accounts.agent_by_email(mail.sender.key) is not None),
        channel or Channel(id=0),
        says_forwarded(mail),
    )
    if match.ticket is not None:
        return replace(shown, what="reply", ticket=match.ticket.number)
    return replace(shown, what="machine" if verdict.action == Action.QUIET else "new_ticket")


def _facts(mail: Mail) -> Facts:
    """What the fetch would ask of the database, but for the counts of a storm: years of mail are none."""
    key = signing_key()
    return Facts(
        own_message_id=ids.read_message_id(key, mail.message_id) is not None,
        own_loop_header=any(ids.read_loop(key, value) for value in mail.all(ids.LOOP_HEADER)),
        sender_blocked=blocking.stops(mail.sender.key),
    )


def _is_known(channel: Channel, source_id: str) -> bool:
    name = f"{channel.mailbox}/{source_id}"
    query = select(InboundMail.id).where(InboundMail.channel_id == channel.id, InboundMail.source_id == name)
    return db.session.scalar(query) is not None


def _is_taken(mail: Foreseen) -> bool:
    return mail.what not in ("known", "was_read", "existing", "too_large")
