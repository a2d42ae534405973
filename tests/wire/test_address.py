"""Which addresses a typed host may lead to."""

import socket
from ipaddress import ip_address

import pytest

from wire import (
    Credentials,
    Encryption,
    PermanentFailure,
    ServerAddress,
    TemporaryFailure,
    Timeouts,
    peek,
    probe,
    web,
)
from wire.address import connect, dial, is_refused, resolve, server_name
from wire.dns_questions import encryption_of
from wire.imap import ImapSource
from wire.pop3 import Pop3Source
from wire.sent_folder import SentFolder
from wire.smtp import SmtpSender

REFUSED = [
    ("127.0.0.1", "loopback"),
    ("127.9.8.7", "all of 127/8 is loopback"),
    ("127.1", "short spelling of inet_aton"),
    ("2130706433", "one number"),
    ("0x7f000001", "hexadecimal"),
    ("0177.0.0.1", "octal"),
    ("localhost", "by name"),
    ("LOCALHOST.", "by name, with a dot"),
    ("[::1]", "IPv6 in brackets"),
    ("::1", "IPv6"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "this network"),
    ("::", "unspecified IPv6"),
    ("169.254.169.254", "metadata"),
    ("169.254.1.1", "link-local"),
    ("fd00:ec2::254", "metadata of Amazon by IPv6"),
    ("100.100.100.200", "metadata of Alibaba"),
    ("168.63.129.16", "metadata of Azure"),
    ("2822734096", "metadata of Azure as one number"),
    ("::ffff:168.63.129.16", "metadata of Azure, IPv4-mapped"),
    ("64:ff9b::168.63.129.16", "metadata of Azure by NAT64"),
    ("2002:a83f:8110::1", "metadata of Azure by 6to4"),
    ("192.0.0.192", "metadata of Oracle"),
    ("fd20:ce::254", "metadata of Google by IPv6"),
    ("fd00:ec2::23", "credentials of a pod at Amazon"),
    ("fd00:42::42", "metadata of Scaleway by IPv6"),
    ("fe80::1", "link-local IPv6"),
    ("224.0.0.1", "multicast"),
    ("ff02::1", "multicast IPv6"),
    ("255.255.255.255", "broadcast"),
    ("240.0.0.1", "reserved"),
    ("::ffff:127.0.0.1", "IPv4-mapped"),
    ("::ffff:a9fe:a9fe", "IPv4-mapped metadata in hexadecimal"),
    ("::127.0.0.1", "IPv4-compatible"),
    ("64:ff9b::127.0.0.1", "NAT64"),
    ("64:ff9b::a9fe:a9fe", "NAT64 metadata"),
    ("64:ff9b:1::169.254.169.254", "local NAT64"),
    ("::ffff:0:127.0.0.1", "IPv4-translated"),
    ("2002:7f00:1::", "6to4"),
    ("2002:a9fe:a9fe::1", "6to4 metadata"),
    ("2001:0:7f00:1::", "Teredo server"),
    ("2001:0:102:304:0:0:80ff:fffe", "Teredo client"),
    ("127.0.1", "three parts"),
    ("0x7f.1", "hexadecimal and short"),
    ("017700000001", "one octal number"),
    ("0177.0x0.0.01", "octal and hexadecimal"),
    ("0", "unspecified as one number"),
    ("2852039166", "metadata as one number"),
    ("0xa9fea9fe", "metadata in hexadecimal"),
    ("0251.0376.0251.0376", "metadata in octal"),
    ("169.254.43518", "metadata in three parts"),
    (" 127.0.0.1 ", "blanks around it"),
    ("0:0:0:0:0:0:0:1", "IPv6 written out"),
    ("::ffff:7f00:1", "IPv4-mapped in hexadecimal"),
    ("[::ffff:127.0.0.1]", "IPv4-mapped in brackets"),
    ("\uff11\uff12\uff17.\uff10.\uff10.\uff11", "full-width digits"),
    ("127\u30020\u30020\u30021", "ideographic dots"),
    ("\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3", "circled letters"),
]
ALLOWED = ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12:3456::1", "93.184.216.34", "2606:4700::1",
           "::ffff:10.0.0.1", "64:ff9b::5db8:d822"]  # fmt: skip


def test_at_least_forty_spellings_are_refused():
    assert len({host for host, _ in REFUSED}) >= 40


@pytest.mark.parametrize(("host", "why"), REFUSED, ids=lambda value: value)
def test_a_host_that_is_ourselves_is_refused(host, why):
    with pytest.raises(PermanentFailure) as failure:
        resolve(host, 143)
    assert failure.value.code == "refused_address"


@pytest.mark.parametrize("host", ALLOWED)
def test_the_internet_and_private_networks_are_allowed(host):
    assert resolve(host, 143) == [ip_address(host)]


def test_a_setting_allows_local_servers():
    assert ip_address("127.0.0.1") in resolve("localhost", 143, allow_private=True)


def our_address(kind: str) -> str:
    """An address of this machine that is neither loopback nor link-local: the one it would speak from."""
    family, somewhere = {"ipv4": (socket.AF_INET, "198.51.100.1"), "ipv6": (socket.AF_INET6, "2001:db8::1")}[
        kind
    ]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as unsent:
            unsent.connect((somewhere, 9))
            return str(unsent.getsockname()[0])
    except OSError:
        pytest.skip(f"this machine has no network by {kind}")


def _spoken_to(walk):
    """The code with which a connection test ends at its first step."""
    step = walk[0]
    if step.state == "failed":
        raise PermanentFailure(step.code)


ME = Credentials("support@acme.example", "secret")
WAYS = {
    "test of IMAP": lambda at: _spoken_to(probe.check_incoming("imap", at, ME)),
    "test of POP3": lambda at: _spoken_to(probe.check_incoming("pop3", at, ME)),
    "test of SMTP": lambda at: _spoken_to(probe.check_outgoing(at, ME, ME.user, "acme.example")),
    "dry run by IMAP": lambda at: peek.glance("imap", at, ME, 1),
    "dry run by POP3": lambda at: peek.glance("pop3", at, ME, 1),
    "fetch by IMAP": lambda at: ImapSource(at, ME, 1000).__enter__(),
    "fetch by POP3": lambda at: Pop3Source(at, ME, 1000).__enter__(),
    "sent folder": lambda at: SentFolder(at, ME).__enter__(),
    "send": lambda at: SmtpSender(at, ME, "acme.example").send(b"\r\n", "", [ME.user]),
    "encryption of a server": lambda at: encryption_of(at, "acme.example"),
    "encryption of an MX": lambda at: encryption_of(at, "acme.example", [ip_address(at.host)]),
    "autoconfig": lambda at: web.get(_url(at), lambda _: [ip_address(at.host)], 1, port=at.port),
    "token": lambda at: web.post(_url(at), {}, lambda _: [ip_address(at.host)], 1),
}


def _url(server):
    return f"https://provider.example:{server.port}/"


@pytest.mark.parametrize("kind", ["ipv4", "ipv6"])
@pytest.mark.parametrize("way", WAYS)
def test_a_service_of_this_machine_is_not_even_connected_to(way, kind):
    """By the address of its network card, as by loopback."""
    ours = our_address(kind)
    family = socket.AF_INET if kind == "ipv4" else socket.AF_INET6
    with socket.create_server((ours, 0), family=family) as service:
        service.setblocking(False)
        port = service.getsockname()[1]
        server = ServerAddress(ours, port, Encryption.STARTTLS, timeouts=Timeouts(0.5, 0.5))
        with pytest.raises(PermanentFailure) as failure:
            WAYS[way](server)
        assert failure.value.code == "refused_address"
        with pytest.raises(BlockingIOError):
            service.accept()


def test_nor_by_another_spelling_of_its_address():
    ours = our_address("ipv4")
    last = int(ip_address(ours))
    for host in (
        str(last),
        f"::ffff:{ours}",
        f"64:ff9b::{ours}",
        f"2002:{last >> 16:x}:{last & 0xFFFF:x}::1",
    ):
        with pytest.raises(PermanentFailure):
            resolve(host, 143)
    assert resolve(ours, 143, allow_private=True) == [ip_address(ours)]


def test_a_neighbour_in_our_network_is_allowed():
    ours = ip_address(our_address("ipv4"))
    assert not is_refused(ours + 1) or not is_refused(ours - 1)


@pytest.mark.parametrize("host", ["", "   ", "[]", "a" * 70 + ".example", "bad host", "xn--\N{SNOWMAN}\u202e", "nul\0.example"])  # fmt: skip
def test_what_is_no_host_is_not_found(host):
    with pytest.raises(TemporaryFailure) as failure:
        resolve(host, 143)
    assert failure.value.code == "name_not_found"


def test_a_name_is_asked_once_and_the_checked_address_is_connected_to(monkeypatch):
    """A name that answers differently the second time (DNS rebinding) must not lead elsewhere."""
    questions = []

    def answer(host, port, **options):
        questions.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in ("127.0.0.1", "192.0.2.7", "192.0.2.7")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert resolve("mail.example", 143) == [ip_address("192.0.2.7")]
    server = ServerAddress("mail.example", 143, timeouts=Timeouts(0.1, 0.1))
    with pytest.raises(TemporaryFailure):
        connect(server)
    assert questions == ["mail.example"] * 2


def test_the_next_address_is_tried():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with dial([ip_address("127.0.0.2"), ip_address("127.0.0.1")], port, 2) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)


def test_a_closed_port_is_refused_and_a_silent_one_times_out():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        with pytest.raises(TemporaryFailure) as failure:
            dial([ip_address("127.0.0.1")], port, 0.2)
        assert failure.value.code == "connect_timeout"
        for one in waiting:
            one.close()
    with pytest.raises(TemporaryFailure) as failure:
        dial([ip_address("127.0.0.1")], port, 0.2)
    assert failure.value.code == "connect_refused"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Mail.Example", "Mail.Example"),
        ("[::1]", "::1"),
        ("straße.example", "xn--strae-oqa.example"),
        (" a.b. ", "a.b"),
    ],
)
def test_international_names_follow_the_current_rules(typed, name):
    assert server_name(typed) == name


def test_every_refused_address_is_refused_within_others():
    inner = int(ip_address("169.254.169.254"))
    for network in ("::ffff:0:0", "64:ff9b::", "::ffff:0:0:0"):
        assert is_refused(ip_address(int(ip_address(network)) + inner))
