"""One small answer from a web server that a stranger may have named: checked, bounded, encrypted.

Whoever asks an address of the form `https://autoconfig.DOMAIN` lets the domain's owner say where the request
goes. So every host is looked up once, refused if it leads into our own networks, and connected to by the
address that was checked; redirects are checked in the same way.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from wire import PermanentFailure, ServerAddress, TemporaryFailure, Timeouts, tls
from wire.address import IPAddress, dial, drop, inner_addresses, is_refused, server_name
from wire.failures import network_failure
from wire.reply_limits import without_end

LARGEST = 64 * 1024  # bytes of the body of an answer
# With its fields, the ends of its chunks and what it says before and behind: of these http.client takes 6 MB, or any
# number.
LARGEST_WITH_ALL = 4 * LARGEST
REDIRECTS = 3
# RFC 1918, 6598, 4193, and the documentation and benchmark networks that lead nowhere public.
_PRIVATE = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15",
                 "192.0.0.0/24", "fc00::/7", "fec0::/10")
)  # fmt: skip

LookUp = Callable[[str], Sequence[IPAddress]]


def get(
    url: str, look_up: LookUp, seconds: float, allow_private: bool = False, port: int = 443
) -> tuple[str, bytes]:
    """The final address and its body. HTTPS on `port` alone; at most LARGEST bytes within `seconds`.

    Raises PermanentFailure refused_address, not_https, http_status, too_large, too_many_redirects, and
    what connecting and TLS raise.
    """
    ends = time.monotonic() + seconds
    for _ in range(REDIRECTS + 1):
        connection = _Connection(*_place(url, port), look_up, ends, allow_private)
        with contextlib.closing(connection):
            status, location, body = connection.ask("GET", url)
        if status in (301, 302, 303, 307, 308) and location:
            url = urljoin(url, location)
            continue
        if status != 200:
            raise PermanentFailure("http_status", str(status))
        return url, body
    raise PermanentFailure("too_many_redirects", url)


def post(
    url: str,
    form: Mapping[str, str],
    look_up: LookUp,
    seconds: float,
    allow_private: bool = False,
) -> tuple[int, bytes]:
    """Status and body of what an address says to a form, on the port that it names. Redirects are not followed:
    what is in the form is meant for this address alone.

    Raises as `get` does, without http_status.
    """
    with contextlib.suppress(ValueError):
        asked = urlsplit(url).port or 443
        connection = _Connection(*_place(url, asked), look_up, time.monotonic() + seconds, allow_private)
        with contextlib.closing(connection):
            status, _, body = connection.ask("POST", url, urlencode(form))
        return status, body
    raise PermanentFailure("not_https", url[:200])


def is_private(address: IPAddress) -> bool:
    """Refused for mail, or in a network that is nobody's but the company's own."""
    return (
        is_refused(address)
        or any(address in network for network in _PRIVATE if network.version == address.version)
        or any(is_private(inner) for inner in inner_addresses(address))
    )


def _place(url: str, port: int) -> tuple[str, int]:
    """Host and port of an address that we may ask: https, our port, no user in it."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.username is not None or parts.password is not None:
        raise PermanentFailure("not_https", url[:200])
    try:
        asked = parts.port or port
    except ValueError as error:
        raise PermanentFailure("not_https", url[:200]) from error
    if asked != port or not parts.hostname:
        raise PermanentFailure("refused_address", url[:200])
    return server_name(parts.hostname), port


class _Bounded(io.RawIOBase):
    """What comes from a web server, up to LARGEST_WITH_ALL bytes."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self._left = raw, LARGEST_WITH_ALL

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise without_end()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *rest: Any, **named: Any) -> None:
        super().__init__(sock, *rest, **named)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach()))


class _Connection(http.client.HTTPConnection):
    """One request to an address that was checked; ended when its time is over, however slowly it drips."""

    default_port = 443  # which is left out of the Host field
    response_class = _Answer

    def __init__(self, host: str, port: int, look_up: LookUp, ends: float, allow_private: bool) -> None:
        super().__init__(host, port)
        self._look_up, self._ends, self._allow_private = look_up, ends, allow_private
        self._watch: threading.Timer | None = None

    def connect(self) -> None:
        found = self._look_up(self.host)
        allowed = [address for address in found if self._allow_private or not is_private(address)]
        if not found:
            raise TemporaryFailure("name_not_found", self.host)
        if not allowed:
            raise PermanentFailure("refused_address", ", ".join(map(str, found)))
        left = self._left()
        server = ServerAddress(self.host, self.port, timeouts=Timeouts(left, left))
        self.sock = tls.wrap(dial(allowed, self.port, left), server)
        # Cut at the end of its time: a limit for each read would let a server drip on.
        self._watch = threading.Timer(self._left(), drop, [self.sock])
        self._watch.daemon = True
        self._watch.start()

    def ask(self, method: str, url: str, form: str | None = None) -> tuple[int, str, bytes]:
        """Status, Location and body."""
        fields = {"Accept": "*/*", "User-Agent": "Poststelle"}
        if form is not None:
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            self.connect()
            self.request(method, target, form, fields)
            answer = self.getresponse()
            body = answer.read(LARGEST + 1)
        except OSError as error:
            raise TemporaryFailure("timeout") if self._left() <= 0 else network_failure(error) from error
        except (http.client.HTTPException, ValueError) as error:
            if self._left() <= 0:
                raise TemporaryFailure("timeout") from error
            raise TemporaryFailure("protocol_error", type(error).__name__) from error
        finally:
            if self._watch is not None:  # not in `close`, which a response calls before it is read
                self._watch.cancel()
        if self._left() <= 0:
            raise TemporaryFailure("timeout")  # what came by then is not all of it
        if len(body) > LARGEST:
            raise PermanentFailure("too_large")
        return answer.status, answer.headers.get("Location", ""), body

    def _left(self) -> float:
        return max(self._ends - time.monotonic(), 0.0)
