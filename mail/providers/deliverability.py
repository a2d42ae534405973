"""Will mail of an address arrive? Judged from DNS: MX, SPF, DKIM, DMARC, PTR, each with the line that would help.

Values in, values out: DNS is asked through a function. What nobody can know from outside is `unknown`, never
guessed: through which machines a provider sends, or under which selector it signs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from mail.domains import ascii_domain
from mail.providers import dmarc, spf
from mail.providers.lookup import Address, Ask, Unanswered, address_of
from mail.providers.spf_record import with_term
from mail.writing import dkim_signing

OK, WARNING, PROBLEM, UNKNOWN = "ok", "warning", "problem", "unknown"
NEAR_THE_LIMIT = 9  # of SPF's ten questions: the next change of a provider breaks it
WEAK, USELESS = 2048, 1024  # bits of an RSA key: less than these (RFC 8301)
# Under which of these a provider signs nobody tells; those of the large ones, then what is common.
SELECTORS = (
    "default", "dkim", "mail", "google", "selector1", "selector2", "s1", "s2", "k1", "k2", "key1", "smtp",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict. `lines` are DNS records to enter, (name, type, value); `shown` is what DNS says."""

    topic: str  # mx, spf, dkim, dmarc, ptr, tls, mx_tls, forward
    verdict: str
    code: str
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[tuple[str, str, str], ...] = ()
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnKey:
    """Our DKIM key of the domain: its selector, its record, and whether it signs."""

    selector: str
    record: str
    signs: bool


@dataclass(frozen=True, slots=True)
class Sending:
    """How mail of an address leaves. `provider` and its `spf` include and `selectors`, where they are known.

    `foreign`: the domain is the provider's own (gmail.com), so that nobody here can change its records.
    `receives`: our own receiver takes the domain's mail, under the name `our_host`.
    """

    address: str
    host: str = ""
    provider: str = ""
    spf: str = ""
    selectors: tuple[str, ...] = ()
    foreign: bool = False
    receives: bool = False
    our_host: str = ""
    key: OwnKey | None = None
    forwarded_from: str = ""

    @property
    def domain(self) -> str:
        return ascii_domain(self.address.rpartition("@")[2])


@dataclass(slots=True)
class Report:
    """Filled from top to bottom: what comes later builds on what was found."""

    findings: list[Finding] = field(default_factory=list)

    def verdict(self, topic: str) -> str:
        return next((one.verdict for one in self.findings if one.topic == topic), UNKNOWN)


def judge(sending: Sending, ask: Ask, told: Callable[[Finding], None]) -> Report:
    """All that DNS tells, each finding as soon as it is there. A silent name server makes that one unknown."""
    report = Report()
    for topic, rule in RULES:
        try:
            finding = rule(sending, ask, report)
        except Unanswered:
            finding = Finding(topic, UNKNOWN, "unanswered")
        if finding is not None:
            report.findings.append(finding)
            told(finding)
    return report


def topics(sending: Sending) -> tuple[str, ...]:
    """What `judge` will say, in its order."""
    return tuple(topic for topic, _ in RULES if topic != "forward" or sending.forwarded_from)


def mail_hosts(domain: str, ask: Ask) -> list[str]:
    """The hosts of the MX record, the first choice first."""
    return [name.rstrip(".").lower() for _, name in sorted(ask(domain, "MX"))]


def addresses_of(host: str, ask: Ask) -> list[Address]:
    """The addresses of a host, which may be one itself."""
    literal = address_of(host)
    if literal is not None:
        return [literal]
    return [ip_address(text) for kind in ("A", "AAAA") for text in ask(host, kind)] if host else []


def _mx(sending: Sending, ask: Ask, _report: Report) -> Finding:
    hosts = mail_hosts(sending.domain, ask)
    ours = sending.our_host or f"mail.{sending.domain}"
    lines = ((sending.domain, "MX", f"10 {ours}."),) if sending.receives else ()
    if not hosts:
        there = bool(addresses_of(sending.domain, ask))
        return Finding(
            "mx", WARNING if there else PROBLEM, "only_address" if there else "missing", lines=lines
        )
    if hosts == [""]:
        return Finding("mx", PROBLEM, "null", lines=lines)
    shown = tuple(hosts)
    for host in hosts:
        if address_of(host) is not None:
            return Finding("mx", PROBLEM, "is_address", (("host", host),), lines, shown)
        found = addresses_of(host, ask)
        if not found:
            return Finding("mx", PROBLEM, "dangling", (("host", host),), lines, shown)
        if not any(address.is_global for address in found):
            return Finding("mx", PROBLEM, "private", (("host", host),), lines, shown)
    return Finding("mx", OK, "ok", (("hosts", ", ".join(hosts)),), (), shown)


def _spf(sending: Sending, ask: Ask, _report: Report) -> Finding:
    addresses = [address for address in addresses_of(sending.host, ask) if address.is_global]
    term = _spf_term(sending, addresses)
    policy = spf.read(sending.domain, ask)
    line = ((sending.domain, "TXT", with_term(policy.record, term)),) if term else ()
    line = () if sending.foreign else line
    shown = (policy.record, *("  " * depth + name for depth, name in policy.chain)) if policy.record else ()
    facts = (("questions", str(policy.questions)), ("where", policy.where), ("term", term))
    if policy.problem:
        return Finding("spf", PROBLEM, policy.problem, facts, shown=shown)
    if not policy.record:
        return Finding("spf", PROBLEM, "missing", facts, line)
    if policy.ending == "+":
        return Finding("spf", PROBLEM, "everybody", facts, shown=shown)
    allowed = _is_allowed(sending, policy, addresses, ask)
    if allowed is None:
        return Finding("spf", UNKNOWN, "unsure", facts, shown=shown)
    if not allowed:
        return Finding("spf", PROBLEM, "not_allowed", facts, line, shown)
    if policy.questions >= NEAR_THE_LIMIT:
        return Finding("spf", WARNING, "near_the_limit", facts, shown=shown)
    if policy.ending in ("", "?"):
        return Finding("spf", WARNING, "open", facts, shown=shown)
    return Finding("spf", OK, "ok", facts, shown=shown)


def _spf_term(sending: Sending, addresses: list[Address]) -> str:
    if sending.spf:
        return f"include:{sending.spf}"
    if sending.provider:
        return ""
    return " ".join(f"ip{address.version}:{address}" for address in addresses)


def _is_allowed(sending: Sending, policy: spf.Policy, addresses: list[Address], ask: Ask) -> bool | None:
    """None where nobody can know: a provider sends through other machines than the one that takes our mail."""
    if sending.foreign or (sending.spf and policy.leads_to(sending.spf)):
        return True
    results = {spf.check_host(address, sending.domain, sending.address, ask) for address in addresses}
    if "temperror" in results:
        raise Unanswered(sending.domain)
    if "permerror" in results:
        return None
    if results == {"pass"}:
        return True
    if sending.spf:
        return False
    return None if sending.provider or not addresses else False


def _dkim(sending: Sending, ask: Ask, _report: Report) -> Finding:
    return _own_dkim(sending, ask) if sending.receives else _foreign_dkim(sending, ask)


def _own_dkim(sending: Sending, ask: Ask) -> Finding:
    """Our own key: DNS must show it before it signs, and as long as it does."""
    key = sending.key
    if key is None:
        return Finding("dkim", WARNING, "no_key")
    name = dkim_signing.record_name(key.selector, sending.domain)
    facts, line = (("selector", key.selector),), ((name, "TXT", key.record),)
    texts = [text.decode("ascii", "replace") for text in ask(name, "TXT")]
    wanted = dkim_signing.key_of_record(key.record)
    if wanted and wanted in {dkim_signing.key_of_record(text) for text in texts}:
        return Finding("dkim", OK if key.signs else WARNING, "ok" if key.signs else "ready", facts)
    code = ("other_key" if texts else "gone") if key.signs else ("other_key" if texts else "waiting")
    verdict = PROBLEM if key.signs or texts else WARNING
    return Finding("dkim", verdict, code, facts, line, tuple(texts))


def _foreign_dkim(sending: Sending, ask: Ask) -> Finding:
    weak: Finding | None = None
    for selector in dict.fromkeys((*sending.selectors, *SELECTORS)):
        for text in ask(dkim_signing.record_name(selector, sending.domain), "TXT"):
            record = text.decode("ascii", "replace")
            if "p=" not in record:
                continue
            bits = dkim_signing.key_bits(record)
            facts = (("selector", selector), ("bits", str(bits)))
            if not dkim_signing.key_of_record(record):
                weak = weak or Finding("dkim", WARNING, "revoked", facts, shown=(record,))
            elif "k=ed25519" in record or bits >= WEAK:
                return Finding("dkim", OK, "found", facts, shown=(record,))
            elif bits >= USELESS:
                weak = Finding("dkim", WARNING, "weak", facts, shown=(record,))
            else:
                weak = weak or Finding("dkim", PROBLEM, "useless", facts, shown=(record,))
    return weak or Finding("dkim", UNKNOWN, "not_found")


def _dmarc(sending: Sending, ask: Ask, report: Report) -> Finding:
    found = dmarc.policy_of(sending.domain, ask)
    report_to = f"v=DMARC1; p=none; rua=mailto:{sending.address}"
    line = () if sending.foreign else ((f"_dmarc.{sending.domain}", "TXT", report_to),)
    if found is None:
        return Finding("dmarc", OK if sending.foreign else WARNING, "missing", lines=line)
    by_spf, by_dkim = (report.verdict(topic) for topic in ("spf", "dkim"))
    facts = (("policy", found.value), ("where", found.where), ("spf", by_spf), ("dkim", by_dkim))
    shown = (found.record,)
    if not found.counts:
        return Finding("dmarc", PROBLEM, found.value, facts, line, shown)
    strict = found.value in dmarc.STRICT
    # From, the envelope and our signature name the same domain, so whatever passes is aligned, even strictly.
    if sending.foreign or by_spf in (OK, WARNING) or _signs(report):
        return Finding("dmarc", OK, "ok" if strict else "watching", facts, shown=shown)
    if UNKNOWN in (by_spf, by_dkim):
        return Finding("dmarc", UNKNOWN, "unsure", facts, shown=shown)
    return Finding(
        "dmarc", PROBLEM if strict else WARNING, "refused" if strict else "unproven", facts, shown=shown
    )


def _signs(report: Report) -> bool:
    """Whether a signature of the domain is on our mail for sure. That a provider has a key in DNS is no proof
    that it signs with it, but the best that can be seen from outside."""
    return any(one.topic == "dkim" and one.code in ("ok", "found") for one in report.findings)


def _ptr(sending: Sending, ask: Ask, _report: Report) -> Finding:
    if sending.provider:
        return Finding("ptr", OK, "provider", (("provider", sending.provider),))
    addresses = [address for address in addresses_of(sending.host, ask) if address.is_global]
    if not addresses:
        return Finding("ptr", UNKNOWN, "no_public_address")
    for address in addresses:
        facts = (("address", str(address)),)
        names = [str(name).rstrip(".") for name in ask(address.reverse_pointer, "PTR")]
        if not names:
            named = address_of(sending.host) is None
            line = ((address.reverse_pointer, "PTR", f"{sending.host}."),)
            return Finding("ptr", PROBLEM, "missing", facts, line if named else ())
        if not any(address in addresses_of(name, ask) for name in names):
            return Finding("ptr", WARNING, "one_way", (*facts, ("name", names[0])), shown=tuple(names))
    return Finding("ptr", OK, "ok", (("address", str(addresses[0])), ("name", names[0])), shown=tuple(names))


def _forward(sending: Sending, ask: Ask, report: Report) -> Finding | None:
    """S18, from the records: answers to forwarded mail leave from our address, not from the one written to."""
    if not sending.forwarded_from:
        return None
    outside = ascii_domain(sending.forwarded_from.rpartition("@")[2])
    found = dmarc.policy_of(outside, ask)
    facts = (
        ("outside", sending.forwarded_from),
        ("address", sending.address),
        ("policy", found.value if found else "missing"),
    )
    proven = report.verdict("spf") in (OK, WARNING) or _signs(report)
    if proven:
        return Finding("forward", WARNING if outside != sending.domain else OK, "proven", facts)
    if UNKNOWN in (report.verdict("spf"), report.verdict("dkim")):
        return Finding("forward", UNKNOWN, "unsure", facts)
    return Finding("forward", PROBLEM, "unproven", facts)


RULES: tuple[tuple[str, Callable[[Sending, Ask, Report], Finding | None]], ...] = (
    ("mx", _mx),
    ("spf", _spf),
    ("dkim", _dkim),
    ("dmarc", _dmarc),
    ("ptr", _ptr),
    ("forward", _forward),
)
