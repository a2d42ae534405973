"""The only place that takes mail off a server: what has a committed verdict, and nothing else (S13).

A step of its own, noted and tried again: what a crash or a refusal left behind is found in the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from sqlalchemy import ColumnElement, func, select, update

from desk import files
from desk.batches import batches
from desk.failpoints import reach
from mail.providers.server_marks import has_marks, without_marks
from models import AfterFetch, Channel, InboundMail, Protocol, ServerCopy, db, now
from models.inbound import DECIDED
from wire import Source

AT_ONCE = 50  # mails in one command to the server, and in one note of it
OWED_AT_ONCE = 2000  # how many old debts one conversation pays
# By POP3 a UIDL may name another mail by now: each is read again before it goes, few between two deletions.
READ_AGAIN_AT_ONCE = 10
READ_AGAIN_SECONDS = 60  # in one conversation, well below the time of a lease; the next one goes on


def owed() -> tuple[ColumnElement[bool], ...]:
    """Rows whose copy on the server is to go: a committed verdict, and the bytes are here."""
    return (
        InboundMail.server_copy == ServerCopy.PRESENT,
        InboundMail.state.in_(DECIDED),
        InboundMail.sha256 != "",
    )


class Removals:
    """What one conversation with a mailbox's server removes. `channel` answers the channel as it stands now."""

    def __init__(self, source: Source, channel_id: int, prefix: str, channel: Callable[[], Channel]) -> None:
        self.source, self.channel_id, self.prefix = source, channel_id, prefix
        self._channel = channel
        self.removed = 0
        self._promised: list[int] = []  # by POP3, until QUIT makes it true
        self._began_at = now()
        self._new: set[int] = set()  # what was fetched in this conversation and asked of the server
        self._refused: set[int] = set()  # and what it did not do of it

    def remove(self, row_ids: Sequence[int]) -> None:
        """Delete, move or mark what is owed of these rows, which were fetched in this conversation."""
        asked, done = self._ask(row_ids)
        self._new |= asked
        self._refused |= asked - done

    def count_refused(self) -> int:
        """How many copies the server should have removed and did not, once the conversation has ended.

        What was filed beside it (`intake.process_slow`) was not asked of it yet.
        """
        old = select(func.count()).where(
            *owed(), InboundMail.channel_id == self.channel_id, InboundMail.filed_at < self._began_at
        )
        found = db.session.scalar(old)
        db.session.rollback()
        return (found or 0) + len(self._refused)

    def _ask(self, row_ids: Sequence[int]) -> tuple[set[int], set[int]]:
        """The rows that a copy was owed of, and those of them that the server says are done."""
        channel = self._channel()
        how, folder = channel.after_fetch, channel.move_to
        rows = db.session.execute(
            select(InboundMail.id, InboundMail.source_id).where(*owed(), InboundMail.id.in_(row_ids))
        ).all()
        db.session.rollback()
        if not rows:
            return set(), set()
        ids = {row.source_id.removeprefix(self.prefix): row.id for row in rows}
        reach("before_removal")
        copies = self.source.dispose(list(ids), str(how), folder)
        reach("after_removal")
        done = {ids[key]: state for key, state in copies.items() if state != ServerCopy.PRESENT}
        self.removed += len(done)
        if self.source.protocol == Protocol.POP3 and how == AfterFetch.DELETE:
            self._promised += list(done)
        else:
            note(done)
        reach("removal_noted")
        return set(ids.values()), set(done)

    def finish_old(self) -> None:
        """Pay old debts, the newest first: what is gone by itself is noted, the rest is removed now."""
        rows = db.session.execute(
            select(InboundMail.id, InboundMail.source_id, InboundMail.via, InboundMail.sha256)
            .where(*owed(), InboundMail.channel_id == self.channel_id)
            .order_by(InboundMail.id.desc())
            .limit(OWED_AT_ONCE)
        ).all()
        how = self._channel().after_fetch
        db.session.rollback()
        if not rows:
            return
        here = {
            row.id: row.source_id.removeprefix(self.prefix)
            for row in rows
            if row.source_id.startswith(self.prefix) and row.via == self.source.protocol
        }
        # The channel has moved to another mailbox: what still lies in the old one stays there.
        note(dict.fromkeys((row.id for row in rows if row.id not in here), ServerCopy.KEPT))
        still_there = self.source.present(list(here.values()))
        gone = [row_id for row_id, theirs in here.items() if theirs not in still_there]
        note(dict.fromkeys(gone, ServerCopy.MOVED if how == AfterFetch.MOVE else ServerCopy.DELETED))
        left = [row_id for row_id in here if row_id not in set(gone)]
        if self.source.protocol == Protocol.POP3 and how == AfterFetch.DELETE:
            self._finish_proven(left, here, {row.id: row.sha256 for row in rows})
            return
        for batch in batches(left, AT_ONCE):
            asked, done = self._ask(batch)
            if asked and not done:
                return  # it refuses: asked again by the next fetch

    def _finish_proven(self, row_ids: Sequence[int], theirs: dict[int, str], digests: dict[int, str]) -> None:
        """Delete what is the mail of its row; where another has its UIDL, the old one is gone.

        The answer to QUIT was lost, and the server gave the UIDL of what it had deleted to the next mail:
        nobody has fetched that one yet. What the server does not hand out is not deleted either.
        """
        ends = time.monotonic() + READ_AGAIN_SECONDS
        for batch in batches(row_ids, READ_AGAIN_AT_ONCE):
            proven = []
            for row_id in batch:
                if time.monotonic() > ends:
                    break
                found = self.source.read(theirs[row_id])
                if found is None:
                    continue
                if is_copy_of(found, digests[row_id]):
                    proven.append(row_id)
                else:
                    note({row_id: ServerCopy.DELETED})
            asked, done = self._ask(proven)
            if (asked and not done) or time.monotonic() > ends:
                return  # it refuses, or there is no more time: asked again by the next fetch

    def after_leaving(self) -> None:
        """POP3 has said goodbye: now the deletions count, if the server confirmed them."""
        if self.source.deletions_kept and self._promised:
            note(dict.fromkeys(self._promised, ServerCopy.DELETED))
        elif self._promised:
            self._refused |= self._new & set(self._promised)


def is_copy_of(found: bytes, digest: str) -> bool:
    """Whether the bytes at the server are the mail that was stored under this digest, whatever the server wrote
    into its header since. Where the stored bytes are gone by now, such marks speak for it."""
    if sha256(found).hexdigest() == digest:
        return True
    stored = files.content(digest)
    return has_marks(found) if stored is None else without_marks(found) == without_marks(stored)


def note(copies: dict[int, ServerCopy] | dict[int, str]) -> None:
    """What became of the copies of these rows. Commits."""
    by_state: dict[str, list[int]] = {}
    for row_id, state in copies.items():
        by_state.setdefault(str(state), []).append(row_id)
    for state, row_ids in by_state.items():
        for some in batches(row_ids, 500):
            db.session.execute(
                update(InboundMail)
                .where(InboundMail.id.in_(some))
                .values(server_copy=state, removed_at=now())
                .execution_options(synchronize_session=False)
            )
    db.session.commit()


def due_channels(channel_id: int | None) -> Iterable[int]:
    """The channels that owe a removal; only this one, if it does."""
    owing = select(InboundMail.channel_id).where(*owed()).distinct()
    if channel_id is not None:
        owing = owing.where(InboundMail.channel_id == channel_id)
    found = list(db.session.scalars(owing))
    db.session.rollback()
    return found
