"""»Find the settings«: from an address alone to the names of its servers, and where each of them was found.

In this order, and the first find ends it: our own table by domain, the table by MX record, the domain's own
autoconfig file, its `.well-known` twin, Thunderbird's database (only if asked for: the domain leaves the
house), SRV records (RFC 6186, 8314). The table by domain works without a network.
"""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote

import dns.exception
import dns.resolver

from mail.providers import presets
from mail.providers.presets import MailServer, MailServers
from wire import PermanentFailure, TemporaryFailure, TransportFailure, web
from wire.address import IPAddress, server_name

STEP_SECONDS, ALL_SECONDS = 3.0, 10.0
DATABASE = "https://autoconfig.thunderbird.net/v1.1/"
# RFC 6186 and 8314: encrypted from the first byte before STARTTLS.
_SERVICES = {
    "imap": (("_imaps._tcp", "ssl"), ("_imap._tcp", "starttls")),
    "pop3": (("_pop3s._tcp", "ssl"), ("_pop3._tcp", "starttls")),
    "smtp": (("_submissions._tcp", "ssl"), ("_submission._tcp", "starttls")),
}
_SOCKET_TYPES = {"SSL": "ssl", "STARTTLS": "starttls"}  # "plain" is not taken
_HOST = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.I)


@dataclass(frozen=True, slots=True)
class Place:
    """One place that was asked. `state` is found, nothing, failed or skipped; `code` of the failure."""

    way: str
    where: str
    state: str
    code: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """`servers` is None where no place knew them. `places` in order, the last one has them."""

    servers: MailServers | None
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Internet:
    """What discovery asks: name servers and the ports are other ones in tests only."""

    nameservers: tuple[str, ...] = ()
    nameserver_port: int = 53
    https_port: int = 443
    smtp_port: int = 25  # of the servers that take mail for a domain
    allow_private: bool = False
    step_seconds: float = STEP_SECONDS
    all_seconds: float = ALL_SECONDS


def discover(address: str, internet: Internet, ask_database: bool = False) -> Discovery:
    """Everything that is known about the servers of an address. Never raises; takes 10 s at most."""
    seeking = _Seeking(address, internet)
    places: list[Place] = []
    for way, where, ask in seeking.places():
        if way == "ispdb" and not ask_database:
            places.append(Place(way, where, "skipped"))
            continue
        if seeking.left() <= 0:
            places.append(Place(way, where, "failed", "timeout"))
            continue
        try:
            servers = ask()
        except TransportFailure as failure:
            places.append(Place(way, where, "failed", failure.code, failure.words))
            continue
        places.append(Place(way, where, "found" if servers else "nothing"))
        if servers:
            return Discovery(servers, tuple(places))
    return Discovery(None, tuple(places))


def read_autoconfig(raw: bytes, domain: str) -> MailServers | None:
    """Thunderbird's config-v1.1; None where it names no server with encryption.

    Raises PermanentFailure not_readable: no UTF-8, a DTD (entities could grow without end), no XML.
    """
    try:
        text = raw.decode("utf-8-sig")
        if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.I):
            raise PermanentFailure("not_readable", "DTD")
        root = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError) as error:
        raise PermanentFailure("not_readable", str(error)[:200]) from error
    provider = root.find("emailProvider")
    if provider is None:
        return None
    incoming = list(provider.findall("incomingServer"))
    outgoing = list(provider.findall("outgoingServer"))
    imap, pop3 = _best("imap", incoming, domain), _best("pop3", incoming, domain)
    smtp = _best("smtp", outgoing, domain)
    used = imap or pop3
    if used is None:
        return None
    name = (provider.findtext("displayShortName") or provider.findtext("displayName") or domain).strip()
    return MailServers(
        name[:80].replace("%EMAILDOMAIN%", domain),
        imap=imap[0] if imap else None,
        pop3=pop3[0] if pop3 else None,
        smtp=smtp[0] if smtp else None,
        user="local" if used[1] == "%EMAILLOCALPART%" else "address",
        hints=("oauth_only",) if used[2] else (),
    )


class _Seeking:
    """One search: its deadline, and each place as a function that answers servers or None."""

    def __init__(self, address: str, internet: Internet) -> None:
        self._address, self._internet = address, internet
        domain = address.rpartition("@")[2].strip().rstrip(".").casefold()
        self._ends = time.monotonic() + internet.all_seconds
        try:
            self.domain = server_name(domain)
        except TransportFailure:
            self.domain = ""
        self._resolver = name_resolver(internet)

    def left(self) -> float:
        return self._ends - time.monotonic()

    def places(self) -> Iterator[tuple[str, str, Callable[[], MailServers | None]]]:
        if not _HOST.fullmatch(self.domain):
            return
        domain, asked = self.domain, quote(self._address)
        autoconfig = f"https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={asked}"
        well_known = f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml"
        yield "preset", domain, lambda: presets.for_domain(domain)
        yield "mx", f"MX {domain}", lambda: presets.for_mx(self._mx())
        yield "autoconfig", f"https://autoconfig.{domain}", lambda: self._file(autoconfig)
        yield "well_known", f"https://{domain}/.well-known/autoconfig", lambda: self._file(well_known)
        yield "ispdb", DATABASE + domain, lambda: self._file(DATABASE + domain)
        yield "srv", f"SRV {domain}", self._services

    def _mx(self) -> list[str]:
        rows = sorted(self._ask(self.domain, "MX"), key=lambda row: int(row.preference))
        return [row.exchange.to_text(omit_final_dot=True) for row in rows]

    def _file(self, url: str) -> MailServers | None:
        try:
            _, body = web.get(
                url, self._look_up, self._seconds(), self._internet.allow_private, self._internet.https_port
            )
        except TransportFailure as failure:
            if failure.code == "name_not_found" or (failure.code, failure.words) == ("http_status", "404"):
                return None
            raise
        return read_autoconfig(body, self.domain)

    def _services(self) -> MailServers | None:
        imap, pop3, smtp = (self._service(_SERVICES[kind]) for kind in ("imap", "pop3", "smtp"))
        return MailServers(self.domain, imap, pop3, smtp) if imap or pop3 else None

    def _service(self, rows: Sequence[tuple[str, str]]) -> MailServer | None:
        for label, encryption in rows:
            answers = sorted(
                self._ask(f"{label}.{self.domain}", "SRV"), key=lambda row: (row.priority, -row.weight)
            )
            for answer in answers:
                host = answer.target.to_text(omit_final_dot=True)
                if _HOST.fullmatch(host):  # a single dot says: not offered here
                    return MailServer(host.casefold(), int(answer.port), encryption)
        return None

    def _look_up(self, host: str) -> list[IPAddress]:
        try:
            return [ip_address(host)]
        except ValueError:
            rows = (row for kind in ("A", "AAAA") for row in self._ask(host, kind))
            return [ip_address(row.address) for row in rows]

    def _ask(self, name: str, kind: str) -> list:  # type: ignore[type-arg]
        """The records of a name, none where there are none. Raises TemporaryFailure."""
        try:
            answer = self._resolver.resolve(
                name, kind, lifetime=self._seconds(), search=False, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except dns.resolver.LifetimeTimeout as error:
            raise TemporaryFailure("timeout", name) from error
        except (dns.exception.DNSException, OSError) as error:
            raise TemporaryFailure("name_server_failed", str(error)[:200]) from error
        return list(answer) if answer.rrset is not None else []

    def _seconds(self) -> float:
        return max(min(self._internet.step_seconds, self.left()), 0.05)


def name_resolver(internet: Internet) -> dns.resolver.Resolver:
    """The machine's name servers, or those given. A machine that names none finds nothing, and says so."""
    try:
        resolver = dns.resolver.Resolver(configure=not internet.nameservers)
    except dns.resolver.NoResolverConfiguration:
        return dns.resolver.Resolver(configure=False)
    if internet.nameservers:
        resolver.nameservers = list(internet.nameservers)
        resolver.port = internet.nameserver_port
    return resolver


def _best(
    kind: str, servers: Sequence[ElementTree.Element], domain: str
) -> tuple[MailServer, str, bool] | None:
    """The first server of its kind that encrypts: its address, its user name, and whether it wants OAuth only."""
    for server in servers:
        host = (server.findtext("hostname") or "").strip().replace("%EMAILDOMAIN%", domain)
        port = (server.findtext("port") or "").strip()
        encryption = _SOCKET_TYPES.get((server.findtext("socketType") or "").strip().upper())
        right = server.get("type") == kind and encryption and _HOST.fullmatch(host)
        if right and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536:
            ways = {(way.text or "").strip().casefold() for way in server.findall("authentication")}
            user = (server.findtext("username") or "").strip()
            assert encryption is not None
            return MailServer(host.casefold(), int(port), encryption), user, ways == {"oauth2"}
    return None
