"""Replies that do not end: whatever the reply, and however it grows, we take little of it and hang up.

The limits are lowered here and the replies are of 8 MB; what counts is how many octets left the lying server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import pytest

from tests.servers.ca import Authority
from tests.servers.internet import NameServer
from tests.servers.scripted import Answer, ScriptedServer
from wire import (
    Credentials,
    Encryption,
    Handover,
    Listed,
    ServerAddress,
    TemporaryFailure,
    Timeouts,
    probe,
    reply_limits,
)
from wire.discovery import Internet, discover
from wire.imap import ImapSource
from wire.peek import glance
from wire.pop3 import Pop3Source
from wire.reply_limits import LIMITS, Limit, Reply
from wire.sent_folder import SentFolder
from wire.smtp import SmtpSender

SAID = 8 * 1024 * 1024  # octets of a reply without end
TAKEN = 512 * 1024  # of it at most: our limits, and what lies on the way between the two
MAX = 1000  # octets of a mail
RAW = b"Subject: x\r\n\r\nx\r\n"
BOB = Credentials("bob", "secret")


@pytest.fixture(autouse=True)
def _low(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIMITS:
        monkeypatch.setitem(LIMITS, name, Limit(4000, 1 if name == "POP3" else 100, 2000))


def on(beginning: bytes, piece: bytes) -> bytes:
    return beginning + piece * (SAID // len(piece))


def at(server: ScriptedServer) -> ServerAddress:
    return ServerAddress(
        "localhost", server.port, Encryption.NONE, allow_plaintext=True, allow_private=True,
        timeouts=Timeouts(2, 2),
    )  # fmt: skip


def given_up(server: ScriptedServer, converse: Callable[[ServerAddress], object]) -> None:
    with server:
        with pytest.raises(TemporaryFailure) as failure:
            converse(at(server))
        assert (failure.value.code, failure.value.words) == ("protocol_error", reply_limits.WORDS)
    assert server.taken < TAKEN


# --- SMTP ---

EHLO = b"250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n"
IN = b"235 in\r\n"
OK = b"250 ok\r\n"


def send(address: ServerAddress) -> dict[str, Handover]:
    with SmtpSender(address, Credentials("bob", "secret", "login"), "desk.example") as sender:
        return sender.send(RAW, "a@x.example", ["c@x.example"])


@pytest.mark.parametrize(
    "grows", [b"250-and so on\r\n", b"250-\r\n", b"x"], ids=["lines", "short", "one line"]
)
@pytest.mark.parametrize(
    "before",
    [(), (b"220 hello\r\n",), (b"220 hello\r\n", EHLO), (b"220 hello\r\n", EHLO, b"334 \r\n"),
     (b"220 hello\r\n", EHLO, b"334 \r\n", b"334 \r\n", IN),
     (b"220 hello\r\n", EHLO, b"334 \r\n", b"334 \r\n", IN, OK),
     (b"220 hello\r\n", EHLO, b"334 \r\n", b"334 \r\n", IN, OK, OK)],
    ids=["greeting", "EHLO", "AUTH", "challenge", "MAIL", "RCPT", "DATA"],
)  # fmt: skip
def test_smtp(before: tuple[bytes, ...], grows: bytes) -> None:
    greeting, *answers = (*before, on(b"250-", grows))
    given_up(ScriptedServer(greeting, answers), send)


def test_smtp_after_the_final_dot_the_mail_may_be_on_its_way() -> None:
    answers = (EHLO, b"334 \r\n", b"334 \r\n", IN, OK, OK, b"354 go\r\n", *[b""] * RAW.count(b"\n"))
    with ScriptedServer(b"220 hello\r\n", (*answers, on(b"250-", b"250-\r\n"))) as server:
        assert send(at(server)) == {"c@x.example": Handover("accepted", "")}
    assert server.heard[-1] == b".\r\n"
    assert server.taken < TAKEN


def test_smtp_the_goodbye_fails_nothing() -> None:
    answers = (EHLO, b"334 \r\n", b"334 \r\n", IN, OK, OK, b"354 go\r\n", *[b""] * RAW.count(b"\n"), OK)
    with ScriptedServer(b"220 hello\r\n", (*answers, on(b"221-", b"221-\r\n"))) as server:
        assert send(at(server))["c@x.example"].outcome == "accepted"
    assert server.heard[-1].upper() == b"QUIT\r\n"
    assert server.taken < TAKEN


def test_smtp_the_connection_test_does_not_take_it_for_another_protocol() -> None:
    with ScriptedServer(on(b"220-", b"220-\r\n")) as server:
        steps = probe.check_outgoing(at(server), BOB, "a@x.example")
    assert [step.code for step in steps if step.state == "failed"] == ["protocol_error"]


def test_smtp_a_challenge_that_is_no_base64() -> None:
    with ScriptedServer(b"220 hello\r\n", (b"250 x\r\n", b"334 a\r\n")) as server:
        with pytest.raises(TemporaryFailure, match="protocol_error"):
            with SmtpSender(at(server), Credentials("bob", "secret", "cram-md5"), "desk.example"):
                pass


# --- POP3 ---

NO_CAPA = b"-ERR\r\n"
POP3_IN = (NO_CAPA, b"+OK\r\n", b"+OK\r\n")
LIST, UIDL = b"+OK\r\n1 3\r\n.\r\n", b"+OK\r\n1 a\r\n.\r\n"


def fetch_by_pop3(address: ServerAddress) -> list[bytes]:
    with Pop3Source(address, BOB, MAX) as source:
        return [mail.raw for mail in source.fetch(list(source.listing()))]


@pytest.mark.parametrize(
    "answers",
    [
        [on(b"+OK ", b"x")],
        [b"+OK\r\n", on(b"+OK\r\n", b"SASL PLAIN\r\n")],
        [b"+OK\r\n", NO_CAPA, on(b"+OK ", b"x")],
        [b"+OK\r\n", NO_CAPA, b"+OK\r\n", on(b"-ERR ", b"x")],
        [b"+OK\r\n", *POP3_IN, on(b"+OK\r\n", b"1 1\r\n")],
        [b"+OK\r\n", *POP3_IN, on(b"+OK\r\n", b"\r\n")],
        [b"+OK\r\n", *POP3_IN, on(b"+OK\r\n1 ", b"1 ")],
        [b"+OK\r\n", *POP3_IN, LIST, on(b"+OK\r\n", b"1 " + b"a" * 70 + b"\r\n")],
        [b"+OK\r\n", *POP3_IN, LIST, on(b"+OK\r\n1 ", b"a")],
        [b"+OK\r\n", *POP3_IN, LIST, UIDL, on(b"+OK\r\n", b"a" * 78 + b"\r\n")],
        [b"+OK\r\n", *POP3_IN, LIST, UIDL, on(b"+OK\r\n", b"a")],
        [b"+OK\r\n", *POP3_IN, LIST, UIDL, on(b"+OK ", b"a")],
        [b"+OK\r\n", *POP3_IN, b"+OK\r\n1 9999\r\n.\r\n", b"-ERR\r\n", on(b"+OK\r\n", b"A: b\r\n")],
    ],
    ids=["greeting", "CAPA", "USER", "PASS", "LIST", "LIST of nothing", "row", "UIDL", "id", "RETR", "RETR in one line",
         "RETR's first line", "TOP"],
)  # fmt: skip
def test_pop3(answers: list[bytes]) -> None:
    given_up(ScriptedServer(answers[0], answers[1:]), fetch_by_pop3)


@pytest.mark.parametrize("grows", [b"SASL PLAIN\r\n", b"x"])
def test_pop3_capabilities_before_it_is_encrypted(grows: bytes) -> None:
    def converse(address: ServerAddress) -> None:
        with Pop3Source(
            ServerAddress("localhost", address.port, Encryption.STARTTLS, allow_private=True), BOB, MAX
        ):
            pass

    given_up(ScriptedServer(b"+OK\r\n", [on(b"+OK\r\n", grows)]), converse)


def test_pop3_a_goodbye_without_end_confirms_no_deletion() -> None:
    answers = (*POP3_IN, LIST, UIDL, b"+OK marked\r\n", on(b"+OK ", b"x"))
    with ScriptedServer(b"+OK\r\n", answers) as server:
        with Pop3Source(at(server), BOB, MAX) as source:
            source.dispose(["uidl:a"], "delete")
    assert not source.deletions_kept
    assert server.taken < TAKEN


def test_pop3_after_a_reply_without_end_nothing_is_deleted() -> None:
    """The server hears no QUIT, without which it keeps what was marked (RFC 1939, 6)."""
    answers = (*POP3_IN, LIST, UIDL, b"+OK marked\r\n", on(b"+OK\r\n", b"a\r\n"))
    with ScriptedServer(b"+OK\r\n", answers) as server:
        with pytest.raises(TemporaryFailure):
            with Pop3Source(at(server), BOB, MAX) as source:
                (mail,) = source.listing()
                source.dispose([mail.source_id], "delete")
                list(source.fetch([mail]))
    assert not source.deletions_kept
    assert b"QUIT\r\n" not in server.heard


# --- IMAP ---

GREETING = b"* OK ready\r\n"
CAPABLE = b"* CAPABILITY IMAP4rev1 IDLE MOVE NAMESPACE\r\n{tag} OK done\r\n"
SELECTED = b"* OK [UIDVALIDITY 7] valid\r\n{tag} OK open\r\n"
HELLO = (CAPABLE, b"{tag} OK in\r\n", CAPABLE, SELECTED)
FOUND = b"* SEARCH 1\r\n{tag} OK done\r\n"
ROW = b"* 1 FETCH (UID 1 RFC822.SIZE 9 FLAGS ())\r\n"
SPAM = [
    (b"* ", b"x"),
    (b"", b"* 1 EXISTS\r\n"),
    (b"", b"* OK\r\n"),
    (b"", b"* LIST () \"/\" x\r\n"),
    (b"* SEARCH", b" 1"),
    (b"", b"* SEARCH 1\r\n"),
    (b"", ROW),
    (b"* 1 FETCH (FLAGS (", b"a "),
    (b"", b"* ID {100}\r\n" + b"x" * 100 + b"\r\n"),
    (b"* ID {100000000}\r\n", b"x"),
]  # fmt: skip


def fetch_by_imap(address: ServerAddress) -> list[bytes]:
    with ImapSource(address, BOB, MAX) as source:
        return [mail.raw for mail in source.fetch(list(source.listing()))]


@pytest.mark.parametrize("spam", SPAM, ids=[repr(piece)[:20] for _, piece in SPAM])
@pytest.mark.parametrize(
    "before",
    [
        (),
        HELLO[:1],
        HELLO[:2],
        HELLO[:3],
        HELLO,
        (*HELLO, FOUND),
        (*HELLO, FOUND, ROW + b"{tag} OK done\r\n"),
    ],
    ids=["CAPABILITY", "LOGIN", "CAPABILITY again", "SELECT", "SEARCH", "list", "body"],
)
def test_imap(monkeypatch: pytest.MonkeyPatch, before: tuple[bytes, ...], spam: tuple[bytes, bytes]) -> None:
    monkeypatch.setattr("wire.imap.BATCH_BYTES", 0)  # beside the largest mail, of all literals of a reply
    given_up(ScriptedServer(GREETING, [*before, on(*spam)]), fetch_by_imap)


@pytest.mark.parametrize("piece", [b"x", b"* OK\r\n"])
def test_imap_greeting(piece: bytes) -> None:
    given_up(ScriptedServer(on(b"* OK ", piece)), fetch_by_imap)


def test_imap_challenges() -> None:
    capable = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK done\r\n"
    given_up(ScriptedServer(GREETING, [capable, on(b"", b"+ \r\n")]), fetch_by_imap)


def test_imap_many_mails_in_one_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be taken, all of them together not."""
    monkeypatch.setattr("wire.imap.BATCH_BYTES", 0)
    body = b"* 1 FETCH (UID 1 BODY[] {900}\r\n" + b"x" * 900 + b")\r\n"
    answers = [*HELLO, FOUND, ROW + b"{tag} OK done\r\n", on(b"", body)]
    given_up(ScriptedServer(GREETING, answers), fetch_by_imap)


def test_imap_folders_and_namespaces() -> None:
    def move(address: ServerAddress) -> None:
        with ImapSource(address, BOB, MAX) as source:
            source.dispose(["7:1"], "move", "Done")

    folders = on(b"", b'* LIST () "/" x\r\n')
    given_up(ScriptedServer(GREETING, [*HELLO, folders]), move)
    nothing, names = b"{tag} OK done\r\n", on(b"", b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    given_up(ScriptedServer(GREETING, [*HELLO, nothing, names]), move)

    def keep(address: ServerAddress) -> None:
        with SentFolder(address, BOB):
            pass

    given_up(ScriptedServer(GREETING, [*HELLO[:3], folders]), keep)


def test_imap_idle() -> None:
    with ScriptedServer(GREETING, [*HELLO, on(b"", b"* 1 EXPUNGE\r\n")]) as server:
        with ImapSource(at(server), BOB, MAX) as source:
            assert not source.rest()
    assert server.taken < TAKEN


def test_imap_the_end_of_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailbox that does not let itself be woken is connected anew."""
    with ScriptedServer(GREETING, [*HELLO, b"+ idling\r\n", on(b"", b"* 1 EXPUNGE\r\n")]) as server:
        source = ImapSource(at(server), BOB, MAX)
        with source:
            assert source.rest()
        monkeypatch.setattr(source, "_connect", lambda: (_ for _ in ()).throw(ZeroDivisionError))
        with pytest.raises(ZeroDivisionError):
            source.__enter__()
    assert server.taken < TAKEN


def test_imap_the_connection_test_says_goodbye_to_it() -> None:
    with ScriptedServer(GREETING, [*HELLO[:3], on(b"", b"* 1 EXISTS\r\n")]) as server:
        steps = probe.check_incoming("imap", at(server), BOB)
    assert [step.code for step in steps if step.state == "failed"] == ["protocol_error"]
    assert server.taken < TAKEN


def test_imap_what_is_said_unasked_does_not_pile_up() -> None:
    noise = b"* 1 RECENT\r\n* 1 EXPUNGE\r\n* OK [ALERT] hear hear\r\n"
    rows = b"* 1 FETCH (UID 1 RFC822.SIZE 2 FLAGS ())\r\n{tag} OK done\r\n"
    answers = [*HELLO, *[noise + FOUND, noise + rows] * 20, b"* BYE\r\n{tag} OK\r\n"]
    with ScriptedServer(GREETING, answers) as server, ImapSource(at(server), BOB, MAX) as source:
        for _ in range(20):
            assert [mail.position for mail in source.listing()] == [1]
        wire = source._client._imap
        assert sum(map(len, wire.untagged_responses.values())) < 10
        assert not wire._cmd_log


def test_imap_brackets_in_brackets() -> None:
    deep = b"* 1 FETCH (UID 1 FLAGS " + b"(" * 5000 + b")" * 5000 + b")\r\n{tag} OK done\r\n"
    LIMITS["IMAP signed in"] = Limit(20_000, 100, 20_000)
    with ScriptedServer(GREETING, [*HELLO, FOUND, deep]) as server:
        with pytest.raises(TemporaryFailure, match="protocol_error"):
            fetch_by_imap(at(server))


# --- the web ---


@pytest.mark.parametrize(
    "answer",
    [
        on(b"HTTP/1.1 200 OK\r\n", b"X-Y: " + b"z" * 60_000 + b"\r\n"),
        on(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        on(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Y: z\r\n"),
        on(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 1000 + b"\r\nx\r\n"),
        on(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    ],
    ids=["fields", "100 Continue", "trailers", "chunks", "body"],
)
def test_web(trusted_ca: Authority, answer: bytes) -> None:
    context = trusted_ca.issue("autoconfig.acme.example", file="endless").context()
    with NameServer() as names, ScriptedServer(b"", [answer], context) as server:
        names.add("autoconfig.acme.example", "A", "127.0.0.1")
        internet = Internet(("127.0.0.1",), names.port, server.port, allow_private=True)
        found = discover("a@acme.example", internet)
    place = next(place for place in found.places if place.way == "autoconfig")
    assert place.code == ("too_large" if answer.endswith(b"xx") else "protocol_error")
    assert server.taken < 2 * TAKEN


# --- what must pass ---


def test_what_fits_passes_and_one_more_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"+OK\r\n1 9\r\n2 9\r\n.\r\n"
    limits = {(len(rows), 4): True, (len(rows) - 1, 4): False, (len(rows), 3): False}
    for (octets, count), passes in limits.items():
        monkeypatch.setitem(LIMITS, "POP3 LIST", Limit(octets, count, 100))
        with ScriptedServer(
            b"+OK\r\n", [*POP3_IN, rows, b"+OK\r\n1 a\r\n2 b\r\n.\r\n", b"+OK\r\n"]
        ) as server:
            if passes:
                with Pop3Source(at(server), BOB, 5) as source:
                    assert len(list(source.listing())) == 2
            else:
                with pytest.raises(TemporaryFailure), Pop3Source(at(server), BOB, 5) as source:
                    list(source.listing())


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("POP3 LIST", b"1000000 99999999999\r\n"),
        ("POP3 UIDL", b"1000000 " + b"u" * 70 + b"\r\n"),
        ("IMAP SEARCH", b" 4294967295"),
    ],
)
def test_a_mailbox_of_a_million_mails_can_be_listed(
    monkeypatch: pytest.MonkeyPatch, kind: str, row: bytes
) -> None:
    monkeypatch.undo()
    reply = Reply(LIMITS[kind])
    reply.take(1_000_000 * len(row), 1_000_000)
    assert reply.line(BytesIO(b"and its end\r\n")) == b"and its end\r\n"


def test_a_mail_of_many_short_lines_takes_its_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    body = b"\r\n" * 400_000
    answers = [*POP3_IN, b"+OK\r\n1 800000\r\n.\r\n", UIDL, b"+OK\r\n" + body + b".\r\n", b"+OK\r\n"]
    with ScriptedServer(b"+OK\r\n", answers) as server, Pop3Source(at(server), BOB, 1_000_000) as source:
        assert [mail.raw for mail in source.fetch(list(source.listing()))] == [body]


def test_a_mail_whose_size_is_not_known_is_fetched_alone() -> None:
    """Fifty of them in one reply might be larger than a reply may be, in each fetch again."""
    from wire.imap import _batches

    def listed() -> Iterator[Listed]:
        for number, size in enumerate((10, 0, 10, 10, 0, 0)):
            yield Listed(f"7:{number}", number, size, False, None)

    batches = [[mail.position for mail in batch] for batch in _batches(list(listed()))]
    assert batches == [[0], [1], [2, 3], [4], [5]]


def test_peeking_has_room_for_twenty_mails() -> None:
    from wire import peek

    LIMITS["IMAP signed in"] = Limit(40_000, 4000, 40_000)
    rows = b"".join(
        b"* %d FETCH (UID %d RFC822.SIZE %d BODY[]<0> {%d}\r\n%b)\r\n" % (n, n, peek.READ, peek.READ, b"x" * peek.READ)
        for n in range(1, 21)
    )  # fmt: skip
    numbers = b"* SEARCH " + b" ".join(b"%d" % n for n in range(1, 21)) + b"\r\n{tag} OK done\r\n"
    selected = b"* OK [UIDVALIDITY 7] valid\r\n{tag} OK open\r\n"
    answers: list[Answer] = [
        CAPABLE, b"{tag} OK in\r\n", CAPABLE, selected, numbers, numbers, rows + b"{tag} OK done\r\n",
    ]  # fmt: skip
    with ScriptedServer(GREETING, answers) as server:
        assert [len(mail.raw) for mail in glance("imap", at(server), BOB, 20).mails] == [peek.READ] * 20
