"""How much a server may say in one reply, counted while it is read.

A reply that never ends fills our memory long before `Timeouts.session` is over; until STARTTLS not only the
server can give it, but everybody on the way. Beyond its limit the failure is temporary, `protocol_error`: nothing
of the reply was taken, nothing is deleted, and the connection is given up.

Elsewhere: mails and their headers by POP3 (`pop3_wire`), an answer of the web (`web`). A message of DNS has
65,535 octets at most (RFC 1035, 4.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from wire import TemporaryFailure

WORDS = "reply without end"


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one reply: all its octets; its rows, which are lines, and in IMAP words; the octets of each line."""

    octets: int
    rows: int
    line: int


_KB, _MB = 1024, 1024 * 1024
_MAILS = 1_100_000  # a mailbox of a million mails, and some that come while we look

# By protocol and command. What is not named has the limit of its protocol.
LIMITS = {
    # Greeting, EHLO, refusals, challenges. A line has 512 octets (RFC 5321, 4.5.3.1.5), smtplib takes 8 KB; EHLO
    # of the largest servers has 30 lines.
    "SMTP": Limit(64 * _KB, 500, 8 * _KB),
    # Greeting, +OK, -ERR and challenges: one line of 512 octets (RFC 2449, 4).
    "POP3": Limit(8 * _KB, 1, 8 * _KB),
    "POP3 CAPA": Limit(64 * _KB, 500, 8 * _KB),
    # "1000000 99999999999" and "1000000 " with an id of 70 octets (RFC 1939, 7). Only what it says is held.
    "POP3 LIST": Limit(24 * _MAILS, _MAILS, 8 * _KB),
    "POP3 UIDL": Limit(80 * _MAILS, _MAILS, 8 * _KB),
    # Held is only what its reader wants; the rest is read and forgotten, so that the next mail can be fetched.
    # No mail is that large. Its lines have any length.
    "POP3 RETR": Limit(1024 * _MB, 1024 * _MB, 8 * _KB),
    "POP3 TOP": Limit(1024 * _MB, 1024 * _MB, 8 * _KB),
    # Before we have signed in: greeting, CAPABILITY, ID, STARTTLS, all challenges of one AUTHENTICATE.
    "IMAP": Limit(64 * _KB, 5_000, 64 * _KB),
    # 400 mails with their flags, the folders of a large account, the news that other clients cause. What imaplib
    # and IMAPClient make of a word takes up to 250 octets, so words are counted as well. Literals: `imap_wire`.
    "IMAP signed in": Limit(4 * _MB, 400_000, 4 * _MB),
    # All the numbers stand in one line: each has ten digits at most.
    "IMAP SEARCH": Limit(11 * _MAILS, _MAILS, 11 * _MAILS),
}


class Reply:
    """What is left of the limit of one reply."""

    def __init__(self, limit: Limit) -> None:
        self._octets, self._rows, self._line = limit.octets, limit.rows, limit.line

    def line(self, file: BinaryIO) -> bytes:
        """Its next line, with the line end; empty at the end of the connection."""
        line = file.readline(min(self._line, self._octets) + 1)
        self.take(len(line), rows=1)
        if len(line) > self._line:
            raise without_end()
        return line

    def take(self, octets: int, rows: int) -> None:
        """Count what was read or is about to be. Raises TemporaryFailure protocol_error."""
        self._octets -= octets
        self._rows -= rows
        if self._octets < 0 or self._rows < 0:
            raise without_end()


def without_end() -> TemporaryFailure:
    return TemporaryFailure("protocol_error", WORDS)


def reply_to(protocol: str, command: str = "") -> Reply:
    """The reply that is expected now; without a command the greeting."""
    return Reply(LIMITS.get(f"{protocol} {command}", LIMITS[protocol]))
