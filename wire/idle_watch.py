"""One thread watches the mailboxes that rest in IDLE and says which of them stirs.

A fetch leaves its connection here and the next one takes it up again: so mail is fetched within a second,
nobody signs in every minute, and where a server has no IDLE or cuts it, polling goes on as ever.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wire import Source, TransportFailure, imap_idle

log = logging.getLogger(__name__)

GAP_SECONDS = 0.5  # between two calls for one mailbox: where very much arrives, it is fetched together
_TICK = 1.0


@dataclass(slots=True)
class Resting:
    """`calls_at`: the moment at which its fetch is called, which is the renewal until it stirs.

    One whose call nobody followed is `called` and dropped when it would be called again.
    """

    edition: int
    source: Source
    calls_at: float
    watched: bool = False
    called: bool = False


class IdleWatch:
    """`calls` is told the key of a mailbox that is to be fetched now; it must not take long."""

    def __init__(self, calls: Callable[[int], None]) -> None:
        self._calls = calls
        self._resting: dict[int, Resting] = {}
        self._called: dict[int, float] = {}
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._closed = True
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._thread = threading.Thread(target=self._watch, name="idle", daemon=True)

    def start(self) -> None:
        self._closed = False
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._thread.start()

    def stop(self) -> None:
        """Hang up everywhere. What is left here later is hung up at once."""
        with self._lock:
            running, self._closed = not self._closed, True
        if running:
            self._ring()
            self._thread.join()
        self.keep_only({})
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def park(self, key: int, edition: int, source: Source) -> None:
        """Watch a mailbox that rests (`Source.rest`). `edition`: of the channel that it was opened for."""
        dropped = [source]
        with self._lock:
            if not self._closed:
                replaced = self._remove(key)
                dropped = [replaced.source] if replaced else []
                resting = Resting(edition, source, time.monotonic() + imap_idle.RENEW_SECONDS)
                self._resting[key] = resting
                if source.stirred:
                    self._soon(key, resting)
                else:
                    self._selector.register(source.fileno(), selectors.EVENT_READ, key)
                    resting.watched = True
        for one in dropped:
            one.drop()
        self._ring()

    def take(self, key: int, edition: int) -> Source | None:
        """The resting mailbox, to be entered again; None if there is none, or the channel was edited since."""
        with self._lock:
            found = self._remove(key)
        if found is not None and found.edition != edition:
            found.source.drop()
            return None
        return found.source if found is not None else None

    def keep_only(self, editions: Mapping[int, int]) -> None:
        """Hang up on mailboxes whose channels were edited, paused or deleted."""
        with self._lock:
            gone = [key for key, resting in self._resting.items() if editions.get(key) != resting.edition]
            dropped = [self._remove(key) for key in gone]
        for resting in dropped:
            if resting is not None:
                resting.source.drop()

    def resting(self) -> set[int]:
        with self._lock:
            return set(self._resting)

    def _watch(self) -> None:
        while not self._closed:
            try:
                self._round()
            except Exception:
                # One mailbox must not blind us for the others; who is not watched is polled.
                log.exception("watching idle mailboxes failed; it goes on")
                time.sleep(_TICK)

    def _round(self) -> None:
        for ready, _ in self._selector.select(self._patience()):
            if ready.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._ear.recv(4096)
            else:
                self._hear(ready.data)
        for key in self._due():
            self._calls(key)

    def _patience(self) -> float:
        with self._lock:
            moments = [resting.calls_at for resting in self._resting.values()]
        return max(0.0, min([_TICK, *(moment - time.monotonic() for moment in moments)]))

    def _hear(self, key: int) -> None:
        """A mailbox says something. One that is lost is dropped: polling finds out what is the matter."""
        with self._lock:
            resting = self._resting.get(key)
            if resting is None or not resting.watched:
                return
            try:
                if resting.source.stirs():
                    self._soon(key, resting)
                return
            except TransportFailure as failure:
                log.debug("mailbox %s no longer rests: %s", key, failure)
                self._remove(key)
        resting.source.drop()

    def _due(self) -> list[int]:
        """Whose fetch is to be called now."""
        moment, due, dropped = time.monotonic(), [], []
        with self._lock:
            for key, resting in list(self._resting.items()):
                if resting.calls_at > moment:
                    continue
                if resting.called:
                    self._remove(key)
                    dropped.append(resting.source)
                    continue
                due.append(key)
                self._unwatch(resting)
                self._called[key], resting.called = moment, True
                resting.calls_at = moment + imap_idle.RENEW_SECONDS
        for source in dropped:
            source.drop()
        return due

    def _soon(self, key: int, resting: Resting) -> None:
        self._unwatch(resting)
        resting.calls_at = max(time.monotonic(), self._called.get(key, 0.0) + GAP_SECONDS)

    def _unwatch(self, resting: Resting) -> None:
        if resting.watched:
            self._selector.unregister(resting.source.fileno())
            resting.watched = False

    def _remove(self, key: int) -> Resting | None:
        resting = self._resting.pop(key, None)
        if resting is not None:
            self._unwatch(resting)
        return resting

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"!")
