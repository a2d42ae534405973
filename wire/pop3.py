"""A mailbox fetched by POP3 (RFC 1939), through poplib on a socket that was checked and encrypted by us.

Deletions are only promises until QUIT: leaving the source without an error keeps them, leaving it
with one takes them back.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from wire import Credentials, Encryption, Fetched, Listed, ServerAddress, TemporaryFailure
from wire import tls as encryption
from wire.address import connect
from wire.pop3_wire import Pop3Wire, TooLarge, encrypt, greet, sign_in
from wire.session import SessionLimit

_LONGEST_UIDL = 200  # the RFC says 70; what is longer is no sensible id


class Pop3Source:
    """All mails of a mailbox. `max_bytes`: larger mails are listed with their size, but not fetched."""

    protocol = "pop3"
    generation = ""

    def __init__(self, server: ServerAddress, credentials: Credentials, max_bytes: int) -> None:
        self._server, self._credentials, self._max_bytes = server, credentials, max_bytes
        self._open: Pop3Wire | None = None
        self._limit: SessionLimit | None = None
        self.deletions_kept = False  # known once the source was left
        self.refusal = ""
        self.too_large: dict[str, int] = {}
        self.login_delay = 0
        self._numbers: dict[str, int] | None = None

    def __enter__(self) -> Self:
        connection = connect(self._server)
        with SessionLimit(self._server.timeouts.session, lambda: connection) as limit:
            self._limit = limit
            if self._server.encryption == Encryption.SSL:
                connection = encryption.wrap(connection, self._server)
            wire = greet(self._server, connection)
            limit.connection = lambda: wire.sock
            try:
                if self._server.encryption != Encryption.SSL:
                    encrypt(wire, self._server)
                sign_in(wire, self._server, self._credentials)
            except BaseException:
                wire.hang_up(keep=False)
                raise
        self._open, self._numbers, self.login_delay = wire, None, wire.login_delay
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wire, self._open = self._wire, None
        self.deletions_kept = wire.hang_up(keep=kind is None) and kind is None
        if self._limit is not None:
            self._limit.end(error)

    stirred = False

    def cut(self) -> None:
        if self._limit is not None:
            self._limit.cut()

    def rest(self) -> bool:
        """POP3 never tells by itself that mail has come."""
        return False

    def fileno(self) -> int:
        return self._wire.sock.fileno()

    def stirs(self) -> bool:
        return False

    def drop(self) -> None:
        if self._open is not None:
            self._open.hang_up(keep=False)

    def listing(self, since: int = 0) -> Iterator[Listed]:
        """Every mail, in the order of the server. `since` means nothing here: POP3 has no lasting numbers.

        A mail without a UIDL of its own is read for its digest, which is then its id.
        """
        sizes = self._wire.sizes()
        ids = self._source_ids(sizes)
        self._numbers = {ids[number]: number for number in sizes}
        return (Listed(ids[number], number, sizes[number], False, None) for number in sorted(sizes))

    def ids(self, read_only: bool) -> Iterable[str]:
        """The ids of all mails; POP3 does not know which of them somebody has read."""
        return () if read_only else self._by_id().keys()

    def present(self, source_ids: Sequence[str]) -> set[str]:
        """Which of these are still on the server."""
        return {source_id for source_id in source_ids if self._number(source_id) is not None}

    def fetch(self, listed: Sequence[Listed]) -> Iterator[Fetched]:
        """The raw mails in order, one at a time.

        Left out: what is above `max_bytes` (where LIST named a smaller size, `too_large` tells it) or is
        gone by now.
        """
        for mail in listed:
            if mail.size > self._max_bytes:
                continue
            try:
                raw = self._wire.retrieve(mail.position, self._max_bytes)
            except TooLarge as large:
                self.too_large[mail.source_id] = large.size
                continue
            if raw is not None:
                yield Fetched(mail, raw)

    def read(self, source_id: str) -> bytes | None:
        """The mail that has this id now; None where nobody can tell, empty if it is too large to read."""
        number = self._number(source_id)
        if number is None:
            return None
        try:
            return self._wire.retrieve(number, self._max_bytes)
        except TooLarge:
            return b""

    def headers(self, listed: Sequence[Listed]) -> dict[str, bytes]:
        """The header blocks of these mails (TOP), by their ids."""
        found = ((one.source_id, self._wire.header(one.position)) for one in listed)
        return {source_id: block for source_id, block in found if block is not None}

    def dispose(self, source_ids: Sequence[str], how: str, folder: str = "") -> dict[str, str]:
        """Mark these mails for deletion at QUIT. POP3 has neither folders nor flags: all else is `kept`.

        An id that is no longer on the server counts as done.
        """
        if how != "delete":
            return dict.fromkeys(source_ids, "kept")
        states = {}
        for source_id in source_ids:
            number = self._number(source_id)
            refusal = None if number is None else self._wire.delete(number)
            self.refusal = refusal or self.refusal
            states[source_id] = "deleted" if refusal is None else "present"
        return states

    @property
    def _wire(self) -> Pop3Wire:
        if self._open is None:
            raise TemporaryFailure("connection_lost")
        return self._open

    def _number(self, source_id: str) -> int | None:
        """`uidl:… 2` is the second mail that had this UIDL: it is the one that is there now."""
        numbers = self._by_id()
        return numbers.get(source_id, numbers.get(source_id.rpartition(" ")[0]))

    def _by_id(self) -> dict[str, int]:
        if self._numbers is None:
            self.listing()
        return self._numbers or {}

    def _source_ids(self, sizes: dict[int, int]) -> dict[int, str]:
        """Number to id: the UIDL where it is the mail's own, else the digest, numbered if it repeats."""
        uidls = self._wire.uidls()
        shared = {uidl for uidl, count in Counter(uidls.values()).items() if count > 1}
        digests: Counter[str] = Counter()
        ids = {}
        for number in sorted(sizes):
            uidl = uidls.get(number, "")
            if uidl and uidl not in shared and len(uidl) <= _LONGEST_UIDL:
                ids[number] = f"uidl:{uidl}"
                continue
            digest = self._digest(number, sizes[number])
            digests[digest] += 1
            ids[number] = f"sha256:{digest}" + (f"#{digests[digest]}" if digests[digest] > 1 else "")
        return ids

    def _digest(self, number: int, size: int) -> str:
        """SHA-256 of the raw mail; of size and header for a mail that is too large to be read."""
        try:
            raw = self._wire.retrieve(number, self._max_bytes) if size <= self._max_bytes else None
        except TooLarge:
            raw = None
        if raw is None:
            raw = f"{size}\r\n".encode() + (self._wire.header(number) or b"")
        return hashlib.sha256(raw).hexdigest()
