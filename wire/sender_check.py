"""Our own check of a sender, for mail that our receiver took: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989).

Never more than an opinion, and never in the way: a name server that is slow or silent rests for a while, with the
names below the one that it did not answer for and no others. And where other mail waits, one second of a minute is
all that is spent on slow answers; what they are about is asked again where nobody waits.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import dkim
import dns.exception
import dns.resolver
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dkim.canonicalization import CanonicalizationPolicy
from dkim.util import InvalidTagValueList, parse_tag_value

from mail.domains import ascii_domain
from mail.judging.authentication_results import NO_ANSWER, Result, proven_domain
from mail.judging.proven_fields import HANDED_OVER, NOTHING
from mail.providers import dmarc, spf
from mail.providers.lookup import Ask, Unanswered, address_of, can_exist, value_of

log = logging.getLogger(__name__)

USUAL = 0.1  # seconds that a question may take without being called slow
PATIENCE = 1.0  # seconds beyond that in a minute: for one zone, and for all mails behind which others wait
HEALS = 60.0  # seconds in which a used-up patience grows back
RESTS = 15.0  # seconds in which a zone is not asked after it used up the patience
MOST_ZONES = 1000  # slow ones that are remembered
ONE_SERVER = 0.5  # seconds until the next name server is asked
ALL = 5.0  # seconds for all questions about one mail
SIGNATURES = 4  # of a mail that are looked at
ALGORITHMS = (b"rsa-sha256", b"ed25519-sha256")  # RFC 8301, RFC 8463


@dataclass(slots=True)
class Patience:
    """Seconds that slow answers may take beyond the usual; what is used up grows back with time."""

    clock: Callable[[], float] = monotonic
    used: float = 0.0
    healed_at: float = 0.0

    @property
    def left(self) -> float:
        at = self.clock()
        self.used = max(0.0, self.used - (at - self.healed_at) * PATIENCE / HEALS)
        self.healed_at = at
        return PATIENCE - self.used

    def use(self, began: float) -> None:
        self.used += max(0.0, self.clock() - began - USUAL)

    def of(self, ask: Ask) -> Ask:
        """The questions of mails behind which others wait. Raises Unanswered when it is used up."""

        def ask_soon(name: str, kind: str) -> list[Any]:
            if self.left <= 0:
                raise Unanswered(name)
            began = self.clock()
            try:
                return ask(name, kind)
            finally:
                self.use(began)

        return ask_soon


class NameServers:
    """The system's name servers. One per process: it remembers which zones made us wait. Raises Unanswered."""

    def __init__(
        self, resolve: Callable[..., Any] | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._resolve, self._clock = resolve or _resolve, clock
        self._slow: dict[str, Patience] = {}
        self._rests_until: dict[str, float] = {}

    def __call__(self, name: str, kind: str) -> list[Any]:
        if not can_exist(name):
            return []
        zone, began = _zone(name), self._clock()
        if any(began < self._rests_until.get(above, 0.0) for above in _above(zone)):
            raise Unanswered(name)
        patience = self._slow.get(zone) or Patience(self._clock, healed_at=began)
        try:
            answers = self._resolve(name, kind, lifetime=USUAL + patience.left, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            answers = []
        except dns.resolver.NoNameservers:  # they answer, but not for this name
            answers = []
        except (dns.exception.DNSException, OSError) as error:
            self._rest(zone)
            raise Unanswered(name) from error
        patience.use(began)
        if patience.left <= 0:
            self._rest(zone)
        elif patience.used:
            _remember(self._slow, zone, patience)
        return [value_of(kind, answer) for answer in answers]

    def _rest(self, zone: str) -> None:
        self._slow.pop(zone, None)
        _remember(self._rests_until, zone, self._clock() + RESTS)
        log.info("Name servers are slow or silent: %r is not asked for %d s.", zone, RESTS)


def _zone(name: str) -> str:
    """The name without what stands before it for DKIM and DMARC."""
    labels = name.rstrip(".").lower().split(".")
    service = [place for place, label in enumerate(labels) if label.startswith("_")]
    return ".".join(labels[service[-1] + 1 if service else 0 :])


def _above(zone: str) -> list[str]:
    """The zone and those above it. Silence at the top of a country says nothing about the names below."""
    labels = zone.split(".")
    return [zone, *(".".join(labels[start:]) for start in range(1, len(labels) - 1))]


def _remember(known: dict[str, Any], zone: str, value: Any) -> None:
    """The newest last, and the oldest forgotten: strangers think up names."""
    known.pop(zone, None)
    known[zone] = value
    while len(known) > MOST_ZONES:
        known.pop(next(iter(known)), None)


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
    """The results for a mail as it came, as a receiving server would write them; empty if there is nothing to check.

    `author` is the address in From. A redirect by a provider breaks SPF, so a failed SPF alone says nothing
    here; a domain that asks to refuse what it did not confirm (DMARC) is believed. Raises Unanswered where an
    answer is missing that could have spoken for the author.
    """
    asked = _Questions(ask)
    try:
        signed = _dkim(raw, asked)
        sent = _spf(envelope_from, peer, asked)
        results = [*signed, *([sent] if sent else [])]
        if not sent and not any(result.value in _OPEN for result in signed):
            return ()  # brought by a neighbour and not signed: nothing was there to check
        return tuple(_dmarc(author, results, asked))
    except Unanswered:
        raise
    except Exception:
        # What strangers write stumbles over a fault of ours, maybe on purpose.
        log.info("a sender could not be checked", exc_info=True)
        return (NO_ANSWER,)


def by_policy(author: str, results: tuple[Result, ...], ask: Ask) -> tuple[Result, ...]:
    """What another server found, where it does not say whether it asked for the author's policy.

    Without an answer only the very domain of the author counts.
    """
    domain = ascii_domain(_domain(author))
    near = [
        result
        for result in results
        if result.value == "pass" and dmarc.may_be_of_one_house(proven_domain(result), domain)
    ]
    if any(result.method == "dmarc" for result in results) or not near:
        return results
    try:
        return tuple(_dmarc(author, list(results), _Questions(ask)))
    except Unanswered:
        return tuple(replace(one, value="temperror") if one in near else one for one in results)


# --- DKIM


def _dkim(raw: bytes, asked: Ask) -> list[Result]:
    found: list[Result] = []
    try:
        mail = _Signatures(raw, logger=_Silent(), minkey=1024)
    except dkim.DKIMException:  # a line of the header is no field: no signature can be checked
        return found
    fields = [name for name, _ in mail.headers if name.lower() == b"dkim-signature"]
    for number in range(min(len(fields), SIGNATURES)):
        covers = NOTHING
        try:
            value = "pass" if mail.verify(idx=number, dnsfunc=_key_asked(asked)) else "fail"
            covers = frozenset(name.decode("ascii", "replace") for name in mail.include_headers)
        except Unanswered:  # of somebody else's name servers, mostly
            value = "temperror"
        except Exception:  # of the library; what strangers write makes it stumble in other ways too
            value = "fail"
        domain = (mail.domain or b"").decode("ascii", "replace").lower()
        found.append(Result("dkim", value, {"header.d": domain}, covers))
    return found


class _Signatures(dkim.DKIM):
    """A mail's signatures, without those that prove nothing, and with those of RFC 8463, for which the library
    would want another one beside it."""

    def verify_sig(
        self, sig: dict[bytes, bytes], include_headers: list[bytes], sig_header: Any, dnsfunc: Any
    ) -> bool:
        if sig[b"a"] not in ALGORITHMS or b"from" not in include_headers or self._leaves_room(sig):
            return False
        key = _tags(dnsfunc(sig[b"s"] + b"._domainkey." + sig[b"d"] + b".") or b"")
        if b"y" in key.get(b"t", b"").split(b":"):  # the domain only tries it out (RFC 6376, 3.6.1)
            return False
        if (key.get(b"k", b"rsa") == b"ed25519") != (sig[b"a"] == b"ed25519-sha256"):
            return False
        if sig[b"a"] != b"ed25519-sha256":
            return bool(super().verify_sig(sig, include_headers, sig_header, dnsfunc))
        octets = _Ed25519(key.get(b"p", b""))
        self.pk, self.keysize, self.ktag, self.seqtlsrpt = octets, 256, b"ed25519", False
        return bool(self.verify_sig_process(sig, include_headers, sig_header, dnsfunc)) and octets.fits

    def _leaves_room(self, sig: dict[bytes, bytes]) -> bool:
        """Behind the signed length anybody could add what readers see."""
        if b"l" not in sig:
            return False
        policy = CanonicalizationPolicy.from_c_value(sig.get(b"c"))
        return len(policy.canonicalize_body(self.body)) > int(sig[b"l"] or 0)


class _Ed25519:
    """A public key as the library calls it; that a signature does not fit is only noted, since the
    library would look for the exception of another one."""

    def __init__(self, written: bytes) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(written))
        except (binascii.Error, ValueError) as error:
            raise dkim.KeyFormatError(str(error)) from error
        self.fits = False

    def verify(self, digest: bytes, signature: bytes) -> None:
        try:
            self._key.verify(signature, digest)
            self.fits = True
        except InvalidSignature:
            self.fits = False


def _key_asked(asked: Ask) -> Callable[..., bytes | None]:
    def text(name: bytes, timeout: float = 0) -> bytes | None:
        return next(iter(asked(name.decode("ascii", "replace"), "TXT")), None)

    return text


def _tags(record: bytes) -> dict[bytes, bytes]:
    try:
        return {name: b"".join(value.split()) for name, value in parse_tag_value(record).items()}
    except InvalidTagValueList:
        return {}


# --- SPF and DMARC


def _spf(envelope_from: str, peer: str, asked: _Questions) -> Result | None:
    """Who brings mail from the same house (a smarthost, a filter) is not the one that SPF speaks of.

    For the null sender it would speak of HELO, which is not kept: then nothing passes, and the policy is asked.
    """
    address = address_of(peer)
    if address is None or not address.is_global:
        return None
    if not envelope_from:
        return Result("spf", "none", {}, HANDED_OVER)
    domain = ascii_domain(_domain(envelope_from))
    asked.unanswered = False
    value = spf.check_host(address, domain, envelope_from, asked, helo=domain)  # HELO is not kept
    if value != "pass":
        value = "temperror" if asked.unanswered else "none"
    return Result("spf", value, {"smtp.mailfrom": envelope_from.lower()}, HANDED_OVER)


def _dmarc(author: str, results: list[Result], asked: Ask) -> list[Result]:
    """The results with that of DMARC. Nothing is asked where something passed for the very domain of the author.

    Where a policy is found, it says what else speaks for the author, and a pass of another organisation is none;
    without one that is left to who reads the results.
    """
    domain = ascii_domain(_domain(author))
    if any(result.value == "pass" and proven_domain(result) == domain for result in results):
        return results
    policy = dmarc.policy_of(domain, asked)
    open_ones = [result for result in results if result.value in _OPEN and result.method in ("spf", "dkim")]
    if policy is None or not policy.counts:
        _wait_for(
            domain, [one for one in open_ones if dmarc.stand_above_each_other(proven_domain(one), domain)]
        )
        return results
    strict = {"spf": policy.strict_spf, "dkim": policy.strict_dkim}
    aligned = [
        result
        for result in open_ones
        if dmarc.is_aligned(proven_domain(result), domain, strict[result.method], asked)
    ]
    _wait_for(domain, aligned)
    value = "pass" if aligned else "fail" if policy.refuses else "none"
    kept = [
        replace(result, value="policy") if result.value == "pass" and result not in aligned else result
        for result in results
    ]
    covers = NOTHING.union(*(result.covers or NOTHING for result in aligned if result.value == "pass"))
    return [*kept, Result("dmarc", value, {"header.from": domain}, covers or None)]


_OPEN = ("pass", "temperror")


def _wait_for(domain: str, speaking: list[Result]) -> None:
    """Raises Unanswered where what was not answered is all that could speak for the author."""
    if speaking and not any(result.value == "pass" for result in speaking):
        raise Unanswered(domain)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].rstrip(".")


class _Silent:
    """The library logs every bad signature as an error."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None
