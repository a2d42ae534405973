"""Our own check of a sender, for mail that our receiver took: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989).

Never more than an opinion, and never in the way: mail waits here while it is filed, one after the other, so
slow or silent name servers cost all mails of a minute together one second, and then nothing is asked for a while.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

import dkim
import dns.exception
import dns.resolver

from mail.domains import ascii_domain
from mail.judging.authentication_results import Result
from mail.providers import dmarc, spf
from mail.providers.lookup import Ask, Unanswered, address_of, can_exist, value_of

log = logging.getLogger(__name__)

USUAL = 0.1  # seconds that a question may take without being called slow
PATIENCE = 1.0  # seconds beyond that for all questions of a minute, whichever mails they are about
ONE_SERVER = 0.5  # seconds until the next name server is asked
ALL = 5.0  # seconds for all questions about one mail
SIGNATURES = 4  # of a mail that are looked at
RESTS = 60.0  # seconds without a question when the patience is used up, and in which it grows back


class NameServers:
    """The system's name servers. One per process: it remembers how long they made us wait. Raises Unanswered."""

    def __init__(
        self, resolve: Callable[..., Any] | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._resolve, self._clock = resolve or _resolve, clock
        self._waited = 0.0  # seconds beyond the usual, less what time has healed
        self._healed_at = clock()
        self._rests_until = 0.0

    def __call__(self, name: str, kind: str) -> list[Any]:
        if not can_exist(name):
            return []
        began = self._clock()
        if began < self._rests_until:
            raise Unanswered(name)
        self._waited = max(0.0, self._waited - (began - self._healed_at) * PATIENCE / RESTS)
        self._healed_at = began
        try:
            answers = self._resolve(name, kind, lifetime=USUAL + PATIENCE - self._waited, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            answers = []
        except dns.resolver.NoNameservers:  # they answer, but not for this name
            answers = []
        except (dns.exception.DNSException, OSError) as error:
            self._rest()
            raise Unanswered(name) from error
        self._waited += max(0.0, self._clock() - began - USUAL)
        if self._waited >= PATIENCE:
            self._rest()
        return [value_of(kind, answer) for answer in answers]

    def _rest(self) -> None:
        self._rests_until, self._waited = self._clock() + RESTS, 0.0
        log.warning("The name servers are slow or silent: senders are not checked for %d s.", RESTS)


def _resolve(name: str, kind: str, **options: Any) -> Any:
    resolver = dns.resolver.get_default_resolver()
    resolver.timeout = ONE_SERVER
    return resolver.resolve(name, kind, **options)


class _Questions:
    """Those about one mail, each asked once, and none when the time for the mail is over. Raises Unanswered."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._ends = monotonic() + ALL
        self._known: dict[tuple[str, str], list[Any]] = {}
        self.unanswered = False

    def __call__(self, name: str, kind: str) -> list[Any]:
        key = (name.rstrip(".").lower(), kind)
        if key not in self._known:
            try:
                if monotonic() > self._ends:
                    raise Unanswered(name)
                self._known[key] = self._ask(*key)
            except Unanswered:
                self.unanswered = True
                raise
        return self._known[key]


def check(raw: bytes, author: str, envelope_from: str, peer: str, ask: Ask) -> tuple[Result, ...]:
    """The results for a mail as it came, as a receiving server would write them; empty if nothing is known.

    `author` is the address in From. A redirect by a provider breaks SPF, so a failed SPF alone says nothing
    here; a domain that asks to refuse what it did not confirm (DMARC) is believed.
    """
    asked = _Questions(ask)
    try:
        signed = _dkim(raw, asked)
        sent = _spf(envelope_from, peer, asked)
        results = [*signed, *([sent] if sent else [])]
        if not sent and not any(result.value == "pass" for result in signed):
            return ()  # brought by a neighbour and not signed: nothing was there to check
        return tuple(_dmarc(author, results, asked))
    except Unanswered:
        return ()
    except Exception:
        # What strangers write into mails makes old libraries stumble.
        log.info("a sender could not be checked", exc_info=True)
        return ()


def _dkim(raw: bytes, asked: Ask) -> list[Result]:
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


def _spf(envelope_from: str, peer: str, asked: _Questions) -> Result | None:
    """Who brings mail from the same house (a smarthost, a filter) is not the one that SPF speaks of."""
    address = address_of(peer)
    if address is None or not address.is_global or not envelope_from:
        return None
    domain = ascii_domain(_domain(envelope_from))
    value = spf.check_host(address, domain, envelope_from, asked, helo=domain)  # HELO is not kept
    if value != "pass" and asked.unanswered:
        raise Unanswered(domain)
    return Result("spf", "pass" if value == "pass" else "none", {"smtp.mailfrom": envelope_from.lower()})


def _dmarc(author: str, results: list[Result], asked: Ask) -> list[Result]:
    """The results with that of DMARC. Nothing is asked where something passed for the very domain of the author.

    Where a policy is found, it says what else speaks for the author, and a pass of another organisation is none;
    without one that is left to who reads the results.
    """
    domain = ascii_domain(_domain(author))
    passed = [result for result in results if result.value == "pass"]
    if any(_proven(result) == domain for result in passed):
        return results
    policy = dmarc.policy_of(domain, asked)
    if policy is None or not policy.counts:
        return results
    strict = {"spf": policy.strict_spf, "dkim": policy.strict_dkim}
    aligned = [
        result for result in passed if dmarc.is_aligned(_proven(result), domain, strict[result.method], asked)
    ]
    value = "pass" if aligned else "fail" if policy.refuses else "none"
    kept = [
        replace(result, value="policy") if result in passed and result not in aligned else result
        for result in results
    ]
    return [*kept, Result("dmarc", value, {"header.from": domain})]


def _proven(result: Result) -> str:
    """The domain that a pass speaks for."""
    found = result.properties
    return ascii_domain(_domain(found.get("header.d") or found.get("smtp.mailfrom", "")))


def _domain(address: str) -> str:
    return address.rpartition("@")[2].rstrip(".")


class _Silent:
    """The library logs every bad signature as an error."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None
