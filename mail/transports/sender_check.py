"""Our own check of a sender, for mail that our receiver took: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489).

Never more than an opinion, and never in the way: mail waits here while it is filed, one after the other, so
slow or silent name servers cost all mails of a minute together one second, and then nothing is asked for a while.
"""

from __future__ import annotations

import ipaddress
import logging
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic
from typing import Any

import dkim
import dns.exception
import dns.resolver

from mail.domains import ascii_domain
from mail.senders import Result

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library is of 2020
    import spf

log = logging.getLogger(__name__)

USUAL = 0.1  # seconds that a question may take without being called slow
PATIENCE = 1.0  # seconds beyond that for all questions of a minute, whichever mails they are about
ONE_SERVER = 0.5  # seconds until the next name server is asked
ALL = 5.0  # seconds for all questions about one mail
SIGNATURES = 4  # of a mail that are looked at
RESTS = 60.0  # seconds without a question when the patience is used up, and in which it grows back

# (name, type) -> TXT: joined octets, A and AAAA: text, MX: (preference, name), PTR: name. Nothing found: empty.
Lookup = Callable[[str, str], list[Any]]


class Unreachable(Exception):
    """No name server answers, or the time for this mail is over."""


class NameServers:
    """The system's name servers. One per process: it remembers how long they made us wait."""

    def __init__(
        self, resolve: Callable[..., Any] | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._resolve, self._clock = resolve or _resolve, clock
        self._waited = 0.0  # seconds beyond the usual, less what time has healed
        self._healed_at = clock()
        self._rests_until = 0.0

    def __call__(self, name: str, kind: str) -> list[Any]:
        began = self._clock()
        if began < self._rests_until:
            raise Unreachable
        self._waited = max(0.0, self._waited - (began - self._healed_at) * PATIENCE / RESTS)
        self._healed_at = began
        try:
            answers = self._resolve(name, kind, lifetime=USUAL + PATIENCE - self._waited, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.EmptyLabel, dns.name.LabelTooLong):
            answers = []
        except dns.resolver.NoNameservers:  # they answer, but not for this name
            answers = []
        except (dns.exception.DNSException, OSError) as error:
            self._rest()
            raise Unreachable from error
        self._waited += max(0.0, self._clock() - began - USUAL)
        if self._waited >= PATIENCE:
            self._rest()
        return [_plain(kind, answer) for answer in answers]

    def _rest(self) -> None:
        self._rests_until, self._waited = self._clock() + RESTS, 0.0
        log.warning("The name servers are slow or silent: senders are not checked for %d s.", RESTS)


def _resolve(name: str, kind: str, **options: Any) -> Any:
    resolver = dns.resolver.get_default_resolver()
    resolver.timeout = ONE_SERVER
    return resolver.resolve(name, kind, **options)


def check(raw: bytes, author: str, envelope_from: str, peer: str, lookup: Lookup) -> tuple[Result, ...]:
    """The results for a mail as it came, as a receiving server would write them; empty if nothing is known.

    `author` is the address in From. A redirect by a provider breaks SPF, so a failed SPF alone says nothing
    here; a domain that asks to refuse what it did not confirm (DMARC) is believed.
    """
    ends = monotonic() + ALL

    def asked(name: str, kind: str) -> list[Any]:
        if monotonic() > ends:
            raise Unreachable
        return lookup(name.rstrip("."), kind)

    try:
        signed = _dkim(raw, asked)
        sent = _spf(author, envelope_from, peer, asked)
        results = [*signed, *([sent] if sent else [])]
        if not sent and not any(result.value == "pass" for result in signed):
            return ()  # brought by a neighbour and not signed: nothing was there to check
        return (*results, *_dmarc(author, results, asked))
    except Unreachable:
        return ()
    except Exception:
        # What strangers write into mails and name servers makes old libraries stumble.
        log.info("a sender could not be checked", exc_info=True)
        return ()


def _dkim(raw: bytes, asked: Lookup) -> list[Result]:
    def text(name: bytes, timeout: float = 0) -> bytes | None:
        return next(iter(asked(name.decode("ascii", "replace"), "TXT")), None)

    found = []
    mail = dkim.DKIM(raw, logger=_Silent(), minkey=1024)
    fields = [name for name, _ in mail.headers if name.lower() == b"dkim-signature"]
    for number in range(min(len(fields), SIGNATURES)):
        try:
            good = mail.verify(idx=number, dnsfunc=text)
        except dkim.DKIMException:
            good = False
        domain = (mail.domain or b"").decode("ascii", "replace").lower()
        found.append(Result("dkim", "pass" if good else "fail", {"header.d": domain}))
    return found


def _spf(author: str, envelope_from: str, peer: str, asked: Lookup) -> Result | None:
    """Who brings mail from the same house (a smarthost, a filter) is not the one that SPF speaks of."""
    try:
        if not ipaddress.ip_address(peer).is_global or not envelope_from:
            return None
    except ValueError:
        return None
    token = _asked.set(asked)
    try:
        domain = envelope_from.rpartition("@")[2]
        value = spf.query(i=peer, s=envelope_from, h=domain, timeout=PATIENCE, querytime=ALL).check()[0]
    finally:
        _asked.reset(token)
    return Result("spf", "pass" if value == "pass" else "none", {"smtp.mailfrom": envelope_from.lower()})


def _dmarc(author: str, results: list[Result], asked: Lookup) -> list[Result]:
    """The policy of the author's domain, or of the one above; only asked for where nothing spoke for him."""
    domain = ascii_domain(author.rpartition("@")[2])
    if any(result.value == "pass" and _is_of(result, domain) for result in results):
        return []
    labels = domain.split(".")
    for name in dict.fromkeys((domain, ".".join(labels[-2:]))):
        for record in asked(f"_dmarc.{name}", "TXT"):
            pairs = (tag.partition("=") for tag in record.decode("ascii", "replace").lower().split(";"))
            tags = {name.strip(): value.strip() for name, _, value in pairs}
            if tags.get("v") == "dmarc1":
                strict = tags.get("p") in ("reject", "quarantine")
                return [Result("dmarc", "fail" if strict else "none", {"header.from": domain})]
    return []


def _is_of(result: Result, domain: str) -> bool:
    proven = (result.properties.get("header.d") or result.properties.get("smtp.mailfrom", "")).rpartition(
        "@"
    )[2]
    return proven == domain or domain.endswith(f".{proven}") or proven.endswith(f".{domain}")


def _plain(kind: str, answer: Any) -> Any:
    if kind == "TXT":
        return b"".join(answer.strings)
    if kind == "MX":
        return answer.preference, answer.exchange.to_text(True)
    return answer.target.to_text(True) if kind == "PTR" else answer.address


# The SPF library asks by a function of its module; each check brings its own.
_asked: ContextVar[Lookup] = ContextVar("asked")


def _for_spf(name: str, kind: str, strict: bool = True, timeout: float = 0) -> list[Any]:
    if kind == "SPF":  # a record type of RFC 4408 that RFC 7208 gave up
        return []
    answers = _asked.get()(name, kind)
    return [((name, kind), (answer,) if kind == "TXT" else answer) for answer in answers]


spf.DNSLookup = _for_spf


class _Silent:
    """The library logs every bad signature as an error."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None
