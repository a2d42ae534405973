"""Mail is fetched from a mailbox: stored, filed, and only then removed from the server (S12, S13).

Each mail is known by (channel, UIDVALIDITY, UID) or (channel, UIDL). A mailbox of any size is looked
at page by page: what is held in memory is a page, a batch of raw mails, and the numbers of the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from desk import leases
from desk.batches import batches, together
from desk.channels import connections, health, oauth
from desk.failpoints import reach
from desk.office import office
from desk.receiving import arrivals, deciding, intake, removal, reused_uidls
from desk.receiving.deciding import Decision
from models import (
    AfterFetch,
    Channel,
    Existing,
    FetchRecord,
    InboundMail,
    Outcome,
    Protocol,
    ServerCopy,
    db,
    now,
)
from models.inbound import first_verdict
from wire import Fetched, Listed, Source, TemporaryFailure, TransportFailure

BATCH = 50  # mails between two looks at the lease and the channel, and between two removals
BYTES_AT_ONCE = 8 * 1024 * 1024  # of raw mail that is stored together; beyond that nothing is won
PAGE = 500  # mails listed at once, and compared with the ledger in one question
ENTERED_AT_ONCE = 1000  # rows of a transaction that enters what is left alone
SESSION_SECONDS = 600  # then another conversation begins: no server likes endless ones


@dataclass(slots=True)
class Fetch:
    """What one fetch did. `removed` counts copies that are gone from the server or marked there, `refused`
    those that should be and are not."""

    channel: str
    fetched: int = 0
    removed: int = 0
    refused: int = 0
    left_alone: int = 0
    held: int = 0
    error: str = ""
    words: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Stopped(Exception):
    """The channel was edited, paused or deleted while we fetched, its lease went to another, or the process
    ends: another fetch begins anew."""


def fetch_channel(channel_id: int, wait_seconds: float = 0) -> Fetch:
    """Fetch one mailbox to its end. Raises LeaseHeld when another process is at it.

    A fault of the server is recorded in the channel's health and answered in `error`, never raised.
    """
    return _fetch(channel_id, wait_seconds)


def finish_owed(channel_id: int | None, wait_seconds: float = 0) -> int:
    """Remove what is filed but still lies on its server, and fetch nothing; answers how many were removed.

    Raises LeaseHeld. A server that cannot be reached is recorded in the channel's health.
    """
    owing = removal.due_channels(channel_id)
    return sum(_fetch(owing_id, wait_seconds, only_removals=True).removed for owing_id in owing)


def _fetch(channel_id: int, wait_seconds: float, only_removals: bool = False) -> Fetch:
    with leases.held(leases.of_mailbox(channel_id), wait_seconds):
        channel = db.session.get(Channel, channel_id)
        if channel is None or not (channel.is_own and channel.active and channel.living):
            return Fetch(channel.key if channel else "")
        result, edition, began_at = Fetch(channel.key), channel.edition, now()
        try:
            session = _converse(channel_id, edition, result, only_removals)
            result.refused = session.removals.count_refused()
            withheld = None if only_removals else session.withheld_ids()
            source = session.source
            health.record_success(
                channel_id, edition, result.refused, source.refusal, withheld, source.login_delay
            )
        except Stopped:
            db.session.rollback()
        except TransportFailure as failure:
            db.session.rollback()
            temporary = isinstance(failure, TemporaryFailure)
            if failure.code == "login_delay" and health.record_wait(channel_id, failure.wait, edition):
                return result
            if not office().stopping.is_set() and health.record_failure(
                channel_id, failure.code, failure.words, temporary, edition
            ):
                result.error, result.words = failure.code, failure.words
        _keep_record(channel_id, began_at, result)
        return result


def _converse(channel_id: int, edition: int, result: Fetch, only_removals: bool) -> Session:
    """As many conversations as it takes; the last of them. Raises TransportFailure, Stopped.

    A server may end one when the token that it began with expires (OAuth): that is no fault, and another
    follows with a fresh token. Once, since a server that is broken would end that one as well.
    """
    may_run_out = True
    while True:
        session, began_at = Session(channel_id, edition, result, only_removals), now()
        try:
            if session.run() or session.source.login_delay:  # then the next fetch goes on
                return session
        except TemporaryFailure:
            db.session.rollback()
            if not (may_run_out and oauth.ran_out(channel_id, began_at)):
                raise
            may_run_out = False


def _keep_record(channel_id: int, began_at: datetime, result: Fetch) -> None:
    health.keep(
        FetchRecord(
            channel_id=channel_id,
            began_at=began_at,
            ended_at=now(),
            fetched=result.fetched,
            removed=result.removed,
            refused=result.refused,
            left_alone=result.left_alone,
            held=result.held,
            code=result.error,
            words=result.words,
        )
    )


class Session:
    """One conversation with the mailbox's server. POP3 deletes mail when it ends, so there it is one batch."""

    source: Source
    removals: removal.Removals

    def __init__(self, channel_id: int, edition: int, result: Fetch, only_removals: bool) -> None:
        self.channel_id, self.edition, self.result = channel_id, edition, result
        self.only_removals = only_removals
        self.progressed = False  # it brought mail
        self.withheld: list[Listed] = []  # what the server did not hand out whole

    def run(self) -> bool:
        """True when the mailbox is done, False when another session must follow."""
        channel = self._channel()
        self.first = channel.first_fetch_at is None
        self.activated_at = channel.activated_at
        self.only_unseen = channel.only_unseen and channel.protocol == Protocol.IMAP
        self.prefix = f"{channel.mailbox}/"
        self.ends = time.monotonic() + SESSION_SECONDS
        idle = office().idle
        rested = idle.take(channel.id, self.edition) if idle else None
        self.rested_since = channel.last_success_at if rested else None
        self.source = rested or connections.open_source(channel)
        self.removals = removal.Removals(self.source, self.channel_id, self.prefix, self._channel)
        db.session.rollback()
        conversations = office().conversations
        conversations[self.channel_id] = self.edition, self.source
        try:
            with self.source:
                self.removals.finish_old()
                done = self.only_removals or self._take_all()
                reach("before_quit")
                rests = idle is not None and done and self.source.rest()
            if idle is not None and rests:
                idle.park(self.channel_id, self.edition, self.source)
            reach("after_quit")
            self.removals.after_leaving()
        finally:
            conversations.pop(self.channel_id, None)
            self.result.removed += self.removals.removed
        return done

    def _take_all(self) -> bool:
        self._settle()
        channel = self._channel()
        # Until QUIT, POP3 only promises to delete: a batch is filed, deleted, and the conversation ends.
        # Where its server wants pauses between two of them, each does what it can.
        deletes = self._is_pop3 and channel.after_fetch == AfterFetch.DELETE
        a_batch_only = deletes and not self.source.login_delay
        since = channel.highest_uid
        db.session.rollback()  # nobody waits for us while we wait for the server
        for page in batches(self.source.listing(since), PAGE):
            left_out: list[Listed] = []
            wanted = self._sort_out(page)
            for batch in batches(wanted, BATCH):
                self._go_on()
                rows, missing = self._take_in(batch)
                left_out += missing
                self.progressed = self.progressed or bool(rows)
                self.removals.remove(rows)
                is_last = len(page) < PAGE and batch[-1] is wanted[-1]
                over = time.monotonic() > self.ends and self.progressed  # else the next would only repeat it
                if not is_last and ((a_batch_only and rows) or over):
                    return False
            self._remember(page, left_out)
        if self.first and self._is_pop3:
            self._channel().first_fetch_at = now()
            db.session.commit()
        return True

    def withheld_ids(self) -> list[str]:
        return [f"UIDL {one.source_id}" if self._is_pop3 else f"UID {one.position}" for one in self.withheld]

    def _settle(self) -> None:
        """At the first sight of a mailbox, or of the new UIDs that a server gave out: enter what stays alone.

        From here on everything that is not in the ledger is taken, read or not: a mail that a phone opens
        while the first fetch runs, or after it was cut off, is not left behind.
        """
        channel = self._channel()
        if not self.first and (self._is_pop3 or channel.generation == self.source.generation):
            return
        if channel.generation:
            health.record_renumbering(self.channel_id)
            reused_uidls.know_again(self.source, self.channel_id, self.prefix, self._go_on)
        for some in batches(self._left_alone(channel), ENTERED_AT_ONCE):
            self._go_on()
            known = self._known([row["source_id"] for row in some])
            self._enter([row for row in some if row["source_id"] not in known])
            self.result.left_alone += len(some)
        channel = self._channel()
        if not self._is_pop3:
            channel.first_fetch_at = channel.first_fetch_at or now()
            channel.generation, channel.highest_uid = self.source.generation, 0
        db.session.commit()

    def _left_alone(self, channel: Channel) -> Iterator[dict[str, Any]]:
        """At the first fetch read mails stay (S12), and all of them if the administrator said so.

        When a server gives out new UIDs, these have no digest to know them by: INTERNALDATE tells that
        they lay there already. All others are looked at again, and their digest tells which are known.
        """
        leave_all, began_at = channel.existing == Existing.LEAVE, channel.first_fetch_at
        db.session.rollback()
        stays = deciding.EXISTING if leave_all else deciding.WAS_READ
        if began_at is None:
            ids = self.source.ids(read_only=not leave_all)
            return (self._row(source_id, stays) for source_id in ids)
        return (
            self._row(listed.source_id, stays, listed.size, listed.arrived_at)
            for listed in self.source.listing()
            if listed.arrived_at is not None and listed.arrived_at <= began_at and (leave_all or listed.seen)
        )

    def _sort_out(self, page: Sequence[Listed]) -> list[Listed]:
        """Which of the mails that the server shows are to be fetched; what is too large gets its row and stays."""
        if self._is_pop3:
            page = reused_uidls.told_apart(self.source, self.channel_id, self.prefix, page)
        known = self._known([self._ours(listed.source_id) for listed in page])
        unknown = [listed for listed in page if self._ours(listed.source_id) not in known]
        limit = office().settings.max_mail_bytes
        wanted: list[Listed] = []
        rows = []
        for listed in unknown:
            stays = deciding.stays(listed.seen, listed.size, limit, only_unseen=self.only_unseen)
            if stays is None:
                wanted.append(listed)
            else:
                rows.append(self._stay(listed, stays))
        self._enter(rows)
        return wanted

    def _stay(self, listed: Listed, decision: Decision) -> dict[str, Any]:
        """The row of a mail that stays on the server, unread by us; counted."""
        if decision.outcome == Outcome.HELD:
            self.result.held += 1
        else:
            self.result.left_alone += 1
        return self._row(listed.source_id, decision, listed.size, listed.arrived_at)

    def _take_in(self, batch: Sequence[Listed]) -> tuple[list[int], list[Listed]]:
        """Store and file a batch: the rows of these mails, and what the server did not hand out whole."""
        rows: list[int] = []
        missing = {listed.source_id: listed for listed in batch}
        for some in together(self.source.fetch(batch), BYTES_AT_ONCE):
            self._renew_lease()  # large mails over a slow line take longer than it lasts
            for fetched in some:
                missing.pop(fetched.listed.source_id, None)
                connections.note_idle(self.channel_id, self.rested_since, fetched.listed.arrived_at)
            stored = [self._arrival(fetched) for fetched in some]
            taken = intake.take_in(self.channel_id, reused_uidls.as_before(self.channel_id, stored))
            self.result.fetched += len(taken)
            rows += taken
            if office().stopping.is_set():
                raise Stopped  # what is filed already is removed by the next fetch
        sizes = self.source.too_large
        large = [replace(one, size=sizes[key]) for key, one in missing.items() if key in sizes]
        self._enter([self._stay(one, deciding.OVERSIZE) for one in large])
        return rows, [one for key, one in missing.items() if key not in sizes]

    def _arrival(self, fetched: Fetched) -> arrivals.Arrival:
        return arrivals.Arrival(
            raw=fetched.raw,
            via=self.source.protocol,
            source_id=self._ours(fetched.listed.source_id),
            predates_channel=self._predates_channel(fetched.listed),
            arrived_at=fetched.listed.arrived_at,
        )

    def _predates_channel(self, listed: Listed) -> bool:
        """Older than the channel: by INTERNALDATE, else by its presence at the first fetch."""
        return deciding.predates(listed.arrived_at, self.activated_at, self.first)

    def _remember(self, page: Sequence[Listed], left_out: Sequence[Listed]) -> None:
        """This page is taken care of: next time only what lies above it is asked for, and what was withheld."""
        self.withheld += left_out
        if self._is_pop3:
            return
        highest = min([page[-1].position, *(listed.position - 1 for listed in self.withheld)])
        channel = self._channel()
        channel.highest_uid = max(channel.highest_uid, highest)
        db.session.commit()

    def _row(
        self,
        source_id: str,
        decision: Decision,
        size: int = 0,
        arrived_at: datetime | None = None,
    ) -> dict[str, Any]:
        """A ledger row without bytes."""
        return {
            "channel_id": self.channel_id,
            "via": self.source.protocol,
            "source_id": self._ours(source_id),
            "size": size,
            "arrived_at": arrived_at,
            **first_verdict(decision.outcome, decision.reason),
            "server_copy": ServerCopy.PRESENT,
            "filed_at": now(),
        }

    def _enter(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            db.session.execute(insert(InboundMail), rows)
        db.session.commit()

    def _known(self, source_ids: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for some in batches(source_ids, PAGE):
            found.update(
                db.session.scalars(
                    select(InboundMail.source_id).where(
                        InboundMail.channel_id == self.channel_id, InboundMail.source_id.in_(some)
                    )
                )
            )
        return found

    def _go_on(self) -> None:
        """Between two batches: is this still our channel, and its lease still ours?"""
        self._channel()
        self._renew_lease()

    def _renew_lease(self) -> None:
        if not leases.take(leases.of_mailbox(self.channel_id)):
            raise Stopped

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

    @property
    def _is_pop3(self) -> bool:
        return self.source.protocol == Protocol.POP3
