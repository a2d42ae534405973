"""IDLE (RFC 2177) on one connection: it says when something has come, and is read without ever waiting."""

from __future__ import annotations

import ssl
from io import BufferedReader
from typing import Self, cast

from imapclient import IMAPClient

from wire import TemporaryFailure
from wire.failures import words
from wire.imap_wire import NEWS, answers, wire_of

RENEW_SECONDS = (
    25 * 60
)  # servers end it after 30 minutes (RFC 2177), which a fetch prevents (wire/idle_watch.py)
PATIENCE = 10.0  # seconds for the answers that begin and end it: a dead connection is noticed soon
_TAG = b"IDLE1"
_MOST_BYTES = 64 * 1024  # of a line; news are short


class Idle:
    """A connection that rests. Nothing else may be asked of it until `end`."""

    def __init__(self, client: IMAPClient) -> None:
        self._wire, self._before = wire_of(client), client.socket().gettimeout()
        self._partial = b""
        self.stirred = self._wire.news  # told already, after the last listing

    @classmethod
    def begin(cls, client: IMAPClient) -> Self | None:
        """Begin to rest; None if the server refuses. Raises TransportFailure."""
        idle = cls(client)
        with answers():
            client.socket().settimeout(PATIENCE)
            idle._wire.send(_TAG + b" IDLE\r\n")
            while not (line := idle._line()).startswith(b"+"):
                if line.startswith(_TAG):
                    client.socket().settimeout(idle._before)
                    return None
                idle._hear(line)
            client.socket().setblocking(False)
            idle._take_up(idle._arrived())  # it may have come in one packet with the consent
        return idle

    def fileno(self) -> int:
        return self._wire.sock.fileno()

    def stirs(self) -> bool:
        """Read what has come, when there is something to read: is there mail? Raises when the server has left."""
        with answers():
            arrived = self._arrived()
            if arrived is None:
                raise TemporaryFailure("connection_lost")
            self._take_up(arrived)
        return self.stirred

    def end(self) -> None:
        """DONE, and its answer. Raises TransportFailure if the connection is no longer good for anything."""
        with answers():
            self._wire.sock.settimeout(PATIENCE)
            self._wire.send(b"DONE\r\n")
            while not (line := self._line()).startswith(_TAG):
                self._hear(line)
            if b"OK" not in line.upper().split()[1:2]:
                raise TemporaryFailure("protocol_error", words(line))
            self._wire.sock.settimeout(self._before)

    def _arrived(self) -> bytes | None:
        """What can be read without waiting; None at the end of the connection, or where nothing is there."""
        arrived = b""
        while len(arrived) < _MOST_BYTES:
            try:
                piece = cast("BufferedReader", self._wire.file).read1(_MOST_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                return arrived
            if not piece:
                return arrived or None
            arrived += piece
            # What the layer of TLS has unpacked already, the selector does not see.
            if not (isinstance(self._wire.sock, ssl.SSLSocket) and self._wire.sock.pending()):
                break
        return arrived

    def _take_up(self, arrived: bytes | None) -> None:
        *lines, self._partial = (self._partial + (arrived or b"")).split(b"\n")
        for line in lines:
            self._wire.hear(line)
            self._hear(line)
        if len(self._partial) > _MOST_BYTES:
            raise TemporaryFailure("protocol_error", "endless line")

    def _line(self) -> bytes:
        line, self._partial = self._partial + self._wire.readline(), b""
        if not line.endswith(b"\n"):
            raise TemporaryFailure("connection_lost")
        return line

    def _hear(self, line: bytes) -> None:
        if line.startswith(_TAG) or line[:5].upper() == b"* BYE":
            raise TemporaryFailure("connection_lost", words(line))
        self.stirred = self.stirred or NEWS.match(line) is not None
