"""Story 1: a mail arrives. Stored first, thought about later; each end has a verdict and a reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from desk import batch_cache
from desk.channels import channels
from desk.failpoints import reach
from desk.office import office
from desk.receiving import arrivals, blocking, deciding, delivery_reports, filing, speakers
from desk.receiving.arrivals import Arrival
from desk.receiving.deciding import Decision, Delivery
from desk.receiving.decision_facts import DatabaseFacts, as_written
from desk.receiving.speakers import Route
from desk.trouble import is_trouble
from mail.judging.authentication_results import NO_ANSWER, Result
from mail.providers.lookup import Unanswered
from mail.safe_reading import Reading, TakesTime, read_last, read_with_attached
from mail.types import Address, Mail
from models import Channel, InboundMail, InboundState, Outcome, db, now
from models.base import update_now
from models.inbound import UNDECIDED

log = logging.getLogger(__name__)

Results = tuple[Result, ...]  # of the check of a sender
ATTEMPTS = 3  # to read a mail, each of which ended with our process, before it is shown unread
ASKED_AGAIN = timedelta(seconds=15)  # for what a name server did not answer; see also speakers.WAITS

# Asked for every mail, so it is put together once.
LOCKED = select(InboundMail).where(InboundMail.id == bindparam("id")).with_for_update()


def take_in(channel_id: int, batch: Sequence[Arrival]) -> list[int]:
    """A batch off a server: all of it made durable together, then filed one by one, a transaction each.

    Answers the rows, without those whose source id was known. Stops between two mails when the process
    ends; what is stored by then is filed by the next one. What takes time to read is left to `process_slow`.
    """
    with batch_cache.same_for_a_batch():
        rows = [
            (inbound_id, arrival.raw)
            for inbound_id, arrival in zip(
                arrivals.receive_all(channel_id, batch, begun=True), batch, strict=True
            )
            if inbound_id is not None
        ]
        at_hand = office().at_hand
        at_hand.update(inbound_id for inbound_id, _ in rows)
        channel = db.session.get_one(Channel, channel_id)
        by_pop3 = any(arrival.via == "pop3" for arrival in batch)
        route = Route(speakers.server_name(channel) if rows else "", by_pop3=by_pop3)
        batch_cache.commit()
        try:
            for number, (inbound_id, raw) in enumerate(rows):
                if office().stopping.is_set():
                    _count_attempt([unread for unread, _ in rows[number:]], -1)
                    break
                _process(inbound_id, raw, route, at_once=office().overtakes)
        finally:
            at_hand.difference_update(inbound_id for inbound_id, _ in rows)
    return [inbound_id for inbound_id, _ in rows]


def process(inbound_id: int, raw: bytes | None = None) -> Outcome:
    """Turn a stored mail into what it is: one transaction with its verdict. `raw` saves reading the blob.

    A fault of ours rolls back: the row says so and the bytes are safe. Raises only when the database
    itself is in trouble; the row then stays pending. What the caller has not committed is undone.
    """
    with batch_cache.same_for_a_batch():  # also one mail asks once who its channel and agents are
        _begin([inbound_id])
        return _process_stored(inbound_id, raw)


def _begin(ids: Sequence[int]) -> None:
    """Note an attempt before a mail is read: should that end our process, the next one knows. Commits."""
    counted = [inbound_id for inbound_id in ids if inbound_id not in office().survived]
    office().survived.difference_update(ids)
    _count_attempt(counted, 1)


def _count_attempt(ids: Sequence[int], by: int) -> None:
    """-1: it was none after all. Commits."""
    if ids:
        db.session.execute(
            update(InboundMail)
            .where(InboundMail.id.in_(ids), InboundMail.state.in_(UNDECIDED))
            .values({InboundMail.attempts: InboundMail.attempts + by})
            .execution_options(synchronize_session=False)
        )
        db.session.commit()


def _process_stored(inbound_id: int, raw: bytes | None, *, at_once: bool = False) -> Outcome:
    row = db.session.get(InboundMail, inbound_id)
    if row is None or row.state not in UNDECIDED:
        db.session.rollback()
        return row.outcome if row else Outcome.PENDING
    digest, route = row.sha256, speakers.route_of(row)
    gives_up = row.attempts > ATTEMPTS
    batch_cache.commit()  # reading a mail may take a while: nothing is locked meanwhile
    if gives_up:
        log.error("mail %s ended our process %d times and is shown unread", inbound_id, ATTEMPTS)
        fault = f"reading it ended the process {ATTEMPTS} times"
        try:
            raw = office().blobs.get(digest) if raw is None else raw
        except FileNotFoundError:
            return _failed(inbound_id, None, fault)
        return _failed(inbound_id, raw, fault, read_last(raw))
    return _process(inbound_id, raw, route, digest, at_once=at_once)


def _process(
    inbound_id: int, raw: bytes | None, route: Route, digest: str = "", *, at_once: bool = False
) -> Outcome:
    for last_try in (False, False, True):
        try:
            raw = office().blobs.get(digest) if raw is None else raw
            reach("reading")
            reading = read_with_attached(raw, at_once=at_once, by_pop3=route.by_pop3)
            until = route.waits_until if office().overtakes else None
            late = until is not None and now() >= until  # then it makes nobody behind it wait
            try:
                results = speakers.check(raw, reading.mail, route, at_once=at_once or late)
            except Unanswered:
                if until is not None and not late:
                    return _left_to_the_lane(inbound_id, None if at_once else min(now() + ASKED_AGAIN, until))
                results = (NO_ANSWER,)
            return _decide(inbound_id, reading, results)
        except IntegrityError as error:
            # Two mails at once made the same contact: the second try finds what the other one made.
            db.session.rollback()
            if last_try:
                return _failed(inbound_id, raw, repr(error))
        except TakesTime:
            return _left_to_the_lane(inbound_id)
        except Exception as error:
            db.session.rollback()
            if is_trouble(error):
                office().survived.add(inbound_id)
                raise
            log.exception("mail %s could not be processed", inbound_id)
            return _failed(inbound_id, raw, repr(error))
    raise AssertionError("the last try answers")


def _left_to_the_lane(inbound_id: int, asked_again: datetime | None = None) -> Outcome:
    """It takes time, or waits for a name server: `process_slow` takes it up. That was no attempt."""
    _count_attempt([inbound_id], -1)
    if asked_again is not None:
        office().unanswered[inbound_id] = asked_again
    office().slow.add(inbound_id)
    office().ring("process_slow", asked_again)
    return Outcome.PENDING


def process_pending(limit: int = 500, channel_id: int | None = None) -> int:
    """Take up what a crash or a fault left behind, and what the receiver just stored.

    Mail that takes time to read is left to `process_slow`. Mails begin together, but whoever was begun before
    does so alone: only one mail can be the one that ended the process.
    """
    done, after = 0, 0
    while done < limit and not office().stopping.is_set():
        query = select(InboundMail.id, InboundMail.attempts).where(
            InboundMail.state == InboundState.PENDING, InboundMail.id > after
        )
        if channel_id is not None:
            query = query.where(InboundMail.channel_id == channel_id)
        found = db.session.execute(query.order_by(InboundMail.id).limit(min(50, limit - done))).all()
        db.session.rollback()
        if not found:
            break
        with batch_cache.same_for_a_batch():
            elsewhere = office().at_hand | office().slow  # a fetch is filing it, or it takes time
            _begin([one for one, attempts in found if not attempts and one not in elsewhere])
            for inbound_id, attempts in found:
                after = inbound_id
                if inbound_id in elsewhere:
                    continue
                with _stays_pending(inbound_id):
                    if attempts:
                        _begin([inbound_id])
                    _process_stored(inbound_id, None, at_once=office().overtakes)
                done += 1
    return done


def process_slow() -> int:
    """What takes time to read, or waits for an answer about its sender, one by one while other mail goes its way."""
    done = 0
    for inbound_id in sorted(office().slow):
        if office().stopping.is_set():
            break
        if office().unanswered.get(inbound_id, now()) > now():
            continue
        office().unanswered.pop(inbound_id, None)
        with _stays_pending(inbound_id):
            process(inbound_id)
            if inbound_id not in office().unanswered:
                office().slow.discard(inbound_id)
        done += 1
    return done


@contextmanager
def _stays_pending(inbound_id: int) -> Iterator[None]:
    """What goes wrong leaves the mail for the next run; the mails behind it do not wait for it."""
    try:
        yield
    except Exception as error:
        db.session.rollback()
        log.warning("mail %s stays pending: %s", inbound_id, error, exc_info=not is_trouble(error))


def _decide(inbound_id: int, reading: Reading, results: Results) -> Outcome:
    # One writer per row: a second process waits here and then finds the state changed.
    row = db.session.scalar(LOCKED, {"id": inbound_id})
    if row is None or row.state not in UNDECIDED:
        db.session.rollback()
        return row.outcome if row else Outcome.PENDING
    with db.session.no_autoflush:  # nothing is written before something asks for its number
        delivery = delivery_of(row, results)
        reading = as_written(reading, delivery)
        decision = deciding.decide(reading, delivery, DatabaseFacts())
        _describe(row, reading.mail)
        _enter(row, decision)
        _carry_out(row, reading, decision)
        update_now(row)
    reach("before_commit")
    batch_cache.commit()
    reach("filed")
    office().ring("send", None)
    return decision.outcome


def delivery_of(row: InboundMail, results: Results = ()) -> Delivery:
    """How a mail of the ledger came."""
    released = row.reason == "released"
    return Delivery(
        row.channel,
        row.envelope_from,
        row.envelope_to,
        row.predates_channel,
        released,
        results,
        channels.aliases_of(row.channel_id),
        row.sha256,
    )


def _enter(row: InboundMail, decision: Decision) -> None:
    """The decision in the ledger. No other place writes one of a mail that was read."""
    row.move(decision.outcome, decision.reason, decision.details)
    row.filed_at = now()


def _carry_out(row: InboundMail, reading: Reading, decision: Decision) -> None:
    """What the decision means beyond the ledger, in the running transaction."""
    if decision.sent is not None and reading.bounce is not None:
        delivery_reports.take_back(decision.sent, reading.bounce, row, reading.mail, decision.speaker)
    if decision.match is not None:
        filing.file_mail(row, reading, decision)
    if decision.outcome != Outcome.DROPPED:
        return
    if decision.reason == "own_mail":
        speakers.learn(row.channel, reading.mail)
        channels.note_forward_return(row.channel, reading.mail)
    if decision.reason == "blocked_sender":
        blocking.count_stopped(reading.mail)


def _describe(row: InboundMail, mail: Mail) -> None:
    row.message_id = mail.message_id[:998]
    row.sender = mail.sender.key[:320]
    row.subject = mail.subject[:1000]
    if row.arrived_at is None and (came := filing.arrived_at(row, mail)) != row.received_at:
        row.arrived_at = came


def _failed(inbound_id: int, raw: bytes | None, fault: str, head: Mail | None = None) -> Outcome:
    """A bug of ours met this mail: a visible ticket with the original attached, or a row that says so.

    `head` knows sender and subject of a mail whose row does not.
    """
    row = db.session.get(InboundMail, inbound_id)
    assert row is not None
    if row.state not in UNDECIDED:
        return row.outcome  # it was decided, and what went wrong came after that
    try:
        if raw is None:
            raise FileNotFoundError(fault)
        if head is not None:
            _describe(row, head)
        reading, decision = filing.unreadable(raw, Address("", row.sender), row.subject, fault)
        _enter(row, decision)
        filing.file_mail(row, reading, decision)
        batch_cache.commit()
        return decision.outcome
    except Exception as second:
        db.session.rollback()
        if is_trouble(second):
            raise
        row = db.session.scalar(LOCKED, {"id": inbound_id})
        if row is None or row.state not in UNDECIDED:  # another process was quicker meanwhile
            db.session.rollback()
            return row.outcome if row else Outcome.PENDING
        row.move(Outcome.FAILED, "fault", fault)
        batch_cache.commit()
        return Outcome.FAILED
