"""Story 1: a mail arrives. Stored first, thought about later; each end has a verdict and a reason."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from desk import blocking, bounced, filing, forwards, matching, senders
from desk.failpoints import reach
from desk.office import office, signing_key
from mail import clues, guards, ids
from mail.forwards import says_forwarded
from mail.reading import Reading, read
from mail.senders import Result
from mail.types import Action, Facts, Mail, Verdict
from models import InboundMail, InboundState, Outcome, ServerCopy, db, now
from models.base import one_at_a_time

log = logging.getLogger(__name__)

Results = tuple[Result, ...]  # of the check of a sender


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail at our door. `source_id` is its identity at the server, unique per channel.

    `envelope_from` is empty for the null sender and None where nobody knows it (fetched mail).
    `peer`: the IP address that brought it to our own receiver.
    `history`: older than the channel's connection, so nobody is told of it. `arrived_at`: INTERNALDATE.
    """

    raw: bytes
    via: str
    source_id: str
    envelope_from: str | None = None
    envelope_to: str = ""
    history: bool = False
    peer: str = ""
    arrived_at: datetime | None = None


def receive(channel_id: int, arrival: Arrival) -> int | None:
    """Store a mail durably: bytes and row. Answers the row's id, or None if this source id was known.

    When this returns, the mail cannot be lost any more. Raises on a full disk or a lost database;
    then nothing was stored that anybody relies on, and the sender keeps the mail.
    """
    db.session.rollback()
    digest = office().blobs.put(arrival.raw)
    reach("stored")
    one_at_a_time([f"{channel_id}:{digest}"])  # a client that gave up on us and comes again meanwhile
    first = db.session.execute(
        select(InboundMail.id, InboundMail.put_back_at)
        .where(
            InboundMail.channel_id == channel_id,
            InboundMail.sha256 == digest,
            InboundMail.state != InboundState.DUPLICATE,
        )
        .order_by(InboundMail.id)
        .limit(1)
    ).one_or_none()
    row = InboundMail(
        channel_id=channel_id,
        via=arrival.via,
        source_id=arrival.source_id[:255],
        sha256=digest,
        size=len(arrival.raw),
        envelope_from=arrival.envelope_from,
        envelope_to=arrival.envelope_to[:320],
        peer=arrival.peer[:60],
        history=arrival.history,
        arrived_at=arrival.arrived_at,
        server_copy=ServerCopy.PRESENT if arrival.via in ("imap", "pop3") else ServerCopy.NONE,
    )
    if first is not None:
        row.state, row.outcome, row.reason = InboundState.DUPLICATE, Outcome.DUPLICATE, "duplicate"
        if first.put_back_at is not None:
            # We put it there ourselves and the server did not say as which UID, or we died before noting it.
            row.state, row.outcome, row.reason = InboundState.LEFT_ALONE, Outcome.LEFT_ALONE, "put_back"
        row.duplicate_of_id, row.filed_at = first.id, now()
    db.session.add(row)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        return None
    reach("received")
    return row.id


def process(inbound_id: int, raw: bytes | None = None) -> Outcome:
    """Turn a stored mail into what it is: one transaction with its verdict. `raw` saves reading the blob.

    A fault of ours rolls back: the row says so and the bytes are safe. Raises only when the database
    itself is in trouble; the row then stays pending.
    """
    row = db.session.get(InboundMail, inbound_id)
    if row is None or row.state not in (InboundState.PENDING, InboundState.FAILED):
        db.session.rollback()
        return row.outcome if row else Outcome.PENDING
    digest, released = row.sha256, row.reason == "released"
    peer, envelope_from = senders.to_check(row)
    db.session.rollback()  # reading a mail may take a while: nothing is locked meanwhile
    for last_try in (False, False, True):
        try:
            raw = office().blobs.get(digest) if raw is None else raw
            reading = read(raw)
            results = senders.own_check(raw, reading.mail, envelope_from, peer)
            return _decide(inbound_id, reading, released, results)
        except IntegrityError as error:
            # Two mails at once made the same contact: the second try finds what the other one made.
            db.session.rollback()
            if last_try:
                return _failed(inbound_id, raw, error)
        except Exception as error:
            db.session.rollback()
            if is_trouble(error):
                raise
            log.exception("mail %s could not be processed", inbound_id)
            return _failed(inbound_id, raw, error)
    raise AssertionError("the last try answers")


def process_pending(limit: int = 500, channel_id: int | None = None) -> int:
    """Take up what a crash or a fault left behind, and what the receiver just stored."""
    done, after = 0, 0
    while done < limit and not office().stopping.is_set():
        query = select(InboundMail.id).where(
            InboundMail.state == InboundState.PENDING, InboundMail.id > after
        )
        if channel_id is not None:
            query = query.where(InboundMail.channel_id == channel_id)
        found = db.session.scalars(query.order_by(InboundMail.id).limit(min(50, limit - done))).all()
        db.session.rollback()
        if not found:
            break
        for inbound_id in found:
            after = inbound_id
            try:
                process(inbound_id)
            except Exception as error:
                # It stays pending for the next run; the mails behind it do not wait for it.
                log.warning("mail %s stays pending: %s", inbound_id, error, exc_info=not is_trouble(error))
            done += 1
    return done


def _decide(inbound_id: int, reading: Reading, released: bool, results: Results = ()) -> Outcome:
    mail, bounce = reading.mail, reading.bounce
    # One writer per row: a second process waits here and then finds the state changed.
    row = db.session.scalar(select(InboundMail).where(InboundMail.id == inbound_id).with_for_update())
    if row is None or row.state not in (InboundState.PENDING, InboundState.FAILED):
        db.session.rollback()
        return row.outcome if row else Outcome.PENDING
    _describe(row, mail)
    verdict = guards.judge(mail, _facts(row, mail), bounce, row.envelope_from)
    if released and verdict.action in (Action.HOLD, Action.DROP):
        verdict = Verdict(Action.FILE, "released")
    row.reason, row.details, row.filed_at = verdict.reason, verdict.detail[:500], now()
    match verdict.action:
        case Action.DROP:
            row.state, row.outcome = InboundState.DROPPED, Outcome.DROPPED
            if verdict.reason == "own_mail":
                senders.learn(row.channel, mail)
                forwards.note_return(row.channel, mail)
        case Action.HOLD:
            row.state, row.outcome = InboundState.HELD, Outcome.HELD
        case Action.BOUNCE:
            assert bounce is not None
            if not bounced.take_back(row, mail, bounce):
                if released:
                    _file(row, mail, True, True, results)
                else:
                    row.state, row.outcome = InboundState.HELD, Outcome.HELD
        case Action.FILE | Action.QUIET:
            _file(row, mail, verdict.action == Action.QUIET, released, results)
    if verdict.reason == "blocked_sender" and row.outcome == Outcome.DROPPED:
        blocking.count_stopped(row.sender)
    outcome = row.outcome
    reach("before_commit")
    db.session.commit()
    reach("filed")
    office().ring("send", None)
    return outcome


def _file(row: InboundMail, mail: Mail, quiet: bool, released: bool, results: Results) -> None:
    found = clues.find_clues(mail, signing_key(), [row.envelope_to] if row.envelope_to else [])
    speaker = senders.speaker_of(mail, senders.verdict_of(row, mail, results))
    match = matching.find_ticket(found, speaker, row.channel, says_forwarded(mail))
    if quiet and match.ticket is None and guards.is_mail_server(mail) and not released:
        row.state, row.outcome = InboundState.HELD, Outcome.HELD  # MAILER-DAEMON is never a requester
        return
    filing.file_mail(row, mail, match, quiet, speaker)


def _facts(row: InboundMail, mail: Mail) -> Facts:
    key = signing_key()
    recent = db.session.scalar(
        select(func.count()).where(
            InboundMail.channel_id == row.channel_id,
            InboundMail.sender == row.sender,
            InboundMail.received_at > now() - timedelta(hours=1),
        )
    )
    own = {row.channel.address.casefold(), row.envelope_to.casefold()}
    return Facts(
        own_addresses=frozenset(own - {""}),
        own_message_id=ids.read_message_id(key, mail.message_id) is not None,
        own_loop_header=any(ids.read_loop(key, value) for value in mail.all(ids.LOOP_HEADER)),
        sender_blocked=blocking.stops(row.sender),
        # Years of mail in a mailbox that was just connected are no storm. This very mail is among the counted.
        recent_from_sender=0 if row.history or not row.sender else max(0, (recent or 0) - 1),
    )


def _describe(row: InboundMail, mail: Mail) -> None:
    row.message_id = mail.message_id[:998]
    row.sender = mail.sender.key[:320]
    row.subject = mail.subject[:1000]
    row.attempts += 1


def _failed(inbound_id: int, raw: bytes | None, error: Exception) -> Outcome:
    """A bug of ours met this mail: a visible ticket with the original attached, or a row that says so."""
    row = db.session.get(InboundMail, inbound_id)
    assert row is not None
    try:
        if raw is None:
            raise error
        filing.file_unreadable(row, raw)
        row.reason, row.details, row.filed_at = "unreadable", repr(error)[:500], now()
        outcome = row.outcome
        db.session.commit()
        return outcome
    except Exception as second:
        db.session.rollback()
        if is_trouble(second):
            raise
        row = db.session.get(InboundMail, inbound_id)
        assert row is not None
        row.attempts += 1
        row.reason, row.details = "fault", repr(error)[:500]
        row.state, row.outcome = InboundState.FAILED, Outcome.FAILED
        db.session.commit()
        return Outcome.FAILED


def is_trouble(error: Exception) -> bool:
    """The database or the disk is at fault, not the mail: it is tried again when they are well."""
    if isinstance(error, FileNotFoundError):
        return False  # the blob is gone: no waiting brings it back
    return isinstance(error, OSError | OperationalError | InterfaceError)


def older_than(activated_at: datetime, arrived_at: datetime | None) -> bool:
    """Whether a mail was in the mailbox before its channel was activated; servers count whole seconds."""
    return arrived_at is not None and arrived_at < activated_at - timedelta(seconds=1)
