"""The web server: waitress, with limits for those who only hold a connection, trickle, or bring too much.

Everything of a request is read before a thread of ours sees it, by one loop for all connections. What a
connection costs while it is read is therefore bounded here, in number, time and bytes.
"""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Flask
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer, create_server

from desk.office import Office

KIB = 1024
LEAVING = 50  # more connections, until those that must make room have left
OTHER_FILES = 512  # descriptors that are not connections of browsers: database, mail servers, our receiver


@dataclass(frozen=True, slots=True)
class Limits:
    connections: int = 1000
    seconds: int = 30  # that a connection may rest, and that a request may take until it is here
    slowest: int = (
        8 * KIB
    )  # bytes that buy a request one second more: who sends files on a slow line is let be
    look: int = 5  # seconds between two looks for those that must go
    header: int = 16 * KIB  # the address and our cookies have 8 at most


USUAL = Limits()


def web_server(app: Flask, listening: socket.socket, limits: Limits = USUAL) -> TcpWSGIServer:
    """Ready to run."""
    office: Office = app.extensions["poststelle"]
    settings = office.settings
    most = min(limits.connections, _open_files(limits.connections + OTHER_FILES) - OTHER_FILES)
    server = create_server(
        app,
        sockets=[listening],
        threads=settings.threads,
        ident="Poststelle",
        clear_untrusted_proxy_headers=not settings.trusted_proxies,
        connection_limit=most + LEAVING,
        channel_timeout=limits.seconds,
        cleanup_interval=limits.look,
        max_request_header_size=limits.header,
        max_request_body_size=2 * settings.max_mail_bytes,  # of which is kept what `Body` keeps
        asyncore_use_poll=True,  # select() ends at descriptor 1023
    )
    server.channel_class = _channel_class(app.extensions["largest_body"], most, limits.slowest)
    return server


class Channel(HTTPChannel):
    """A connection. Where there is no room for it, the one that rests longest makes it.

    One that trickles counts as one that rests, and is closed like it.
    waitress closes what was not active for so many seconds, whatever »active« is: a byte now and then was enough.
    Here the last activity of a request that is not complete lies at its beginning, and every `slowest`
    bytes that it brought make it a second younger.
    """

    most = USUAL.connections
    slowest = USUAL.slowest
    _began = 0.0
    _brought = 0

    def __init__(self, server: TcpWSGIServer, *given: Any, **more: Any) -> None:
        super().__init__(server, *given, **more)
        if len(server.active_channels) <= self.most:
            return
        staying = [one for one in server.active_channels.values() if not one.will_close]
        resting = [
            one for one in staying if not one.requests and not one.total_outbufs_len and one is not self
        ]
        if len(staying) > self.most and resting:
            min(resting, key=lambda one: one.last_activity).will_close = True

    def received(self, data: bytes) -> bool:
        now, before = time.time(), self.request
        self._brought += len(data)
        taken: bool = super().received(data)
        if self.request is not before:
            self._began, self._brought = now, len(data)
        if self.request is not None:
            self.last_activity = min(now, self._began + self._brought / self.slowest)
        return taken


class Request(HTTPRequestParser):
    """A request that keeps no more of its body than its page takes."""

    largest: Callable[[dict[str, Any]], int]

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.body_rcv is not None:
            limit = type(self).largest(self._environ())
            self.body_rcv.buf = Body(self.adj.inbuf_overflow, limit, self.content_length)

    def _environ(self) -> dict[str, Any]:
        """As much of the request as says what it wants, and from whom it is (WSGI, PEP 3333)."""
        return {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            **({"HTTP_COOKIE": self.headers["COOKIE"]} if "COOKIE" in self.headers else {}),
        }


class Body(OverflowableBuffer):
    """What came, up to `limit`; of a larger one nothing is kept but its size.

    The page is then asked with the size and without the body, and says in words that it is too large. A
    server that hung up at once would only show a broken connection.
    """

    buf: Any
    strbuf: bytes

    def __init__(self, overflow: int, limit: int, announced: int) -> None:
        super().__init__(overflow)
        self._left = limit if announced <= limit else 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes) -> None:
        self._size += len(data)
        self._left -= len(data)
        if self._left >= 0:
            super().append(data)
        elif self.buf is not None or self.strbuf:
            self.close()
            self.buf, self.strbuf = None, b""


def _channel_class(largest: Callable[[dict[str, Any]], int], most: int, slowest: int) -> type[Channel]:
    """waitress makes channels and parsers by itself: what ours must know stands in their classes."""
    parser = type("Request", (Request,), {"largest": staticmethod(largest)})
    return type("Channel", (Channel,), {"parser_class": parser, "most": most, "slowest": slowest})


def _open_files(wanted: int) -> int:
    """How many files may be open, after asking for `wanted`; many systems begin with 1024 and allow more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == unlimited else soft
