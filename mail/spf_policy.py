"""What a domain's SPF record says (RFC 7208): whom it allows, how many questions it costs, what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from mail.domains import ascii_domain

# (name, type) -> TXT: joined octets; A, AAAA: text; MX: (preference, name); PTR: name. Nothing there: empty.
Ask = Callable[[str, str], list[Any]]
Address = IPv4Address | IPv6Address

MOST_QUESTIONS, MOST_VOID, MOST_MX = 10, 2, 10  # RFC 7208, 4.6.4
DEEPEST = 10
RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_TERM = re.compile(r"([+\-~?]?)([a-z0-9][a-z0-9_.-]*)(?:([:=/])(.*))?", re.I)
_CIDR = re.compile(r"(.*?)(?:/(\d{1,2}))?(?://(\d{1,3}))?")
_NETWORKS = {"ip4": 4, "ip6": 6}
_ASKING = ("include", "a", "mx", "ptr", "exists")


class Unanswered(Exception):
    """A name server did not answer: nothing is known."""


class Broken(Exception):
    """The record cannot be used (permerror). `code`: several, syntax, loop, too_many, void, mx, no_record."""

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(code, where)
        self.code, self.where = code, where


@dataclass(frozen=True, slots=True)
class Term:
    qualifier: str
    name: str
    value: str


@dataclass(slots=True)
class Policy:
    """`chain` are the records that it leads to, as (depth, domain); `ending` the qualifier of `all`, or empty."""

    domain: str
    record: str = ""
    questions: int = 0
    void: int = 0
    chain: list[tuple[int, str]] = field(default_factory=list)
    ending: str = ""
    problem: str = ""
    where: str = ""

    def leads_to(self, domain: str) -> bool:
        return domain.lower() in {name for _, name in self.chain}


def read(domain: str, ask: Ask) -> Policy:
    """The whole record with all it includes, as a receiver reads it for a stranger. Raises Unanswered."""
    policy = Policy(ascii_domain(domain))
    try:
        policy.record = record_of(policy.domain, ask)
        if policy.record:
            policy.ending = _expand(policy, policy.domain, policy.record, ask, (policy.domain,))
            if policy.questions > MOST_QUESTIONS:
                raise Broken("too_many", str(policy.questions))
            if policy.void > MOST_VOID:
                raise Broken("void", str(policy.void))
    except Broken as broken:
        policy.problem, policy.where = broken.code, broken.where
    return policy


def evaluate(domain: str, address: Address, ask: Ask, depth: int = 0) -> str:
    """What the record says of one sending address: pass, fail, softfail, neutral, none. Raises Broken, Unanswered."""
    record = record_of(domain, ask)
    if not record:
        return "none"
    if depth > DEEPEST:
        raise Broken("loop", domain)
    redirect = ""
    for term in terms(record):
        if term.name == "redirect":
            redirect = target(term.value, domain, address)
        elif term.name in (*_NETWORKS, *_ASKING, "all") and _matches(term, domain, address, ask, depth):
            return RESULTS[term.qualifier or "+"]
    return evaluate(redirect, address, ask, depth + 1) if redirect else "neutral"


def record_of(domain: str, ask: Ask) -> str:
    """The one record, or nothing. Raises Broken for several."""
    texts = [text.decode("ascii", "replace").strip() for text in ask(domain, "TXT")]
    found = [text for text in texts if re.match(r"v=spf1( |$)", text, re.I)]
    if len(found) > 1:
        raise Broken("several", domain)
    return found[0] if found else ""


def terms(record: str) -> Iterator[Term]:
    """All terms, checked; unknown modifiers are left out. Raises Broken."""
    for word in record.split()[1:]:
        found = _TERM.fullmatch(word)
        if not found:
            raise Broken("syntax", word)
        qualifier, name, sign, value = found[1], found[2].lower(), found[3], found[4] or ""
        if sign == "=":
            if qualifier:
                raise Broken("syntax", word)
            if name in ("redirect", "exp"):
                yield Term("", name, value)
            continue
        if sign == "/":
            value = f"/{value}"
        needs_value = name in (*_NETWORKS, "include", "exists")
        if name not in (*_NETWORKS, *_ASKING, "all") or (needs_value and not value):
            raise Broken("syntax", word)
        if name in _NETWORKS and _network(name, value) is None:
            raise Broken("syntax", word)
        yield Term(qualifier, name, value)


def with_term(record: str, term: str) -> str:
    """The record with one more term, before what it says of all others."""
    words = record.split()
    return " ".join([words[0], term, *words[1:]]) if words else f"v=spf1 {term} ~all"


def target(value: str, domain: str, address: Address | None = None) -> str:
    """The domain that a term names, with the macros that are used in practice; empty for others."""
    name = _CIDR.fullmatch(value)[1] if _CIDR.fullmatch(value) else value  # type: ignore[index]
    name = re.sub(r"%\{[do]\}", domain, name or domain)
    if address is not None:
        name = name.replace("%{i}", str(address))
    return "" if "%" in name else name.rstrip(".").lower()


def _expand(policy: Policy, domain: str, record: str, ask: Ask, path: tuple[str, ...]) -> str:
    """Count what it costs, include by include, and answer the qualifier of `all`."""
    ending, redirect = "", ""
    for term in terms(record):
        if term.name == "all":
            ending = term.qualifier or "+"
            break  # what comes later is never looked at
        if term.name == "redirect":
            redirect = target(term.value, domain)
            continue
        if term.name not in _ASKING:
            continue
        policy.questions += 1
        name = target(term.value, domain)
        if not name or policy.questions > 3 * MOST_QUESTIONS:
            continue
        if term.name == "include":
            _follow(policy, name, ask, path)
        elif term.name == "mx":
            hosts = ask(name, "MX")
            policy.void += not hosts
            if len(hosts) > MOST_MX:
                raise Broken("mx", name)
        elif term.name == "a":
            policy.void += not (ask(name, "A") or ask(name, "AAAA"))
    if redirect and not ending:
        policy.questions += 1
        return _follow(policy, redirect, ask, path)
    return ending


def _follow(policy: Policy, name: str, ask: Ask, path: tuple[str, ...]) -> str:
    if name in path:
        raise Broken("loop", name)
    if len(path) > DEEPEST:
        raise Broken("too_many", str(policy.questions))
    record = record_of(name, ask)
    if not record:
        raise Broken("no_record", name)
    policy.chain.append((len(path), name))
    return _expand(policy, name, record, ask, (*path, name))


def _matches(term: Term, domain: str, address: Address, ask: Ask, depth: int) -> bool:
    if term.name == "all":
        return True
    if term.name in _NETWORKS:
        network = _network(term.name, term.value)
        return network is not None and address.version == network.version and address in network
    name = target(term.value, domain, address)
    if not name or term.name == "ptr":  # nobody should use ptr (RFC 7208, 5.5), and it proves little
        return False
    if term.name == "include":
        result = evaluate(name, address, ask, depth + 1)
        if result == "none":
            raise Broken("no_record", name)
        return result == "pass"
    if term.name == "exists":
        return bool(ask(name, "A"))
    hosts = [name] if term.name == "a" else [host for _, host in sorted(ask(name, "MX"))][:MOST_MX]
    found = _CIDR.fullmatch(term.value)
    bits = (found[2] if address.version == 4 else found[3]) if found else None
    kind = "A" if address.version == 4 else "AAAA"
    return any(
        address in ip_network(f"{text}/{bits or address.max_prefixlen}", strict=False)
        for host in hosts
        for text in ask(host, kind)
    )


def _network(name: str, value: str) -> Any:
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return None
    return network if network.version == _NETWORKS[name] else None


def address_of(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
