"""Mail is fetched from a mailbox: stored, filed, and only then removed from the server (S12, S13).

Each mail is known by (channel, UIDVALIDITY, UID) or (channel, UIDL). The removal is a step of its own:
what a crash cut off is found in the ledger and finished later, never by importing again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, insert, select, update

from desk import channels, health, intake, leases
from desk.failpoints import reach
from desk.office import office
from mail.transports import Listed, Source, TemporaryFailure, TransportFailure
from models import (
    AfterFetch,
    Channel,
    Existing,
    InboundMail,
    InboundState,
    Outcome,
    Protocol,
    ServerCopy,
    db,
    now,
)
from models.inbound import DECIDED

BATCH = 50  # mails between two looks at the lease and the channel, and between two removals
OWED_AT_ONCE = 2000

Item = TypeVar("Item")


@dataclass(slots=True)
class Fetch:
    """What one fetch did. `removed` counts copies that are gone from the server or marked there."""

    channel: str
    fetched: int = 0
    removed: int = 0
    left_alone: int = 0
    held: int = 0
    error: str = ""
    words: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Stopped(Exception):
    """The channel was edited, paused or deleted while we fetched, or the process ends: another fetch begins anew."""


def fetch_channel(channel_id: int, wait_seconds: float = 0) -> Fetch:
    """Fetch one mailbox to its end. Raises LeaseHeld when another process is at it.

    A fault of the server is recorded in the channel's health and answered in `error`, never raised.
    """
    return _fetch(channel_id, wait_seconds)


def _fetch(channel_id: int, wait_seconds: float, only_removals: bool = False) -> Fetch:
    with leases.held(_lease(channel_id), wait_seconds):
        channel = db.session.get(Channel, channel_id)
        if channel is None or not (channel.is_own and channel.active and channel.living):
            return Fetch(channel.key if channel else "")
        result, edition = Fetch(channel.key), channel.edition
        try:
            while not Session(channel_id, edition, result, only_removals).run():
                pass
            health.record_success(channel_id, edition)
        except Stopped:
            db.session.rollback()
        except TransportFailure as failure:
            db.session.rollback()
            result.error, result.words = failure.code, failure.words
            temporary = isinstance(failure, TemporaryFailure)
            health.record_failure(channel_id, failure.code, failure.words, temporary, edition)
        return result


def finish_owed(channel_id: int | None, wait_seconds: float = 0) -> int:
    """Remove what is filed but still lies on its server, and fetch nothing; answers how many were removed.

    Raises LeaseHeld. A server that cannot be reached is recorded in the channel's health.
    """
    owing = select(InboundMail.channel_id).where(*_owed()).distinct()
    if channel_id is not None:
        owing = owing.where(InboundMail.channel_id == channel_id)
    ids = list(db.session.scalars(owing))
    db.session.rollback()
    return sum(_fetch(owing_id, wait_seconds, only_removals=True).removed for owing_id in ids)


class Session:
    """One conversation with the mailbox's server. POP3 removes mail when it ends, so there it is one batch."""

    def __init__(self, channel_id: int, edition: int, result: Fetch, only_removals: bool) -> None:
        self.channel_id, self.edition, self.result = channel_id, edition, result
        self.only_removals = only_removals
        self.owed_at_quit: list[int] = []
        self.relisted = False

    def run(self) -> bool:
        """True when the mailbox is done, False when another session must follow."""
        channel = self._channel()
        self.first = channel.first_fetch_at is None
        self.activated_at = channel.activated_at
        self.prefix = f"{channel.mailbox}/"
        self.source: Source = channels.open_source(channel)
        db.session.rollback()
        with self.source:
            done = self._fetch()
            reach("before_quit")
        reach("after_quit")
        if self.source.deletions_kept and self.owed_at_quit:
            self._note_copies(dict.fromkeys(self.owed_at_quit, ServerCopy.DELETED))
        return done

    def _fetch(self) -> bool:
        self._finish_removals()
        if self.only_removals:
            return True
        channel = self._channel()
        # A changed UIDVALIDITY makes all UIDs new: everything is looked at again, the digest finds the known.
        self.relisted = channel.generation != self.source.generation
        listing = self.source.listing(0 if self.relisted else channel.highest_uid)
        wanted = self._sort_out(listing)
        left_out: list[Listed] = []
        for batch in _batches(wanted, BATCH):
            self._channel()
            leases.take(_lease(self.channel_id))
            rows, missing = self._take_in(batch)
            left_out += missing
            self._remove(rows)
            if self.source.protocol == Protocol.POP3 and len(batch) < len(wanted) and rows:
                return False
        self._remember(listing, left_out)
        return True

    def _take_in(self, batch: Sequence[Listed]) -> tuple[list[int], list[Listed]]:
        """Store and file a batch: the rows of these mails, and what the server did not hand out whole."""
        rows: list[int] = []
        missing = {listed.source_id: listed for listed in batch}
        for fetched in self.source.fetch(batch):
            if office().stopping.is_set():
                raise Stopped  # what is filed already is removed by the next fetch
            missing.pop(fetched.listed.source_id, None)
            arrival = intake.Arrival(
                raw=fetched.raw,
                via=self.source.protocol,
                source_id=self._ours(fetched.listed.source_id),
                history=self._is_history(fetched.listed),
                arrived_at=fetched.listed.arrived_at,
            )
            inbound_id = intake.receive(self.channel_id, arrival)
            if inbound_id is None:
                continue
            intake.process(inbound_id, fetched.raw)
            rows.append(inbound_id)
            self.result.fetched += 1
        return rows, list(missing.values())

    def _is_history(self, listed: Listed) -> bool:
        """Older than the channel: by INTERNALDATE, for POP3 by its presence at the first fetch."""
        if self.source.protocol == Protocol.POP3:
            return self.first
        return intake.older_than(self.activated_at, listed.arrived_at)

    def _remove(self, row_ids: Sequence[int]) -> None:
        """Delete, move or mark what has a committed verdict. The only place that takes mail off a server."""
        channel = self._channel()
        how, folder = channel.after_fetch, channel.move_to
        rows = db.session.execute(
            select(InboundMail.id, InboundMail.source_id).where(*_owed(), InboundMail.id.in_(row_ids))
        ).all()
        db.session.rollback()
        if not rows:
            return
        ids = {self._theirs(row.source_id): row.id for row in rows}
        reach("before_removal")
        copies = self.source.dispose(list(ids), str(how), folder)
        reach("after_removal")
        done = {ids[key]: state for key, state in copies.items() if state != ServerCopy.PRESENT}
        self.result.removed += len(done)
        if self.source.protocol == Protocol.POP3 and how == AfterFetch.DELETE:
            self.owed_at_quit += list(done)  # only promised so far: QUIT makes it true
        else:
            self._note_copies(done)
        reach("removal_noted")

    def _finish_removals(self) -> None:
        """What was filed but still lies on the server (a crash, a refusal) is removed; what is gone is noted."""
        owed = db.session.execute(
            select(InboundMail.id, InboundMail.source_id)
            .where(
                *_owed(),
                InboundMail.channel_id == self.channel_id,
                InboundMail.via == self.source.protocol,
            )
            .order_by(InboundMail.id)
            .limit(OWED_AT_ONCE)
        ).all()
        moved = self._channel().after_fetch == AfterFetch.MOVE
        db.session.rollback()
        if not owed:
            return
        here = {row.id: self._theirs(row.source_id) for row in owed if row.source_id.startswith(self.prefix)}
        still_there = self.source.present(list(here.values()))
        gone = [row.id for row in owed if here.get(row.id) not in still_there]
        self._note_copies(dict.fromkeys(gone, ServerCopy.MOVED if moved else ServerCopy.DELETED))
        for batch in _batches([row for row in here if row not in set(gone)], BATCH):
            self._remove(batch)

    def _sort_out(self, listing: Sequence[Listed]) -> list[Listed]:
        """Which of the mails that the server shows are to be fetched; the others get their row and stay."""
        channel = self._channel()
        known = self._known([self._ours(listed.source_id) for listed in listing])
        wanted: list[Listed] = []
        for listed in listing:
            if self._ours(listed.source_id) in known:
                continue
            reason = _left_at_first(channel, listed) if self._lay_here_at_first(channel, listed) else ""
            if reason:
                self._enter(listed, InboundState.LEFT_ALONE, Outcome.LEFT_ALONE, reason)
                self.result.left_alone += 1
            elif listed.size > office().settings.max_mail_bytes:
                self._enter(listed, InboundState.HELD, Outcome.HELD, "oversize")
                self.result.held += 1
            else:
                wanted.append(listed)
        if self.source.protocol == Protocol.IMAP and self.first:
            # From here on everything that is not in the ledger is taken, read or not: a mail that a phone
            # opens while the first fetch runs, or after it was cut off, is not left behind.
            channel.first_fetch_at = now()
        db.session.commit()
        return wanted

    def _lay_here_at_first(self, channel: Channel, listed: Listed) -> bool:
        """Whether a mail was there when the channel was connected: seen now, or by INTERNALDATE after the
        server gave out new UIDs, since what was left alone then has no digest to know it by."""
        if self.first or channel.first_fetch_at is None:
            return True
        return self.relisted and listed.arrived_at is not None and listed.arrived_at <= channel.first_fetch_at

    def _enter(self, listed: Listed, state: InboundState, outcome: Outcome, reason: str) -> None:
        db.session.execute(
            insert(InboundMail).values(
                channel_id=self.channel_id,
                via=self.source.protocol,
                source_id=self._ours(listed.source_id),
                size=listed.size,
                state=state,
                outcome=outcome,
                reason=reason,
                server_copy=ServerCopy.PRESENT,
                arrived_at=listed.arrived_at,
                filed_at=now(),
            )
        )

    def _known(self, source_ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for some in _batches(source_ids, 500):
            found.update(
                db.session.scalars(
                    select(InboundMail.source_id).where(
                        InboundMail.channel_id == self.channel_id, InboundMail.source_id.in_(some)
                    )
                )
            )
        return found

    def _remember(self, listing: Sequence[Listed], left_out: Sequence[Listed]) -> None:
        """This listing is taken care of: next time only what lies above it is asked for."""
        channel = self._channel()
        channel.first_fetch_at = channel.first_fetch_at or now()
        if self.source.protocol == Protocol.IMAP and listing:
            highest = max(listed.position for listed in listing)
            if left_out:  # the server did not hand these out whole: they are asked for again
                highest = min(listed.position for listed in left_out) - 1
            channel.highest_uid = highest if self.relisted else max(channel.highest_uid, highest)
        elif self.relisted:
            channel.highest_uid = 0
        channel.generation = self.source.generation
        db.session.commit()

    def _note_copies(self, copies: dict[int, Any]) -> None:
        for row_id, state in copies.items():
            db.session.execute(
                update(InboundMail)
                .where(InboundMail.id == row_id)
                .values(server_copy=state, removed_at=None if state == ServerCopy.PRESENT else now())
            )
        db.session.commit()

    def _channel(self) -> Channel:
        """The channel as it stands now, if it is still the one that this fetch began with."""
        db.session.rollback()
        if office().stopping.is_set():
            raise Stopped
        channel = db.session.get(Channel, self.channel_id, populate_existing=True)
        if channel is None or not (channel.active and channel.living) or channel.edition != self.edition:
            raise Stopped
        return channel

    def _ours(self, source_id: str) -> str:
        return self.prefix + source_id

    def _theirs(self, source_id: str) -> str:
        return source_id.removeprefix(self.prefix)


def _owed() -> tuple[ColumnElement[bool], ...]:
    """Rows whose copy on the server is to go: a committed verdict, and the bytes are here."""
    return (
        InboundMail.server_copy == ServerCopy.PRESENT,
        InboundMail.state.in_(DECIDED),
        InboundMail.sha256 != "",
    )


def _left_at_first(channel: Channel, listed: Listed) -> str:
    """At the first fetch read mails stay (S12), and all of them if the administrator said so."""
    if channel.existing == Existing.LEAVE:
        return "existing"
    return "was_read" if listed.seen else ""


def _lease(channel_id: int) -> str:
    return f"fetch:{channel_id}"


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
