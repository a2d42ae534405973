"""SPF (RFC 7208): may this address send for this domain, and what is the record like that says so?

Two questions at one grammar (spf_record): `check_host` judges one mail, `read` goes through all that a record leads
to and counts what it costs, for the people who have to mend it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from mail.domains import ascii_domain
from mail.providers.lookup import Address, Ask, Unanswered, can_exist
from mail.providers.spf_record import ASKING, Broken, Term, expand, record_in, terms

MOST_QUESTIONS, MOST_VOID, MOST_HOSTS = 10, 2, 10  # 4.6.4; hosts of an MX record, names of an address
RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


def check_host(address: Address, domain: str, sender: str, ask: Ask, helo: str = "") -> str:
    """none, neutral, pass, fail, softfail, temperror (a name server did not answer) or permerror (4.1, 2.6).

    `domain` is that of the sender's address, in ASCII; `helo` the name that the sending server gave itself.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    try:
        return _Check(address, sender, helo, ask).result(domain.removesuffix(".").lower())
    except Broken:
        return "permerror"
    except Unanswered:
        return "temperror"


def record_of(domain: str, ask: Ask) -> str:
    """The one record, or nothing. Raises Broken for several, Unanswered."""
    return record_in(ask(domain, "TXT"), domain)


@dataclass(slots=True)
class _Check:
    """One mail. `questions` and `void` go on from record to record, so nothing can go round in circles."""

    address: Address
    sender: str
    helo: str
    ask: Ask
    questions: int = 0
    void: int = 0
    known_names: list[str] | None = None

    def result(self, domain: str) -> str:
        """What the record of a domain says of the address. Raises Broken, Unanswered."""
        record = record_of(domain, self.ask) if "." in domain and can_exist(domain) else ""
        if not record:
            return "none"
        redirect = None
        for term in terms(record):
            if term.name == "redirect":
                redirect = term
            elif term.name != "exp" and self._matches(term, domain):
                return RESULTS[term.qualifier]
        return self._result_elsewhere(redirect, domain) if redirect else "neutral"

    def _result_elsewhere(self, term: Term, domain: str) -> str:
        """What an include or a redirect finds; without a record there, this one is wrong (5.2, 6.1)."""
        if term.name == "redirect":
            self._count()
        name = self._name(term, domain)
        result = self.result(name)
        if result == "none":
            raise Broken("no_record", name)
        return result

    def _matches(self, term: Term, domain: str) -> bool:
        if term.name == "all":
            return True
        if term.network is not None:
            return self.address in term.network
        self._count()
        if term.name == "include":
            return self._result_elsewhere(term, domain) == "pass"
        name = self._name(term, domain)
        if term.name == "ptr":
            return any(_is_within(known, name) for known in self._names())
        if term.name == "exists":
            return bool(self._found(name, "A"))
        length = term.lengths[0 if self.address.version == 4 else 1]
        return any(
            self.address in ip_network(f"{text}/{length}", strict=False)
            for text in self._addresses(term.name, name)
        )

    def _addresses(self, of: str, name: str) -> Iterator[str]:
        """Those of the name (a) or of its mail servers (mx), one after the other."""
        if of == "a":
            yield from self._found(name, self._kind)
            return
        hosts = self._found(name, "MX")
        if len(hosts) > MOST_HOSTS:
            raise Broken("mx", name)
        for _, host in sorted(hosts):
            yield from self._asked(host, self._kind)

    @property
    def _kind(self) -> str:
        return "A" if self.address.version == 4 else "AAAA"

    def _names(self) -> list[str]:
        """The names of the address that lead back to it (5.5). A name server that keeps silent hides some."""
        if self.known_names is None:
            self.known_names = list(self._names_that_lead_back())
        return self.known_names

    def _names_that_lead_back(self) -> Iterator[str]:
        for name in self._answered(self.address.reverse_pointer, "PTR")[:MOST_HOSTS]:
            if self.address in map(ip_address, self._answered(name, self._kind)):
                yield name.removesuffix(".").lower()

    def _name(self, term: Term, domain: str) -> str:
        """The name that a term means, for this mail."""
        return expand(term.value, lambda letter: self._value(letter, domain)) if term.value else domain

    def _value(self, letter: str, domain: str) -> str:
        """Of a macro (7.2)."""
        local, _, home = self.sender.rpartition("@")
        if letter == "i" and self.address.version == 6:
            return ".".join(self.address.exploded.replace(":", ""))
        if letter == "p":
            names = sorted(self._names(), key=lambda name: (name != domain, not _is_within(name, domain)))
            return names[0] if names else "unknown"
        return {
            "s": f"{local or 'postmaster'}@{home}",
            "l": local or "postmaster",
            "o": home,
            "d": domain,
            "i": str(self.address),
            "v": "in-addr" if self.address.version == 4 else "ip6",
            "h": self.helo,
        }[letter]

    def _count(self) -> None:
        self.questions += 1
        if self.questions > MOST_QUESTIONS:
            raise Broken("too_many", str(self.questions))

    def _found(self, name: str, kind: str) -> list[Any]:
        """The answer to what a term asks; only so many may be empty (4.6.4)."""
        answers = self._asked(name, kind)
        if not answers:
            self.void += 1
            if self.void > MOST_VOID:
                raise Broken("void", str(self.void))
        return answers

    def _asked(self, name: str, kind: str) -> list[Any]:
        return self.ask(name, kind) if can_exist(name) else []

    def _answered(self, name: str, kind: str) -> list[Any]:
        try:
            return self._asked(name, kind)
        except Unanswered:
            return []


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


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


def _expand(policy: Policy, domain: str, record: str, ask: Ask, path: tuple[str, ...]) -> str:
    """Count what it costs, include by include, and answer the qualifier of `all`."""
    redirect = ""
    for term in terms(record):
        if term.name == "all":
            return term.qualifier  # what comes later is never looked at
        name = _name_for_all(term, domain, policy.domain)
        if term.name == "redirect":
            redirect = name
        if term.name not in ASKING:
            continue
        policy.questions += 1
        if not can_exist(name) or policy.questions > 3 * MOST_QUESTIONS:
            continue
        if term.name == "include":
            _follow(policy, name, ask, path)
        elif term.name == "mx":
            hosts = ask(name, "MX")
            policy.void += not hosts
            if len(hosts) > MOST_HOSTS:
                raise Broken("mx", name)
        elif term.name == "a":
            policy.void += not (ask(name, "A") or ask(name, "AAAA"))
    if redirect:
        policy.questions += 1
        return _follow(policy, redirect, ask, path)
    return ""


def _follow(policy: Policy, name: str, ask: Ask, path: tuple[str, ...]) -> str:
    if name in path:
        raise Broken("loop", name)
    if len(path) > MOST_QUESTIONS:
        raise Broken("too_many", str(policy.questions))
    record = record_of(name, ask)
    if not record:
        raise Broken("no_record", name)
    policy.chain.append((len(path), name))
    return _expand(policy, name, record, ask, (*path, name))


def _name_for_all(term: Term, domain: str, of_sender: str) -> str:
    """The name that a term means for every mail of the domain; empty where it depends on the mail."""
    try:
        return expand(term.value, {"d": domain, "o": of_sender}.__getitem__) if term.value else domain
    except KeyError:
        return ""
