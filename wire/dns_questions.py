"""Questions to name servers within a time, and what a server says about its encryption."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import dns.exception
import dns.resolver

from mail.domains import ascii_domain
from mail.providers.lookup import Unanswered, can_exist, value_of
from wire import Encryption, PermanentFailure, ServerAddress, TransportFailure, smtp_wire, tls
from wire.address import IPAddress, connect, dial, is_refused
from wire.discovery import Internet, name_resolver

EACH = 3.0  # seconds for one question


class Questions:
    """Asks each question once, and none after `seconds`. Raises Unanswered."""

    def __init__(self, internet: Internet, seconds: float) -> None:
        self._resolver = name_resolver(internet)
        self._each = min(EACH, internet.step_seconds)
        self._ends = time.monotonic() + seconds
        self._known: dict[tuple[str, str], list[Any] | None] = {}

    def __call__(self, name: str, kind: str) -> list[Any]:
        key = (ascii_domain(name.rstrip(".")), kind)
        if key not in self._known:
            self._known[key] = self._ask(*key)
        if (known := self._known[key]) is None:
            raise Unanswered(name)
        return known

    def _ask(self, name: str, kind: str) -> list[Any] | None:
        """None: no answer."""
        if not can_exist(name):
            return []
        left = self._ends - time.monotonic()
        if left <= 0:
            return None
        try:
            answers = self._resolver.resolve(name, kind, lifetime=min(self._each, left), search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError):
            return None
        return [value_of(kind, answer) for answer in answers]


def encryption_of(
    server: ServerAddress, our_name: str, addresses: Sequence[IPAddress] = ()
) -> tuple[tuple[str, str], ...]:
    """Connect and encrypt, sign in nowhere: protocol, issuer and expiry of the certificate; empty for plain text.

    `addresses` are those of the host if they are known already. Raises TransportFailure.
    """
    if addresses:
        connection = dial(_allowed(server, addresses), server.port, server.timeouts.connect)
    else:
        connection = connect(server)
    if server.encryption == Encryption.SSL:
        connection = tls.wrap(connection, server)
    wire = smtp_wire.greet(server, connection, our_name)
    try:
        if server.encryption != Encryption.SSL:
            smtp_wire.encrypt(wire, server)
        return tls.certificate_facts(wire.sock)
    finally:
        with contextlib.suppress(TransportFailure, OSError):
            wire.hang_up()


def _allowed(server: ServerAddress, addresses: Sequence[IPAddress]) -> list[IPAddress]:
    """A record of DNS may lead anywhere, also to this machine."""
    allowed = [address for address in addresses if server.allow_private or not is_refused(address)]
    if not allowed:
        raise PermanentFailure("refused_address", ", ".join(map(str, addresses)))
    return allowed
