"""A small internet of our own: a name server and a web server with TLS, both on loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

# A record set, or a function that makes it anew for each question.
Records = list[str] | Callable[[], list[str]]


class NameServer:
    """Answers by UDP what `zones` says: (name, type) to the texts of its records. Other names do not exist."""

    def __init__(self) -> None:
        self.zones: dict[tuple[str, str], Records] = {}
        self.asked: list[tuple[str, str]] = []
        self.silent: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True, name="name server")

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def add(self, name: str, kind: str, *texts: str) -> None:
        self.zones[name, kind] = list(texts)

    def _serve(self) -> None:
        while True:
            packet, client = self._socket.recvfrom(4096)
            if not packet:
                return
            with contextlib.suppress(dns.exception.DNSException):
                answer = self._answer(dns.message.from_wire(packet))
                if answer is not None:
                    self._socket.sendto(answer.to_wire(), client)

    def _answer(self, question: dns.message.Message) -> dns.message.Message | None:
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        answer = dns.message.make_response(question)
        records = self.zones.get((name, kind))
        if records:
            texts = records() if callable(records) else records
            answer.answer.append(dns.rrset.from_text_list(asked.name, 1, "IN", kind, texts))
        elif not any(known == name for known, _ in self.zones):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@dataclass
class Page:
    """`drip` sends one byte after the other, with so many seconds between them."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: float = 0


class WebServer:
    """HTTPS on loopback: `pages` maps "host/path" to what it says; everything else is 404."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.stopping = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = self.headers["Host"].partition(":")[0] + self.path
                web.asked.append(url)
                page = web.pages.get(url.partition("?")[0], Page(status=404))
                with contextlib.suppress(OSError):
                    self.send_response(page.status)
                    for name, value in page.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    for byte in page.body if page.drip else ():
                        self.wfile.write(bytes([byte]))
                        if web.stopping.wait(page.drip):
                            return
                    self.wfile.write(b"" if page.drip else page.body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that goes away is no matter of ours."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
