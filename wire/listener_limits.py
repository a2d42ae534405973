"""What a client of our receiver may do: per connection, per client, per address, and all together.

Strangers come from public addresses. Neighbours (loopback and private addresses, unix sockets) are the
company's own servers, or a container's gateway that stands for the world: they pass on whatever comes in.

Where there is no room for one more connection, the one that rests longest makes it: who only holds connections
keeps nobody out.

The largest mail is a setting of all ways in: `max_mail_bytes` in config.py (POSTSTELLE_MAX_MAIL_MB).
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    recipients: int = 100  # in one mail
    connections: int = 200  # altogether
    per_stranger: int = 20  # connections at the same time
    per_neighbour: int = 100
    errors: int = 30  # refused commands and addresses on one connection: who guesses addresses gives up
    mails: int = 1000  # of a stranger on one connection
    from_a_stranger: int = 300  # mails a minute
    to_an_address: int = 300  # mails a minute by all strangers together
    until_mail: float = 60.0  # seconds from greeting to the first MAIL
    silence: float = 300.0  # seconds between two lines (RFC 5321 4.5.3.2.7)
    session: float = 3600.0  # seconds from greeting to goodbye
    held_bytes: int = 128 * MIB  # of mails that are coming in at this moment, or one mail of the largest size


@dataclass(frozen=True, slots=True)
class Client:
    """`key` is what counts as one client: an IPv6 network of 64 bits is given to one customer."""

    address: str
    key: str
    is_neighbour: bool


def client_of(peer: object) -> Client:
    """Who a socket's other side is; a unix socket has no address."""
    address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return Client(address or "local", "local", is_neighbour=True)
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    network = ipaddress.ip_network((parsed, 64 if parsed.version == 6 else 32), strict=False)
    return Client(str(parsed), str(network), parsed.is_private or parsed.is_loopback)


class Rate:
    """Counts what happened in this minute, by whom."""

    def __init__(self, allowed: int, clock: Callable[[], float]) -> None:
        self._allowed, self._clock = allowed, clock
        self._minute = 0
        self._counts: Counter[str] = Counter()

    def allows(self, key: str) -> bool:
        """Count one more; False when it is one too many."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()
        self._counts[key] += 1
        return self._counts[key] <= self._allowed
