"""A mail server with a fault: at one step of IMAP or POP3 it resets, hangs, refuses, talks nonsense or cuts.

It keeps its mails in memory and is a good server otherwise; `heal` makes it a good one altogether.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

GARBAGE = b"\xff\xfe%% 17 <html>not mail at all</html>\r\n"


class Ended(Exception):
    """This conversation is over."""


@dataclass
class FaultyServer(ABC):
    """`step` is where it happens, `kind` what. Mails are numbered from 1, by UID and by POP3 number.

    Kinds: reset and close (before doing what was asked), reset_after (it is done, but not answered), hang,
    no, bad, bye, garbage, half (half an answer, then the end), and for a mail: cut (half of the literal, then
    the end), cut_hang (then silence), short (less than was promised), huge (a literal of a gigabyte).
    """

    step: str
    kind: str
    mails: dict[int, bytes]
    healed: bool = False
    happened: int = 0
    deleted: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)

    host = "localhost"

    def start(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)

    def heal(self) -> None:
        self.healed = True

    @abstractmethod
    def converse(self, connection: socket.socket, lines: BinaryIO) -> None:
        """One conversation, until `Ended`."""

    @abstractmethod
    def refusal(self, tag: bytes) -> bytes:
        """The line that says no to a command."""

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError, Ended):
            self.converse(connection, lines)

    def _is_due(self, step: str) -> bool:
        return not self.healed and step == self.step

    def _strike(self, step: str, connection: socket.socket, lines: BinaryIO, tag: bytes = b"") -> bool:
        """Do what the fault is, if it is here; True if that was the answer."""
        if not self._is_due(step) or self.kind in ("reset_after", "half", "cut", "cut_hang", "short", "huge"):
            return False
        self.happened += 1
        match self.kind:
            case "reset":
                reset(connection)
            case "close":
                raise Ended
            case "hang":
                wait_for_the_end(lines)
            case "bye":
                connection.sendall(b"* BYE going down\r\n")
                raise Ended
            case "garbage":
                connection.sendall(GARBAGE)
            case _:
                connection.sendall(self.refusal(tag))
        return True

    def _answer(self, step: str, connection: socket.socket, answer: bytes) -> None:
        if self._is_due(step) and self.kind == "reset_after":
            self.happened += 1
            reset(connection)
        if self._is_due(step) and self.kind == "half":
            self.happened += 1
            connection.sendall(answer[: len(answer) // 2])
            raise Ended
        connection.sendall(answer)

    def _literal(self, step: str, connection: socket.socket, lines: BinaryIO, raw: bytes) -> bytes:
        """A mail as it is sent: what the fault makes of it."""
        if not self._is_due(step):
            return raw
        if self.kind == "short":
            self.happened += 1
            return raw[: len(raw) // 2]
        return raw


class FaultyImap(FaultyServer):
    """`IMAP4rev1 UIDPLUS`. Steps: greeting, capability, login, select, seen, search, list, body, present, store,
    expunge, logout."""

    generation = 7

    def refusal(self, tag: bytes) -> bytes:
        return tag + (b" BAD what do you mean\r\n" if self.kind == "bad" else b" NO [SERVERBUG] broken\r\n")

    def converse(self, connection: socket.socket, lines: BinaryIO) -> None:
        if self._strike("greeting", connection, lines, b"*"):
            raise Ended
        self._answer("greeting", connection, b"* OK ready\r\n")
        while line := lines.readline():
            tag, _, command = line.strip().partition(b" ")
            step = imap_step(command)
            if self._strike(step, connection, lines, tag):
                continue
            if step == "body":
                self._send_bodies(connection, lines, command)
                self._answer("", connection, tag + b" OK done\r\n")
            else:
                self._answer(step, connection, self._do(step, command) + tag + b" OK done\r\n")
            if step == "logout":
                return

    def _do(self, step: str, command: bytes) -> bytes:
        match step:
            case "capability":
                return b"* CAPABILITY IMAP4rev1 UIDPLUS\r\n"
            case "select":
                return b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] x\r\n" % (len(self.mails), self.generation)
            case "seen":
                return self._search(sorted(self.seen))
            case "search" | "present":
                return self._search(self._among(command.rpartition(b" ")[2]))
            case "list":
                return b"".join(self._described(uid) for uid in self._among(command.split(b" ")[2]))
            case "store":
                (self.seen if b"Seen" in command else self.deleted).update(
                    self._among(command.split(b" ")[2])
                )
            case "expunge":
                for uid in set(self._among(command.rpartition(b" ")[2])) & self.deleted:
                    del self.mails[uid]
        return b""

    def _search(self, uids: Sequence[int]) -> bytes:
        return b" ".join([b"* SEARCH", *(b"%d" % uid for uid in uids)]) + b"\r\n"

    def _described(self, uid: int) -> bytes:
        size, flags = len(self.mails[uid]), b"\\Seen" if uid in self.seen else b""
        return (
            b'* %d FETCH (UID %d RFC822.SIZE %d FLAGS (%s) INTERNALDATE "20-Nov-2026 10:00:00 +0000")\r\n'
            % (uid, uid, size, flags)
        )

    def _send_bodies(self, connection: socket.socket, lines: BinaryIO, command: bytes) -> None:
        partial = re.search(rb"\[\]<(\d+)\.(\d+)>", command)
        for uid in self._among(command.split(b" ")[2]):
            if partial:
                start, count = int(partial[1]), int(partial[2])
                raw, name = self.mails[uid][start : start + count], b"BODY[]<%d>" % start
            elif b"[HEADER]" in command:
                raw, name = self.mails[uid].partition(b"\r\n\r\n")[0] + b"\r\n\r\n", b"BODY[HEADER]"
            else:
                raw, name = self._literal("body", connection, lines, self.mails[uid]), b"BODY[]"
            announced = b"* %d FETCH (UID %d %s {%d}\r\n" % (uid, uid, name, len(raw))
            if self._is_due("body") and self.kind == "huge":
                self.happened += 1
                connection.sendall(announced.replace(b"{%d}" % len(raw), b"{1000000000}") + raw)
                raise Ended
            if self._is_due("body") and self.kind in ("cut", "cut_hang"):
                self.happened += 1
                connection.sendall(announced + raw[: len(raw) // 2])
                if self.kind == "cut_hang":
                    wait_for_the_end(lines)
                raise Ended
            self._answer("body", connection, announced + raw + b")\r\n")

    def _among(self, uids: bytes) -> list[int]:
        if uids == b"ALL":
            return sorted(self.mails)
        last = max(self.mails, default=1)
        wanted: set[int] = set()
        for first, _, end in (part.partition(b":") for part in uids.split(b",")):
            ends = sorted(
                (int(first), last if end == b"*" else int(end or first))
            )  # RFC 3501 6.4.8: in any order
            wanted.update(number for number in self.mails if ends[0] <= number <= ends[1])
        return sorted(wanted)


class FaultyPop3(FaultyServer):
    """Steps: greeting, capa, user, pass, list, uidl, retr, dele, quit. `lies`: it deletes nothing, whatever it says."""

    lies = False
    uidls: Mapping[int, bytes] = {}  # others than usual

    def refusal(self, tag: bytes) -> bytes:
        return b"-ERR [SYS/TEMP] broken\r\n" if self.kind == "no" else b"-ERR\r\n"

    def converse(self, connection: socket.socket, lines: BinaryIO) -> None:
        marked: set[int] = set()
        if self._strike("greeting", connection, lines):
            raise Ended
        self._answer("greeting", connection, b"+OK ready\r\n")
        while line := lines.readline():
            command, _, argument = line.strip().partition(b" ")
            step = command.decode().lower()
            if self._strike(step, connection, lines):
                continue
            if step == "retr":
                self._send_mail(connection, lines, int(argument))
                continue
            if step == "dele":
                marked.add(int(argument))
            elif step == "rset":
                marked.clear()
            elif step == "quit" and not self.lies:
                for number in marked:
                    del self.mails[number]
            self._answer(step, connection, b"+OK\r\n" + self._rows(step))
            if step == "quit":
                return

    def _rows(self, step: str) -> bytes:
        if step == "list":
            rows = [b"%d %d\r\n" % (number, len(raw)) for number, raw in sorted(self.mails.items())]
        elif step == "uidl":
            rows = [
                b"%d %s\r\n" % (number, self.uidls.get(number, b"id-%d" % number))
                for number in sorted(self.mails)
            ]
        elif step == "capa":
            rows = [b"UIDL\r\n"]
        else:
            return b""
        return b"".join(rows) + b".\r\n"

    def _send_mail(self, connection: socket.socket, lines: BinaryIO, number: int) -> None:
        raw = self.mails[number]
        answer = b"+OK\r\n" + raw + b".\r\n"
        if self._is_due("retr") and self.kind in ("cut", "cut_hang"):
            self.happened += 1
            connection.sendall(answer[: len(raw) // 2])
            if self.kind == "cut_hang":
                wait_for_the_end(lines)
            raise Ended
        self._answer("retr", connection, answer)


def imap_step(command: bytes) -> str:
    words = command.upper()
    for beginning, step in (
        (b"UID SEARCH SEEN", "seen"),
        (b"UID STORE", "store"),
        (b"UID EXPUNGE", "expunge"),
    ):
        if words.startswith(beginning):
            return step
    if words.startswith(b"UID SEARCH"):
        return "search" if words.endswith(b":*") else "present"
    if words.startswith(b"UID FETCH"):
        return "body" if b"BODY" in words else "list"
    return words.split(b" ")[0].decode().lower()


def reset(connection: socket.socket) -> None:
    """The connection ends with a RST, and the conversation with it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Ended


def wait_for_the_end(lines: BinaryIO) -> None:
    """Say nothing until the client has had enough."""
    while lines.readline():
        pass
    raise Ended


def running(servers: Sequence[FaultyServer]) -> Iterator[None]:
    for server in servers:
        server.start()
    try:
        yield
    finally:
        for server in servers:
            server.stop()


running_servers = contextlib.contextmanager(running)
