"""»Zustellbarkeit«: whether mail of a channel will arrive, looked up while the page asks how far it is."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from desk.channels import connections, dkim
from desk.checks.connection_tests import recent_checks
from desk.office import office, the_account
from mail.providers import deliverability, presets, provider_records
from mail.providers.deliverability import OK, PROBLEM, UNKNOWN, WARNING, Finding, OwnKey, Sending
from mail.providers.lookup import Ask, Unanswered, address_of
from models import Channel, db
from wire import Encryption, PermanentFailure, ServerAddress, Timeouts, TransportFailure
from wire.address import resolve
from wire.dns_questions import Questions, encryption_of

log = logging.getLogger(__name__)

LONGEST = 15.0  # seconds for all of it
FOR_DNS = 10.0
NoAnswer = Unanswered  # for those who show it
ONE_LOOK = 3.0  # at DNS, while an administrator waits for the answer
PATIENCE = Timeouts(connect=4, command=4, session=10)
NO_ENCRYPTION_NEEDED = "local"  # the relay stands on this machine or in the same network


@dataclass(slots=True)
class Examination:
    """One check. `findings` grow while it runs; `topics` are those that will be there in the end."""

    agent_id: int
    channel_id: int
    topics: tuple[str, ...]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    began: float = field(default_factory=time.monotonic)
    findings: dict[str, Finding] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return time.monotonic() - self.began < LONGEST and len(self.findings) < len(self.topics)

    def note(self, finding: Finding) -> None:
        self.findings.setdefault(finding.topic, finding)

    def wait(self) -> None:
        while self.running:
            time.sleep(0.05)


def start(channel: Channel, agent_id: int) -> Examination:
    """Begin to look; answers at once. Saves nothing, signs in nowhere."""
    way = _way_out(channel)
    sending = _sending(channel, way)
    topics = (*deliverability.topics(sending), "tls", "mx_tls")
    examination = Examination(agent_id, channel.id, topics)
    our_name, internet = the_account().mail_domain, office().internet
    internet = replace(internet, allow_private=office().settings.allow_private_hosts)
    db.session.rollback()
    recent_checks().keep(examination)
    ask = Questions(internet, FOR_DNS)

    def by_dns() -> None:
        deliverability.judge(sending, ask, examination.note)
        examination.note(
            _tls_of_receiver(sending.domain, ask, internet.smtp_port, internet.allow_private, our_name)
        )

    def by_server() -> None:
        examination.note(_tls_of_sender(way, our_name))

    for work in (by_dns, by_server):
        threading.Thread(target=_guarded, args=(work,), name="deliverability", daemon=True).start()
    return examination


def get(token: str, agent_id: int) -> Examination | None:
    """The check that this agent has begun; None when it is forgotten or another's."""
    found = recent_checks().get(token, agent_id)
    return found if isinstance(found, Examination) else None


def ask_now() -> Questions:
    """Name servers for one short question."""
    return Questions(office().internet, ONE_LOOK)


def _guarded(work: object) -> None:
    """A fault of ours leaves verdicts unknown; the log has it."""
    assert callable(work)
    try:
        work()
    except Exception:
        log.exception("a check of the deliverability failed")


def _way_out(channel: Channel) -> ServerAddress | None:
    """The server that takes the channel's mail, with little patience."""
    if channel.is_own:
        return replace(connections.outgoing_server(channel), timeouts=PATIENCE)
    relay = connections.relay_server()
    return replace(relay[0], timeouts=PATIENCE) if relay is not None else None


def _sending(channel: Channel, way: ServerAddress | None) -> Sending:
    host = way.host if way is not None else ""
    known = provider_records.for_server(host)
    servers = presets.for_host(host)
    domain = channel.address.rpartition("@")[2]
    key = None if channel.is_own else (dkim.signing_key() or dkim.waiting_key())
    return Sending(
        address=channel.address,
        host=host,
        provider=known.name if known else servers.name if servers else "",
        spf=known.spf if known else "",
        selectors=known.selectors if known else (),
        foreign=presets.for_domain(domain) is not None,
        receives=not channel.is_own,
        our_host=_our_host(),
        key=OwnKey(key.selector, dkim.record_of(key), key.active_at is not None) if key else None,
        forwarded_from="" if channel.is_own else channel.forwarded_from,
    )


def _our_host() -> str:
    """The name under which the world knows this machine, if the base URL says it."""
    host = urlsplit(office().settings.base_url).hostname or ""
    return host if "." in host and address_of(host) is None else ""


def _tls_of_sender(way: ServerAddress | None, our_name: str) -> Finding:
    """The server that takes our mail: its certificate must be good, since we verify it."""
    if way is None:
        return Finding("tls", UNKNOWN, "no_relay")
    facts = (("host", way.host), ("port", str(way.port)))
    if way.encryption == Encryption.NONE:
        near = _is_near(way)
        return Finding("tls", OK if near else PROBLEM, NO_ENCRYPTION_NEEDED if near else "plain", facts)
    try:
        certificate = encryption_of(way, our_name)
    except TransportFailure as failure:
        verdict = PROBLEM if isinstance(failure, PermanentFailure) else UNKNOWN
        return Finding("tls", verdict, "failed", (*facts, ("failure", failure.code)), shown=(failure.words,))
    if not certificate:
        return Finding("tls", PROBLEM, "plain", facts)
    return Finding("tls", OK, "ok", (*facts, *certificate))


def _is_near(way: ServerAddress) -> bool:
    try:
        return not any(address.is_global for address in resolve(way.host, way.port, allow_private=True))
    except TransportFailure:
        return False


def _tls_of_receiver(domain: str, ask: Ask, port: int, allow_private: bool, our_name: str) -> Finding:
    """The first server of the MX record: others encrypt if it offers that, whatever its certificate."""
    try:
        host = next(iter(deliverability.mail_hosts(domain, ask)), "")
        addresses = deliverability.addresses_of(host, ask)
    except Unanswered:
        return Finding("mx_tls", UNKNOWN, "unanswered")
    if not addresses:
        return Finding("mx_tls", UNKNOWN, "no_server")
    server = ServerAddress(host, port, Encryption.STARTTLS, allow_private=allow_private, timeouts=PATIENCE)
    facts = (("host", host), ("port", str(port)))
    try:
        return Finding("mx_tls", OK, "ok", (*facts, *encryption_of(server, our_name, addresses)))
    except TransportFailure as failure:
        why = (*facts, ("failure", failure.code))
        if failure.code == "starttls_missing":
            return Finding("mx_tls", WARNING, "plain", why)
        if failure.code.startswith("certificate_"):
            return Finding("mx_tls", WARNING, "certificate", why)
        return Finding("mx_tls", UNKNOWN, "not_reached", why, shown=(failure.words,))
