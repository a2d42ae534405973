"""A mailbox fetched by IMAP (RFC 3501), through IMAPClient on a socket that was checked and encrypted by us.

UID commands only. Nothing is marked by reading (BODY.PEEK[]), nothing of others is ever expunged
(UID EXPUNGE of RFC 4315, never a bare EXPUNGE), and a mail is whole or not taken at all.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from wire import (
    Credentials,
    Encryption,
    Fetched,
    Listed,
    PermanentFailure,
    ServerAddress,
    TemporaryFailure,
    TransportFailure,
)
from wire import tls as encryption
from wire.address import connect
from wire.failures import refuse_control_characters, words
from wire.imap_idle import Idle
from wire.imap_wire import answers, encrypt, greet, hang_up, select, sign_in, wire_of
from wire.session import SessionLimit

BATCH_MAILS = 50  # beyond that nothing is won
BATCH_BYTES = 8 * 1024 * 1024
_COMMAND_UIDS = 400  # keeps a command line below 8 KB, which the strictest servers demand


class ImapSource:
    """The mails of one folder. `max_bytes`: larger mails are listed with their size, but not fetched."""

    protocol = "imap"
    deletions_kept = True  # each removal was seen to be done before `dispose` answered
    login_delay = 0

    def __init__(
        self, server: ServerAddress, credentials: Credentials, max_bytes: int, folder: str = "INBOX"
    ) -> None:
        self.generation = self.refusal = ""
        self.too_large: dict[str, int] = {}  # what is larger than its size was listed is taken all the same
        self._server, self._credentials = server, credentials
        self._max_bytes, self._folder = max_bytes, folder
        self._open: IMAPClient | None = None
        self._limit: SessionLimit | None = None
        self._idle: Idle | None = None

    def __enter__(self) -> Self:
        if not self._wakes():
            self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._idle is None:
            client, self._open = self._client, None
            hang_up(client, politely=kind is None)
        if self._limit is not None:
            self._limit.end(error)

    def cut(self) -> None:
        if self._limit is not None:
            self._limit.cut()

    def rest(self) -> bool:
        """IDLE, where the server offers it: the connection stays open when the source is left."""
        if self._client.has_capability("IDLE"):
            with contextlib.suppress(TransportFailure):
                self._idle = Idle.begin(self._client)
        return self._idle is not None

    @property
    def stirred(self) -> bool:
        return self._idle is not None and self._idle.stirred

    def fileno(self) -> int:
        return int(self._client.socket().fileno())

    def stirs(self) -> bool:
        """Hear what a resting server says, without waiting. Raises TransportFailure when it has left."""
        return self._idle is not None and self._idle.stirs()

    def drop(self) -> None:
        client, self._open, self._idle = self._open, None, None
        if client is not None:
            hang_up(client, politely=False)

    def listing(self, since: int = 0) -> Iterator[Listed]:
        """Every mail whose UID is above `since`, oldest first; 400 at a time are asked for."""
        wire_of(self._client).news = False
        with answers():
            uids = sorted(uid for uid in self._from(since + 1) if uid > since)
        for some in _slices(uids, _COMMAND_UIDS):
            with answers():
                listed = list(self._list(some))
            yield from listed

    def ids(self, read_only: bool) -> Iterator[str]:
        """The ids of all mails in the folder, or of those marked as read."""
        with answers():
            uids = sorted(self._client.search("SEEN" if read_only else "ALL"))
        return map(self._source_id, uids)

    def present(self, source_ids: Sequence[str]) -> set[str]:
        """Which of these are still in the folder; of another UIDVALIDITY none is."""
        with answers():
            return {self._source_id(uid) for uid in self._present(self._uids(source_ids))}

    def fetch(self, listed: Sequence[Listed]) -> Iterator[Fetched]:
        """The raw mails in order, asked in batches of 50 and 8 MiB.

        Left out: what is above `max_bytes`, is gone by now, cannot be read by the server itself or
        came shorter than the server said, twice.
        """
        wanted = [mail for mail in listed if mail.size <= self._max_bytes]
        for batch in _batches(wanted):
            with answers():
                bodies = self._bodies([mail.position for mail in batch])
            for mail in batch:
                raw = bodies.pop(mail.position, None)
                if raw is not None and len(raw) < mail.size:
                    with answers():
                        raw = self._again(mail, raw)
                if raw is not None:
                    yield Fetched(mail, raw)

    def read(self, source_id: str) -> bytes | None:
        """The mail with this id; None if the server does not hand it out."""
        with answers():
            bodies = self._bodies(self._uids([source_id]))
        return next(iter(bodies.values()), None)

    def headers(self, listed: Sequence[Listed]) -> dict[str, bytes]:
        """The header blocks of these mails, by their ids; as all else without a mark.

        Where the server fails at one of them, those asked for with it are missing.
        """
        found: dict[str, bytes] = {}
        for some in _slices([one.position for one in listed], BATCH_MAILS):
            with answers():
                try:
                    answer = self._client.fetch(some, ["BODY.PEEK[HEADER]"])
                except IMAPClientAbortError:
                    raise
                except IMAPClientError:
                    continue
            blocks = ((uid, row.get(b"BODY[HEADER]")) for uid, row in answer.items())
            found.update({self._source_id(uid): block for uid, block in blocks if block is not None})
        return found

    def dispose(self, source_ids: Sequence[str], how: str, folder: str = "") -> dict[str, str]:
        """Delete, move or keep these mails; the state of each server copy.

        An id that is no longer in the folder counts as done, an id of another UIDVALIDITY as `none`.
        Delete without UIDPLUS moves to the trash (`moved`), without a trash only marks as read (`kept`).
        """
        states = dict.fromkeys(source_ids, "none")
        uids = self._uids(source_ids)
        with answers():
            how, folder = self._possible(how, folder)
            for some in _slices(uids, _COMMAND_UIDS):
                state = {"delete": "deleted", "move": "moved"}.get(how, "kept")
                try:
                    self._dispose(sorted(self._present(some)), how, folder)
                    left = set() if state == "kept" else self._present(some)
                except IMAPClientAbortError:
                    raise
                except IMAPClientError as error:
                    self.refusal = words(error)
                    left = self._present(some)
                states.update({self._source_id(uid): "present" if uid in left else state for uid in some})
        return states

    def append(self, raw: bytes, arrived_at: datetime) -> str:
        """Put a mail into the folder, byte for byte and unseen, with its INTERNALDATE; its source id.

        Empty where the server does not tell it (UIDPLUS, RFC 4315 section 3).
        """
        with answers():
            answer = self._client.append(self._folder, raw, msg_time=arrived_at)
        told = re.search(rb"\bAPPENDUID (\d+) (\d+)", answer)
        return f"{told[1].decode()}:{told[2].decode()}" if told else ""

    def _wakes(self) -> bool:
        """Take up a connection that rests; False if there is none, or it is good for nothing any more."""
        idle, self._idle = self._idle, None
        if idle is None or self._open is None:
            return False
        try:
            idle.end()
        except TransportFailure:
            self.drop()
            return False
        self._limit = SessionLimit(self._server.timeouts.session, self._open.socket)
        return True

    def _connect(self) -> None:
        refuse_control_characters(self._folder, "folder_missing")
        connection = connect(self._server)
        with SessionLimit(self._server.timeouts.session, lambda: connection) as limit:
            self._limit = limit
            if self._server.encryption == Encryption.SSL:
                connection = encryption.wrap(connection, self._server)
            client = greet(self._server, connection, largest=2 * self._max_bytes + BATCH_BYTES)
            limit.connection = client.socket
            try:
                if self._server.encryption != Encryption.SSL:
                    encrypt(client, self._server)
                sign_in(client, self._server, self._credentials)
                self.generation = select(client, self._folder)
            except BaseException:
                hang_up(client, politely=False)
                raise
        self._open = client

    @property
    def _client(self) -> IMAPClient:
        if self._open is None:
            raise TemporaryFailure("connection_lost")
        return self._open

    def _source_id(self, uid: int) -> str:
        return f"{self.generation}:{uid}"

    def _uids(self, source_ids: Sequence[str]) -> list[int]:
        parts = (source_id.partition(":") for source_id in source_ids)
        return [int(uid) for generation, _, uid in parts if generation == self.generation and uid.isdigit()]

    def _from(self, first: int) -> Sequence[int]:
        """The UIDs from `first` on, and perhaps the last of all: "n:*" names it also where it is below n
        (RFC 3501 6.4.8). So nothing at all contradicts EXISTS, and is asked again: GNU imap4d finds nothing by it.
        """
        found = self._client.search(["UID", f"{first}:*"])
        if not found and wire_of(self._client).exists > 0:
            found = self._client.search("ALL")
            if not found:
                select(self._client, self._folder)  # somebody may have emptied it meanwhile
                if count := wire_of(self._client).exists:
                    raise TemporaryFailure("protocol_error", f"{count} EXISTS, SEARCH ALL: 0")
        return list(found)

    def _present(self, uids: Sequence[int]) -> set[int]:
        asked = set(uids)
        return {
            uid
            for some in _slices(uids, _COMMAND_UIDS)
            for uid in self._client.search(["UID", ",".join(map(str, some))])
            if uid in asked
        }

    def _list(self, uids: Sequence[int]) -> Iterator[Listed]:
        answer = self._client.fetch(uids, ["RFC822.SIZE", "FLAGS", "INTERNALDATE"])
        for uid in sorted(uids):
            if uid not in answer:
                # Gone meanwhile, or a slip of the server: listed all the same, so that nobody passes it.
                yield Listed(self._source_id(uid), uid, size=0, seen=False, arrived_at=None)
                continue
            arrived_at = answer[uid].get(b"INTERNALDATE")
            yield Listed(
                source_id=self._source_id(uid),
                position=uid,
                size=int(answer[uid].get(b"RFC822.SIZE") or 0),
                seen=b"\\Seen" in answer[uid].get(b"FLAGS", ()),
                arrived_at=arrived_at.astimezone(UTC) if arrived_at else None,
            )

    def _bodies(self, uids: Sequence[int]) -> dict[int, bytes]:
        """The whole mails; where the server fails at one of them, only that one is missing."""
        try:
            answer = self._client.fetch(uids, ["BODY.PEEK[]"])
        except IMAPClientAbortError:
            raise
        except IMAPClientError:
            if len(uids) == 1:
                return {}
            return {found: raw for uid in uids for found, raw in self._bodies([uid]).items()}
        return {uid: answer[uid][b"BODY[]"] or b"" for uid in answer if b"BODY[]" in answer[uid]}

    def _again(self, mail: Listed, short: bytes) -> bytes | None:
        """A second try at a mail that came short.

        Exchange only estimates RFC822.SIZE unless told otherwise: a mail that is short twice is whole
        if both are equal and the server has not one byte after its end.
        """
        raw = self._bodies([mail.position]).get(mail.position)
        if raw is None or len(raw) >= mail.size:
            return raw
        answer = self._client.fetch([mail.position], [f"BODY.PEEK[]<{len(raw)}.1>"])
        after = answer.get(mail.position, {}).get(f"BODY[]<{len(raw)}>".encode())
        return raw if raw == short and after == b"" else None

    def _possible(self, how: str, folder: str) -> tuple[str, str]:
        """What the server lets us do of what was asked, and the folder's name as the server spells it."""
        can_move, can_expunge = (self._client.has_capability(name) for name in ("MOVE", "UIDPLUS"))
        if how == "delete" and not can_expunge:
            trash = self._trash() if can_move else ""
            how, folder = ("move", trash) if trash else ("keep", "")
        elif how == "move":
            refuse_control_characters(folder, "folder_missing")
            possible = folder and (can_move or can_expunge)
            how, folder = ("move", self._create(folder)) if possible else ("keep", "")
        if how == "move" and folder == self._folder:
            return "keep", ""  # moved onto itself it would come back as a new mail
        return how, folder

    def _trash(self) -> str:
        marked = (name for flags, _, name in self._client.list_folders() if b"\\Trash" in flags)
        return next(marked, "")

    def _create(self, folder: str) -> str:
        """Make the folder if it is missing; `A/B` is a folder in a folder, whatever the separator."""
        if self._client.folder_exists(folder):
            return folder
        if self._client.has_capability("NAMESPACE"):
            prefix, separator = self._client.namespace().personal[0]
            folder = folder.replace("/", separator or "/")
            folder = folder if folder.startswith(prefix) else prefix + folder
            if self._client.folder_exists(folder):
                return folder
        try:
            self._client.create_folder(folder)
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            raise PermanentFailure("folder_missing", words(error)) from error
        with contextlib.suppress(IMAPClientError):
            self._client.subscribe_folder(folder)
        return folder

    def _dispose(self, uids: Sequence[int], how: str, folder: str) -> None:
        client = self._client
        if not uids:
            return
        if how == "keep":
            client.add_flags(uids, [b"\\Seen"], silent=True)
        elif how == "move" and client.has_capability("MOVE"):
            client.move(uids, folder)
        else:
            if how == "move":
                client.copy(uids, folder)
            client.add_flags(uids, [b"\\Deleted"], silent=True)
            client.uid_expunge(uids)


def _slices(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (uids[start : start + size] for start in range(0, len(uids), size))


def _batches(listed: Sequence[Listed]) -> Iterator[list[Listed]]:
    batch: list[Listed] = []
    size = 0
    for mail in listed:
        bytes_of_it = mail.size or BATCH_BYTES  # of unknown size: alone, since a reply is of bounded size
        if batch and (len(batch) == BATCH_MAILS or size + bytes_of_it > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(mail)
        size += bytes_of_it
    if batch:
        yield batch
