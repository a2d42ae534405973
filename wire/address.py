"""Where a mail server really is: names become addresses that were checked before anyone connects to them.

An administrator types host names; without this check a typed name could make the server talk to itself (also by
the address of its network card), to its neighbours on the link or to the metadata service of its cloud (server-side
request forgery). Private networks (RFC 1918, ULA) stay allowed, since many companies run their mail server there.
docs/settings.md says the same at POSTSTELLE_ALLOW_PRIVATE_HOSTS.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import idna

from wire import PermanentFailure, ServerAddress, TemporaryFailure

IPAddress = IPv4Address | IPv6Address

# What clouds tell their machines, keys included, outside of link-local space.
METADATA = frozenset(
    ip_address(text)
    for text in (
        "168.63.129.16",  # Azure, »WireServer«
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # Amazon
        "fd00:ec2::23",  # Amazon, credentials of a pod
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
    )
)
# This network, reserved and broadcast (RFC 6890): never a mail server.
_NOWHERE = (ip_network("0.0.0.0/8"), ip_network("240.0.0.0/4"))
# Networks whose last 32 bits are an IPv4 address: compatible (RFC 4291), translated (RFC 6052, 8215, 2765).
_LAST_32_BITS = tuple(
    IPv6Network(text) for text in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96")
)


def connect(server: ServerAddress) -> socket.socket:
    """A TCP connection to a checked address of the server, not yet encrypted.

    The addresses that were checked are the ones connected to; the name is not asked a second time.
    Raises PermanentFailure refused_address; TemporaryFailure name_not_found, connect_refused,
    connect_timeout.
    """
    addresses = resolve(server.host, server.port, server.allow_private)
    return dial(addresses, server.port, server.timeouts.connect)


def resolve(host: str, port: int, allow_private: bool = False) -> list[IPAddress]:
    """The addresses of a host that we may talk to, in the order of the resolver, each once."""
    try:
        found = socket.getaddrinfo(server_name(host), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TemporaryFailure("name_not_found", words) from error
    addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
    allowed = [address for address in addresses if allow_private or not is_refused(address)]
    if not allowed:
        raise PermanentFailure("refused_address", ", ".join(map(str, addresses)))
    return allowed


def server_name(host: str) -> str:
    """The host as DNS and TLS want it: ASCII (IDNA 2008), no brackets around an IPv6 address."""
    name = host.strip().removeprefix("[").removesuffix("]").rstrip(".")
    if not name:
        raise TemporaryFailure("name_not_found")
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise TemporaryFailure("name_not_found", str(error)) from error


def is_refused(address: IPAddress) -> bool:
    """Whether an address is the machine itself by any of its interfaces, its link, a group or a metadata service.

    An IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo) counts as itself.
    """
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in METADATA
        or any(address in network for network in _NOWHERE)
        or _is_own(address)
        or any(is_refused(inner) for inner in inner_addresses(address))
    )


def _is_own(address: IPAddress) -> bool:
    """Whether one of this machine's interfaces has the address at this moment.

    Asked of the routing table: what goes to an address of our own leaves from that address. Nothing is sent, and
    no list of interfaces has to be kept, which would be another one on each system.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as unsent:
            unsent.connect((str(address), 9))
            return ip_address(unsent.getsockname()[0]) == address
    except OSError:  # no way leads there, so not to us either
        return False


def dial(addresses: Sequence[IPAddress], port: int, timeout: float) -> socket.socket:
    """Connect to the first address that answers. `timeout` in seconds is for all of them together."""
    ends = time.monotonic() + timeout
    failure: OSError = TimeoutError()
    for position, address in enumerate(addresses):
        share = (ends - time.monotonic()) / (len(addresses) - position)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(max(share, 0.05))
        try:
            connection.connect((str(address), port))
        except OSError as error:
            connection.close()
            failure = error
        else:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    code = "connect_timeout" if isinstance(failure, TimeoutError) else "connect_refused"
    raise TemporaryFailure(code, failure.strerror or "") from failure


def drop(connection: socket.socket) -> None:
    """End a connection at once, also where a library still holds a file of it. Never raises."""
    cut(connection)
    connection.close()


def cut(connection: socket.socket) -> None:
    """Whoever waits for its next byte waits no longer. Never raises."""
    with contextlib.suppress(OSError):
        # Not by the method: TLS would have its own idea of it while another thread reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def inner_addresses(address: IPAddress) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 one carries."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if any(address in network for network in _LAST_32_BITS):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
