"""The web under pressure: who rests, trickles or brings too much keeps nobody else from the pages."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from waitress import buffers, wasyncore

from blueprints.page.bodies import OF_A_FORM, OF_A_STRANGER
from jobs.web_server import Limits, web_server
from models import Channel, db
from tests.servers.serving import Serving
from tests.support.browsing import PageClient

pytestmark = pytest.mark.one_database

IDLE = 200
KIB, MIB = 1024, 1024 * 1024


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as opened:
        yield opened


@pytest.fixture
def make_web(app: Flask) -> Iterator[Callable[..., int]]:
    """The real server in a thread, with limits of the test; answers its port."""
    running = []

    def make(**limits: int) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        server = web_server(app, listening, Limits(**{"look": 1, **limits}))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        return int(listening.getsockname()[1])

    yield make
    for server, thread in running:
        server.trigger.pull_trigger(lambda server=server: wasyncore.close_all(server._map))
        thread.join(10)
        server.task_dispatcher.shutdown(timeout=5)


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each temporary file that the server made for a body."""
    made: list[object] = []
    original = buffers.TempfileBasedBuffer.newfile

    def newfile(self: buffers.TempfileBasedBuffer) -> object:
        made.append(original(self))
        return made[-1]

    monkeypatch.setattr(buffers.TempfileBasedBuffer, "newfile", newfile)
    return made


def ask(port: int, head: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """Status and text of one exchange; the body is sent to its end before anything is read."""
    lines = [
        head,
        "Host: localhost",
        "Connection: close",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    with connected(port) as opened:
        opened.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        answer = opened.makefile("rb").read().decode()
    return int(answer.split(" ", 2)[1]), answer


def cookies(client: PageClient) -> dict[str, str]:
    db.session.rollback()  # the server's threads write too
    return {"Cookie": "; ".join(f"{one.key}={one.value}" for one in client.client._cookies.values())}


def post(port: int, path: str, size: int, **headers: str) -> tuple[int, str]:
    return ask(port, f"POST {path} HTTP/1.1", b"x" * size, Content_Length=str(size), **headers)


def chunked(size: int) -> bytes:
    return b"".join(b"8000\r\n" + b"x" * 0x8000 + b"\r\n" for _ in range(size // 0x8000)) + b"0\r\n\r\n"


def test_200_idle_connections_do_not_stop_the_web(make_serving: Callable[..., Serving]) -> None:
    serving = make_serving()
    serving.start()
    with contextlib.ExitStack() as idle:
        for number in range(IDLE):
            opened = idle.enter_context(connected(serving.port))
            if number % 2:
                opened.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc")
        started = time.monotonic()
        with urllib.request.urlopen(f"{serving.url}/healthz", timeout=5) as answer:
            assert answer.status == 200
        assert time.monotonic() - started < 2


def test_who_rests_longest_makes_room(make_web: Callable[..., int]) -> None:
    port = make_web(connections=3)
    with connected(port) as first, connected(port) as second, connected(port) as third:
        assert all(answers(opened) for opened in (second, third, first))
        with connected(port) as newcomer:
            assert answers(newcomer)
            assert second.recv(1) == b""
            assert answers(first) and answers(third)


def answers(opened: socket.socket) -> bool:
    """One more request on a connection that stays open."""
    opened.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}\n"):
        piece = opened.recv(4096)
        assert piece, "hung up"
        answer += piece
    return answer.startswith(b"HTTP/1.1 200")


def test_who_rests_is_hung_up(make_web: Callable[..., int]) -> None:
    with connected(make_web(seconds=1)) as opened:
        assert opened.recv(1) == b""


@pytest.mark.parametrize(
    "head",
    [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n"],
    ids=["header", "body"],
)  # fmt: skip
def test_who_trickles_is_hung_up(make_web: Callable[..., int], head: bytes) -> None:
    """A byte now and then is no activity."""
    port, started = make_web(seconds=1), time.monotonic()
    with connected(port) as opened, contextlib.suppress(ConnectionError):
        opened.sendall(head)
        while time.monotonic() - started < 9:
            opened.sendall(b"x")
            opened.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                assert opened.recv(1) == b""
                break
    assert time.monotonic() - started < 6


def test_who_is_slow_but_gets_on_is_let_be(make_web: Callable[..., int]) -> None:
    """3 seconds for a request where a resting connection has one: it brings half a KB in each tenth."""
    port = make_web(seconds=1, slowest=KIB // 4)
    with connected(port) as opened:
        opened.sendall(
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 15360\r\n\r\n"
        )
        for _ in range(30):
            opened.sendall(b"x" * 512)
            time.sleep(0.1)
        assert opened.makefile("rb").readline() == b"HTTP/1.1 400 BAD REQUEST\r\n"  # no token in it


@pytest.mark.parametrize("way", ["length", "chunks"])
def test_a_stranger_fills_no_disk(
    make_web: Callable[..., int], channel: Channel, spooled: list[object], way: str
) -> None:
    """Neither where everybody may send, nor where agents send files; and is told in words."""
    port = make_web()
    for path in ("/login", "/tickets/1001/replies", "/nowhere"):
        if way == "length":
            status, page = post(port, path, 2 * MIB)
        else:
            status, page = ask(port, f"POST {path} HTTP/1.1", chunked(2 * MIB), Transfer_Encoding="chunked")
        assert status == (404 if path == "/nowhere" else 413), path
        assert path == "/nowhere" or "This is too large." in page
    assert spooled == []
    assert post(port, "/login", OF_A_STRANGER)[0] == 400


def test_a_cookie_that_we_did_not_sign_is_a_strangers(
    make_web: Callable[..., int], spooled: list[object]
) -> None:
    forged = "poststelle=eyJfdXNlcl9pZCI6IjEifQ.aw1BwQ.AAAAAAAAAAAAAAAAAAAAAAAAAAA; remember_token=1|abc"
    assert post(make_web(), "/tickets/1001/replies", 2 * MIB, Cookie=forged)[0] == 413
    assert spooled == []


def test_an_agent_sends_files_where_files_are_asked_for(
    make_web: Callable[..., int], as_alice: PageClient, spooled: list[object]
) -> None:
    port, signed_in = make_web(), cookies(as_alice)
    assert post(port, "/profile", OF_A_FORM + 1, **signed_in)[0] == 413
    assert spooled == []
    assert (
        post(port, "/tickets/1001/replies", OF_A_FORM + 1, **signed_in)[0] == 400
    )  # read, and no token in it
    assert len(spooled) == 1


def test_too_large_for_files_too(make_web: Callable[..., int], as_alice: PageClient) -> None:
    status, page = post(make_web(), "/tickets/1001/replies", 52 * MIB, **cookies(as_alice))
    assert status == 413 and "This is too large." in page


def test_a_full_disk_ends_one_upload_and_not_the_web(
    make_web: Callable[..., int], as_alice: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container's /tmp has a size."""

    def newfile(_self: buffers.TempfileBasedBuffer) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(buffers.TempfileBasedBuffer, "newfile", newfile)
    port, signed_in = make_web(), cookies(as_alice)
    with contextlib.suppress(ConnectionError, ValueError, IndexError):
        assert post(port, "/tickets/1001/replies", 2 * MIB, **signed_in)[0] >= 500
    assert ask(port, "GET /healthz HTTP/1.1")[0] == 200
