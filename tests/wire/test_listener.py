"""Our own receiver of mail: by smtplib as a good client, by a raw socket as a bad one."""

import contextlib
import logging
import smtplib
import socket
import ssl
import threading
import time
from itertools import pairwise

import pytest

from wire.listener import ReceivedMail, Receiver
from wire.listener_limits import Limits, Rate, client_of
from wire.listener_tls import Certificate

RAW = b"From: carol@customer.example\r\nSubject: Printer\r\n\r\nHello\r\n"
CAROL, SUPPORT, SALES = "carol@customer.example", "support@acme.example", "sales@acme.example"


class Desk:
    """What stands behind the receiver."""

    def __init__(self):
        self.received: list[ReceivedMail] = []
        self.known = {SUPPORT, SALES, "büro@acme.example"}
        self.fault: Exception | None = None
        self.unsafe: set[str] = set()
        self.may_finish = threading.Event()
        self.may_finish.set()
        self.busy = threading.Event()

    def accept(self, address):
        if isinstance(self.fault, LookupError):
            raise self.fault
        return address.casefold() in self.known

    def deliver(self, received):
        self.busy.set()
        assert self.may_finish.wait(10)
        if self.fault:
            raise self.fault
        self.received.append(received)
        return set(received.recipients) - self.unsafe


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def make_receiver(desk):
    started = []

    def make(**options):
        given = {"max_bytes": 1_000_000, "hostname": "desk.acme.example"} | options
        started.append(Receiver("127.0.0.1", 0, desk.accept, desk.deliver, **given))
        started[-1].start()
        return started[-1]

    yield make
    desk.may_finish.set()
    for receiver in started:
        receiver.stop()


@pytest.fixture
def receiver(make_receiver):
    return make_receiver()


@contextlib.contextmanager
def client(receiver):
    with smtplib.SMTP("127.0.0.1", receiver.port, "client.example", timeout=10) as opened:
        yield opened


class Raw:
    """Says exactly what it is told, line ends included."""

    def __init__(self, receiver, greeting=True):
        self.connection = socket.create_connection(("127.0.0.1", receiver.port), timeout=30)
        self.lines = self.connection.makefile("rb")
        self.greeting = self.answer() if greeting else b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.connection.close()

    def say(self, text):
        self.connection.sendall(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        return self.answer()

    def answer(self):
        answer = b""
        while True:
            line = self.lines.readline()
            answer += line
            if line[3:4] != b"-":
                return answer


def in_data(raw):
    for line in ("EHLO client.example", f"MAIL FROM:<{CAROL}>", f"RCPT TO:<{SUPPORT}>"):
        assert raw.say(line).startswith(b"250")
    assert raw.say("DATA").startswith(b"354")


def test_a_mail_arrives_as_it_was_sent(receiver, desk):
    raw = b"Subject: x\r\n\r\n.\r\n..y\r\n" + b"\xff" * 50_000 + b"\r\n"
    with client(receiver) as opened:
        assert opened.sendmail(CAROL, [SUPPORT, SALES, SUPPORT], raw) == {}
        opened.sendmail(CAROL, [SUPPORT], RAW)
    assert desk.received == [
        ReceivedMail(raw, CAROL, (SUPPORT, SALES), "127.0.0.1", False),
        ReceivedMail(RAW, CAROL, (SUPPORT,), "127.0.0.1", False),
    ]


@pytest.mark.parametrize("kind", ["smtp", "lmtp"])
def test_a_client_that_closes_its_half_is_still_answered(kind, make_receiver, desk):
    """Exim 4.96: the final dot and QUIT in one packet, and no more to say."""
    desk.may_finish.clear()
    receiver = make_receiver(lmtp=kind == "lmtp")
    with Raw(receiver) as raw:
        raw.say("LHLO client.example" if kind == "lmtp" else "EHLO client.example")
        raw.say(f"MAIL FROM:<{CAROL}>")
        raw.say(f"RCPT TO:<{SUPPORT}>")
        raw.say("RCPT TO:<nobody@acme.example>")
        raw.say("DATA")
        raw.connection.sendall(RAW + b".\r\nQUIT\r\n")
        raw.connection.shutdown(socket.SHUT_WR)
        assert desk.busy.wait(5)
        time.sleep(0.1)  # the end of its half has come while the mail is made durable
        desk.may_finish.set()
        assert [line[:3] for line in raw.lines] == [b"250", b"221"]
    assert [received.raw for received in desk.received] == [RAW]


def test_a_whole_conversation_in_one_packet_with_the_half_closed_behind_it(receiver, desk):
    mails = [f"MAIL FROM:<{CAROL}>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\n".encode() + RAW + b".\r\n"] * 3
    with Raw(receiver) as raw:
        raw.connection.sendall(b"HELO client.example\r\n" + b"".join(mails) + b"NOOP\r\n")
        raw.connection.shutdown(socket.SHUT_WR)
        answers = [line[:3] for line in raw.lines]
    assert answers == [b"250", *[b"250", b"250", b"354", b"250"] * 3, b"250"]
    assert len(desk.received) == 3


@pytest.mark.parametrize("said", [b"", b"EHLO client.exa", b"HELO x\r\nMAIL FR"])
def test_a_client_that_leaves_in_silence_ends_its_session_at_once(said, receiver, caplog):
    with Raw(receiver) as raw:
        raw.connection.sendall(said)
        raw.connection.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        assert all(line.startswith((b"250", b"421")) for line in raw.lines)
        assert time.monotonic() - began < 2
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_half_a_mail_is_no_mail(receiver, desk, caplog):
    with Raw(receiver) as raw:
        in_data(raw)
        raw.connection.sendall(RAW + b".\r")
        raw.connection.shutdown(socket.SHUT_WR)
        assert raw.lines.read() in (b"", b"421 4.4.2 The connection was closed\r\n")
    assert not desk.received
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_what_it_says_of_itself(receiver):
    with Raw(receiver) as raw:
        assert raw.greeting == b"220 desk.acme.example Poststelle\r\n"
        lines = raw.say("EHLO client.example").splitlines()
    assert [line[4:] for line in lines] == [
        b"desk.acme.example",
        b"SIZE 1000000",
        b"8BITMIME",
        b"SMTPUTF8",
        b"PIPELINING",
        b"ENHANCEDSTATUSCODES",
        b"HELP",
    ]


def test_only_known_addresses_and_no_relaying(receiver, desk):
    with client(receiver) as opened:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            opened.sendmail(CAROL, ["nobody@acme.example", "victim@elsewhere.example"], RAW)
        assert [code for code, _ in refused.value.recipients.values()] == [550, 550]
        assert set(opened.sendmail(CAROL, [SUPPORT, "nobody@acme.example"], RAW)) == {"nobody@acme.example"}
    assert [received.recipients for received in desk.received] == [(SUPPORT,)]


def test_the_null_sender_of_a_bounce(receiver, desk):
    with client(receiver) as opened:
        opened.sendmail("", [SUPPORT], RAW)
    assert desk.received[0].envelope_from == ""


def test_international_addresses(receiver, desk):
    with client(receiver) as opened:
        opened.ehlo()
        opened.sendmail("jörg@customer.example", ["Büro@acme.example"], RAW, mail_options=["SMTPUTF8"])
    assert (desk.received[0].envelope_from, desk.received[0].recipients) == (
        "jörg@customer.example",
        ("Büro@acme.example",),
    )


@pytest.mark.parametrize(
    ("fault", "stage"), [(OSError("disk full"), "deliver"), (LookupError("database locked"), "accept")]
)
def test_a_fault_of_ours_keeps_the_mail_with_the_sender(receiver, desk, caplog, fault, stage):
    desk.fault = fault
    caplog.set_level(logging.CRITICAL, "wire.listener")
    with client(receiver) as opened:
        with pytest.raises(smtplib.SMTPException) as failure:
            opened.sendmail(CAROL, [SUPPORT], RAW)
        codes = {
            "deliver": getattr(failure.value, "smtp_code", 0),
            "accept": getattr(failure.value, "recipients", {}).get(SUPPORT, (0,))[0],
        }
        assert codes[stage] == 451
        assert str(fault) not in str(failure.value)
        desk.fault = None
        opened.sendmail(CAROL, [SUPPORT], RAW)
    assert len(desk.received) == 1


def test_a_next_mail_needs_no_reset_after_our_fault(receiver, desk, caplog):
    caplog.set_level(logging.CRITICAL, "wire.listener")
    with Raw(receiver) as raw:
        in_data(raw)
        desk.fault = OSError()
        assert raw.say(RAW + b".\r\n").startswith(b"451")
        desk.fault = None
        in_data(raw)
        assert raw.say(RAW + b".\r\n").startswith(b"250")


def test_250_comes_only_after_the_mail_is_durable(receiver, desk):
    desk.may_finish.clear()
    with Raw(receiver) as raw:
        in_data(raw)
        raw.connection.sendall(RAW + b".\r\n")
        assert desk.busy.wait(5)
        raw.connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            raw.connection.recv(1)
        desk.may_finish.set()
        raw.connection.settimeout(5)
        assert raw.connection.recv(99).startswith(b"250")


def test_too_large_is_said_before_and_after(make_receiver, desk):
    receiver = make_receiver(max_bytes=1000)
    with Raw(receiver) as raw:
        raw.say("EHLO client.example")
        assert raw.say(f"MAIL FROM:<{CAROL}> SIZE=1001").startswith(b"552")
        in_data(raw)
        assert raw.say(b"x" * 500 + b"\r\n" + b"y" * 500 + b"\r\n.\r\n").startswith(b"552")
        in_data(raw)
        assert raw.say(RAW + b".\r\n").startswith(b"250")
    assert len(desk.received) == 1


@pytest.mark.parametrize(
    "trick",
    [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r", b"\0\n.\r\n"],
)
def test_nobody_smuggles_a_second_mail(receiver, desk, trick):
    """Another server may have seen the end of the mail where we do not, or the other way round."""
    smuggled = f"MAIL FROM:<boss@acme.example>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\nSubject: pay\r\n\r\nnow\r\n"
    with Raw(receiver) as raw:
        in_data(raw)
        assert raw.say(RAW + trick + smuggled.encode() + b".\r\n").startswith(b"550 5.6.0 Bare CR or LF")
        assert raw.say("NOOP").startswith(b"250")
    assert desk.received == []


def test_limits_of_one_mail(make_receiver, desk):
    receiver = make_receiver(limits=Limits(recipients=3))
    desk.known |= {f"u{number}@acme.example" for number in range(4)}
    with Raw(receiver) as raw:
        raw.say("EHLO client.example")
        raw.say(f"MAIL FROM:<{CAROL}>")
        answers = [raw.say(f"RCPT TO:<u{number}@acme.example>")[:3] for number in range(4)]
    assert answers == [b"250"] * 3 + [b"452"]


def test_idle_connections_keep_no_mail_out(receiver, desk):
    """As many as one neighbour may have, and that may be the gateway for the whole world."""
    with contextlib.ExitStack() as idle:
        for _ in range(Limits().per_neighbour):
            idle.enter_context(Raw(receiver))
        for _ in range(3):
            with client(receiver) as opened:
                opened.sendmail(CAROL, [SUPPORT], RAW)
    assert len(desk.received) == 3


@pytest.mark.parametrize("limits", [Limits(connections=3), Limits(per_neighbour=3)], ids=["all", "one"])
def test_who_rests_longest_makes_room(make_receiver, limits):
    receiver = make_receiver(limits=limits)
    with Raw(receiver) as first, Raw(receiver) as second, Raw(receiver) as third:
        assert first.say("NOOP").startswith(b"250")  # so the second rests longest
        with Raw(receiver) as fourth:
            assert fourth.greeting.startswith(b"220")
            assert second.answer().startswith(b"421 4.7.0") and second.lines.read() == b""
            for one in (first, third, fourth):
                assert one.say("NOOP").startswith(b"250")


def test_who_has_begun_a_mail_goes_last(make_receiver):
    receiver = make_receiver(limits=Limits(connections=2))
    with Raw(receiver) as sender, Raw(receiver) as idle:
        sender.say("EHLO client.example")
        assert sender.say(f"MAIL FROM:<{CAROL}>").startswith(b"250")
        assert idle.say("NOOP").startswith(b"250")  # heard last
        with Raw(receiver) as newcomer:
            assert newcomer.greeting.startswith(b"220")
            assert idle.answer().startswith(b"421")
            assert sender.say(f"RCPT TO:<{SUPPORT}>").startswith(b"250")


def test_a_mail_that_is_made_durable_is_not_hung_up_for_a_newcomer(make_receiver, desk):
    receiver = make_receiver(limits=Limits(connections=1))
    desk.may_finish.clear()
    with Raw(receiver) as sender:
        in_data(sender)
        sender.connection.sendall(RAW + b".\r\n")
        assert desk.busy.wait(5)
        with Raw(receiver) as newcomer:
            assert newcomer.greeting.startswith(b"421") and newcomer.lines.read() == b""
        desk.may_finish.set()
        assert sender.answer().startswith(b"250")


def test_room_is_made_under_tls_too(make_receiver, ca):
    receiver = make_receiver(limits=Limits(connections=1), tls=ca.issue(file="receiver").context)
    with Raw(receiver) as raw:
        raw.say("EHLO client.example")
        assert raw.say("STARTTLS").startswith(b"220")
        context = ssl.create_default_context(cafile=str(ca.path))
        with context.wrap_socket(raw.connection, server_hostname="localhost") as secret:
            secret.sendall(b"NOOP\r\n")
            assert secret.recv(100).startswith(b"250")
            with client(receiver) as newcomer:
                assert newcomer.noop()[0] == 250
            assert secret.recv(100).startswith(b"421 4.7.0")
            assert secret.recv(100) == b""


def test_a_mail_must_begin_in_time(make_receiver):
    """However often the client says something else meanwhile; who has begun one may rest."""
    receiver = make_receiver(limits=Limits(until_mail=0.5))
    with Raw(receiver) as talker, Raw(receiver) as sender:
        sender.say("EHLO client.example")
        sender.say(f"MAIL FROM:<{CAROL}>")
        answer, started = b"", time.monotonic()
        while not answer.startswith(b"421") and time.monotonic() - started < 3:
            answer = talker.say("NOOP")
            time.sleep(0.05)
        assert answer == b"421 4.4.2 No mail was begun in time, goodbye\r\n"
        time.sleep(0.2)
        assert sender.say(f"RCPT TO:<{SUPPORT}>").startswith(b"250")


def test_who_guesses_addresses_is_hung_up(make_receiver):
    with Raw(make_receiver(limits=Limits(errors=3))) as raw:
        raw.say("EHLO client.example")
        raw.say(f"MAIL FROM:<{CAROL}>")
        answers = [raw.say(f"RCPT TO:<guess{number}@acme.example>")[:3] for number in range(4)]
        assert answers == [b"550"] * 4
        assert raw.answer().startswith(b"421 4.7.0 Too many errors")
        assert raw.lines.read() == b""


@pytest.fixture
def stranger(monkeypatch):
    """The client comes from a public address."""
    monkeypatch.setattr("wire.listener_wire.client_of", lambda _peer: client_of(("198.51.101.7", 1)))


def test_a_stranger_sends_so_many_mails_a_minute(make_receiver, desk, stranger):
    with client(make_receiver(limits=Limits(from_a_stranger=2))) as opened:
        for _ in range(2):
            opened.sendmail(CAROL, [SUPPORT], RAW)
        with pytest.raises(smtplib.SMTPSenderRefused, match="451"):
            opened.sendmail(CAROL, [SUPPORT], RAW)
    assert [received.client for received in desk.received] == ["198.51.101.7"] * 2


def test_strangers_send_so_many_mails_a_minute_to_one_address(make_receiver, stranger):
    with client(make_receiver(limits=Limits(to_an_address=1))) as opened:
        opened.sendmail(CAROL, [SUPPORT], RAW)
        assert opened.sendmail(CAROL, [SUPPORT, SALES], RAW)[SUPPORT][0] == 451


def test_one_connection_of_a_stranger_takes_so_many_mails(make_receiver, stranger):
    with client(make_receiver(limits=Limits(mails=1))) as opened:
        opened.sendmail(CAROL, [SUPPORT], RAW)
        with pytest.raises(smtplib.SMTPSenderRefused, match="451"):
            opened.sendmail(CAROL, [SUPPORT], RAW)


def test_neighbours_have_no_rate(make_receiver, desk):
    with client(make_receiver(limits=Limits(from_a_stranger=0, to_an_address=0, mails=0))) as opened:
        opened.sendmail(CAROL, [SUPPORT], RAW)
    assert len(desk.received) == 1


@pytest.mark.parametrize(
    ("peer", "key", "neighbour"),
    [
        (("127.0.0.1", 1), "127.0.0.1/32", True),
        (("10.1.2.3", 1), "10.1.2.3/32", True),
        (("8.8.8.8", 1), "8.8.8.8/32", False),
        (("::ffff:8.8.8.8", 1, 0, 0), "8.8.8.8/32", False),
        (("2a00:1450:4001:82a::1", 1, 0, 0), "2a00:1450:4001:82a::/64", False),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64", True),
        ("", "local", True),
        (None, "local", True),
    ],
)
def test_who_counts_as_one_client(peer, key, neighbour):
    assert (client_of(peer).key, client_of(peer).is_neighbour) == (key, neighbour)


def test_a_rate_begins_anew_every_minute():
    time = [59.0]
    rate = Rate(1, lambda: time[0])
    assert [rate.allows("a"), rate.allows("a"), rate.allows("b")] == [True, False, True]
    time[0] = 60.0
    assert rate.allows("a")


def test_all_mails_together_take_a_bounded_memory(make_receiver, desk):
    receiver = make_receiver(max_bytes=1000, limits=Limits(held_bytes=1500))
    with Raw(receiver) as first, Raw(receiver) as second:
        desk.may_finish.clear()
        for raw in (first, second):
            in_data(raw)
        first.connection.sendall(b"x" * 900 + b"\r\n.\r\n")
        assert desk.busy.wait(5)
        assert second.say(b"y" * 900 + b"\r\n.\r\n").startswith(b"452 4.3.1")
        desk.may_finish.set()
        assert first.answer().startswith(b"250")
        in_data(second)
        assert second.say(b"y" * 900 + b"\r\n.\r\n").startswith(b"250")


def test_a_client_that_left_makes_room(make_receiver):
    receiver = make_receiver(limits=Limits(per_neighbour=1))
    for _ in range(3):
        with Raw(receiver) as raw:
            assert raw.greeting.startswith(b"220")
            assert raw.say("QUIT").startswith(b"221")
            assert raw.lines.read() == b""


@pytest.mark.parametrize("limits", [Limits(silence=0.1), Limits(session=0.1)])
def test_a_client_that_takes_for_ever_is_hung_up(make_receiver, limits):
    with Raw(make_receiver(limits=limits), greeting=False) as raw:
        with contextlib.suppress(ConnectionResetError):
            assert raw.lines.read() in (b"220 desk.acme.example Poststelle\r\n", b"")


# --- the mail itself


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b".\r\n",
        b"..\r\n\r\n.\r\n",
        b"Subject: x\r\n\r\n.\r\n..y\r\n" + b"." * 300 + b"\r\n",
        b"x" * 300_000 + b"\r\n.y\r\n",
        b"".join(b"%d\r\n" % number for number in range(30_000)),
        bytes(byte for byte in range(256) if byte not in b"\r\n") * 400 + b"\r\n",
    ],
)
def test_every_byte_arrives_however_the_network_cuts_it(receiver, desk, body):
    """Among them lines far beyond the 998 of RFC 5322, and dots where the end of a mail could be seen."""
    wire = b"\r\n".join(b"." + line if line[:1] == b"." else line for line in body.split(b"\r\n")) + b".\r\n"
    cuts = [0, 1, 2, 3, 4, 5, len(wire) // 2, *range(max(len(wire) - 7, 0), len(wire) + 1)]
    with Raw(receiver) as raw:
        raw.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        in_data(raw)
        for begin, end in pairwise(sorted(set(cuts))):
            raw.connection.sendall(wire[begin:end])
            time.sleep(0.002)
        assert raw.answer().startswith(b"250")
        assert raw.say("NOOP").startswith(b"250")
    assert desk.received[0].raw == body


def test_the_largest_mail_is_as_large_as_announced(make_receiver, desk):
    receiver = make_receiver(max_bytes=200_000)
    with Raw(receiver) as raw:
        for size, code in ((200_000, b"250"), (200_001, b"552")):
            in_data(raw)
            assert raw.say(b"x" * (size - 2) + b"\r\n.\r\n").startswith(code)
    assert [len(received.raw) for received in desk.received] == [200_000]


def test_pipelined_commands_are_answered_in_order(receiver, desk):
    one = f"MAIL FROM:<{CAROL}>\r\nRCPT TO:<{SUPPORT}>\r\nRCPT TO:<nobody@acme.example>\r\nDATA\r\n".encode()
    with Raw(receiver) as raw:
        raw.say("EHLO client.example")
        codes = [raw.say(one)[:3], *(raw.answer()[:3] for _ in range(3))]
        assert codes == [b"250", b"250", b"550", b"354"]
        codes = [raw.say(RAW + b".\r\n" + one)[:3], *(raw.answer()[:3] for _ in range(4))]
        assert codes == [b"250", b"250", b"250", b"550", b"354"]
        assert raw.say(b".\r\n").startswith(b"250")
    assert [received.raw for received in desk.received] == [RAW, b""]


@pytest.mark.parametrize(
    "line", ["NOOP", "RSET", "NONSENSE", "MAIL FROM:<<<", "DATA", "VRFY a@b.c", "DATA x"]
)
def test_every_reply_has_an_enhanced_code_of_its_class(receiver, line):
    with Raw(receiver) as raw:
        raw.say("EHLO client.example")
        code, enhanced, _ = raw.say(line).split(b" ", 2)
        assert enhanced[:2] == code[:1] + b"."


# --- the session


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("AUTH PLAIN AGEAYg==", b"5"),
        ("EXPN all", b"502"),
        ("VRFY support", b"252"),
        ("NONSENSE", b"500"),
        ("DATA", b"503"),
        (f"RCPT TO:<{SUPPORT}>", b"503"),
        (b"MAIL FROM:<\xff@x.example>\r\n", b"553"),
        ("MAIL FROM:<<<", b"5"),
        ("X" * 3000, b"500"),
    ],
)
def test_odd_commands_are_refused_and_the_session_goes_on(receiver, line, code):
    with Raw(receiver) as raw:
        raw.say("EHLO client.example")
        assert raw.say(line).startswith(code)
        assert raw.say("NOOP").startswith(b"250")


def test_what_was_said_before_starttls_is_forgotten(make_receiver, desk, ca):
    """Commands that somebody put behind STARTTLS in clear text are not done under its protection."""
    with Raw(make_receiver(tls=ca.issue(file="receiver").context)) as raw:
        raw.say("EHLO client.example")
        assert raw.say(f"MAIL FROM:<{CAROL}>").startswith(b"250")
        assert raw.say("STARTTLS\r\nRCPT TO:<mallory@x.example>").startswith(b"220")
        context = ssl.create_default_context(cafile=str(ca.path))
        with context.wrap_socket(raw.connection, server_hostname="localhost") as secure:
            secure.sendall(f"RCPT TO:<{SUPPORT}>\r\n".encode())
            assert secure.recv(99).startswith(b"503")


def test_a_renewed_certificate_needs_no_restart(make_receiver, ca, tmp_path):
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"

    def put(issued):
        chain.write_bytes(issued.certificate.read_bytes())
        key.write_bytes(issued.key.read_bytes())

    def shown():
        with client(receiver) as opened:
            opened._host = "localhost"
            opened.starttls(context=ssl.create_default_context(cafile=str(ca.path)))
            return opened.sock.getpeercert()["serialNumber"]

    put(ca.issue(file="first"))
    receiver = make_receiver(tls=Certificate(chain, key).context)
    first = shown()
    chain.write_text("half written")
    assert shown() == first
    put(ca.issue(file="second"))
    assert shown() != first


def test_starttls(make_receiver, desk, ca):
    receiver = make_receiver(tls=ca.issue(file="receiver").context)
    with client(receiver) as opened:
        opened._host = "localhost"
        opened.starttls(context=ssl.create_default_context(cafile=str(ca.path)))
        opened.ehlo()
        assert not opened.has_extn("auth")
        opened.sendmail(CAROL, [SUPPORT], RAW)
    assert desk.received[0].tls
    with client(receiver) as opened:
        opened._host = "localhost"
        with pytest.raises(ssl.SSLCertVerificationError):
            opened.starttls(context=ssl.create_default_context())
        opened.close()


def test_lmtp_answers_for_every_recipient(make_receiver, desk, caplog):
    """With one answer for two recipients Postfix waits for the second for ever (RFC 2033 4.2)."""
    caplog.set_level(logging.CRITICAL, "wire.listener")
    receiver = make_receiver(lmtp=True, max_bytes=1000)
    with Raw(receiver) as raw:
        assert raw.say("EHLO client.example").startswith(b"500")
        for body, code, fault in (
            (RAW, b"250", None),
            (RAW, b"451", OSError()),
            (b"x" * 2000 + b"\r\n", b"552", None),
            (b"bare\nline\r\n", b"550", None),
        ):
            desk.fault = fault
            assert raw.say("LHLO client.example").startswith(b"250")
            raw.say(f"MAIL FROM:<{CAROL}>")
            answers = [raw.say(f"RCPT TO:<{who}>")[:3] for who in (SUPPORT, "nobody@acme.example", SALES)]
            assert answers == [b"250", b"550", b"250"]
            assert raw.say("DATA").startswith(b"354")
            assert raw.say(body + b".\r\n").startswith(code)
            assert raw.answer().startswith(code)
            assert raw.say("NOOP").startswith(b"250")
        assert raw.say("DATA").startswith(b"503")
    assert desk.received[0].recipients == (SUPPORT, SALES)


def test_a_mail_is_taken_by_smtp_only_if_it_is_safe_for_everybody(receiver, desk):
    desk.unsafe = {SALES}
    with client(receiver) as opened:
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            opened.sendmail(CAROL, [SUPPORT, SALES], RAW)


def test_lmtp_says_for_whom_it_is_safe(make_receiver, desk):
    desk.unsafe = {SALES}
    with Raw(make_receiver(lmtp=True)) as raw:
        raw.say("LHLO client.example")
        raw.say(f"MAIL FROM:<{CAROL}>")
        for who in (SALES, SUPPORT, SALES):
            raw.say(f"RCPT TO:<{who}>")
        raw.say("DATA")
        answers = [raw.say(RAW + b".\r\n"), raw.answer(), raw.answer()]
        assert [answer[:3] for answer in answers] == [b"451", b"250", b"451"]


def test_lmtp_on_a_unix_socket(make_receiver, desk, tmp_path):
    path = tmp_path / "lmtp.sock"
    with socket.socket(socket.AF_UNIX) as left_by_a_crash:
        left_by_a_crash.bind(str(path))
    receiver = make_receiver(lmtp=True, path=path)
    with smtplib.LMTP(str(path)) as opened:
        assert opened.sendmail(CAROL, [SUPPORT], RAW) == {}
    assert desk.received[0].client == "local"
    second = Receiver("", 0, desk.accept, desk.deliver, 1000, "desk.acme.example", path=path)
    with pytest.raises(OSError, match=r"lmtp\.sock: Address already in use"):
        second.start()
    receiver.stop()
    assert not path.exists()


def test_lmtp_with_smtplibs_client(make_receiver, desk):
    receiver = make_receiver(lmtp=True)
    with smtplib.LMTP("127.0.0.1", receiver.port, "client.example") as opened:
        assert opened.sendmail(CAROL, [SUPPORT], RAW) == {}
    assert desk.received[0].recipients == (SUPPORT,)


def test_a_taken_port_is_said_in_a_sentence(receiver, desk):
    second = Receiver("127.0.0.1", receiver.port, desk.accept, desk.deliver, 1000, "desk.acme.example")
    with pytest.raises(
        OSError, match=rf"Cannot receive mail on 127\.0\.0\.1:{receiver.port}: Address already in use"
    ):
        second.start()
    second.stop()


def test_stopping_finishes_what_is_in_flight(receiver, desk):
    desk.may_finish.clear()
    with Raw(receiver) as raw, Raw(receiver):
        in_data(raw)
        raw.connection.sendall(RAW + b".\r\n")
        assert desk.busy.wait(5)
        stopping = threading.Thread(target=receiver.stop)
        stopping.start()
        desk.may_finish.set()
        assert raw.answer().startswith(b"250")
        stopping.join(5)
        assert not stopping.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", receiver.port), timeout=1)
    assert len(desk.received) == 1


def test_it_starts_again_after_a_stop(receiver):
    receiver.stop()
    receiver.start()
    with Raw(receiver) as raw:
        assert raw.greeting.startswith(b"220")
