"""DMARC (RFC 9989): what a domain asks receivers to do, and which names belong to one organisation.

Both are found by climbing the names from a domain to the top (the DNS Tree Walk, 4.10), so that no list of public
suffixes is needed: who keeps a suffix says so with psd=y, and where nobody says anything a name stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mail.domains import ascii_domain
from mail.providers.lookup import Ask

MOST_QUESTIONS = 8  # of one walk; longer names are cut to seven labels after the first
NONE, QUARANTINE, REJECT = "none", "quarantine", "reject"
INVALID, SEVERAL = "invalid", "several"  # there is a record, and it does not count
STRICT = (QUARANTINE, REJECT)


class Policy(NamedTuple):
    """`where` its record stands, `value` (or why there is none), the record itself, and how it is to be taken.

    `strict_spf`, `strict_dkim`: only the very same domain counts. `trial`: the domain asks not to act on it yet.
    """

    where: str
    value: str
    record: str
    strict_spf: bool = False
    strict_dkim: bool = False
    trial: bool = False

    @property
    def counts(self) -> bool:
        return self.value not in (INVALID, SEVERAL)

    @property
    def refuses(self) -> bool:
        """Mail that nothing confirms shall not be taken for mail of the domain."""
        return self.value in STRICT and not self.trial


def policy_of(domain: str, ask: Ask) -> Policy | None:
    """The domain's own, else that of its organisation, else that of the suffix it stands under. Raises Unanswered."""
    domain = ascii_domain(domain).removesuffix(".")
    steps = []
    for step in _walk(domain, ask):
        if step.domain == domain and step.counts:
            return _policy(step, step.tags.get("p", ""))
        steps.append(step)
    above = {step.domain: step for step in steps if step.counts}
    suffix = [step.domain for step in above.values() if step.psd == "y"]
    for name in (_organisation(domain, steps), *suffix):
        if name in above:
            return _policy(above[name], _for_subdomain(above[name], domain, ask))
    several = [step for step in steps if len(step.records) > 1]
    return Policy(several[0].where, SEVERAL, " | ".join(several[0].records)) if several else None


def is_aligned(proven: str, author: str, strict: bool, ask: Ask) -> bool:
    """Whether what SPF or DKIM proved speaks for the domain in From (4.4). Raises Unanswered."""
    proven, author = ascii_domain(proven), ascii_domain(author)
    if proven == author or strict:
        return proven == author
    ours = organisation_of(author, ask)
    # An organisation stands above all its names, so others need not be looked at.
    return f".{proven}".endswith(f".{ours}") and organisation_of(proven, ask) == ours


def stand_above_each_other(proven: str, author: str) -> bool:
    """Whether one of two names stands above the other, or both are one: what is believed where DNS has no policy."""
    return "." in proven and (
        proven == author or author.endswith(f".{proven}") or proven.endswith(f".{author}")
    )


def may_be_of_one_house(proven: str, author: str) -> bool:
    """Whether it is worth asking: names of one organisation share their last two labels at least."""
    return proven.split(".")[-2:] == author.split(".")[-2:]


def organisation_of(domain: str, ask: Ask) -> str:
    """The Organizational Domain (4.10): the domain itself where DNS says nothing. Raises Unanswered."""
    domain = ascii_domain(domain).removesuffix(".")
    return _organisation(domain, list(_walk(domain, ask)))


@dataclass(frozen=True, slots=True)
class _Step:
    """What stands at one name of the walk. Of several records none counts."""

    domain: str
    records: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"_dmarc.{self.domain}"

    @property
    def counts(self) -> bool:
        return len(self.records) == 1

    @property
    def tags(self) -> dict[str, str]:
        return _tags(self.records[0]) if self.counts else {}

    @property
    def psd(self) -> str:
        """y: a public suffix; n: an organisation, whatever stands above it; else nothing is said."""
        return self.tags.get("psd", "")


def _walk(domain: str, ask: Ask) -> Iterator[_Step]:
    """The names from the domain upwards, each asked when its turn comes; ends where a record says so."""
    labels = domain.split(".")
    above = range(max(1, len(labels) - MOST_QUESTIONS + 1), len(labels))
    for start in (0, *above):
        name = ".".join(labels[start:])
        texts = [text.decode("ascii", "replace").strip() for text in ask(f"_dmarc.{name}", "TXT")]
        step = _Step(name, tuple(text for text in texts if _is_dmarc(text)))
        yield step
        if step.psd == "n" or (step.psd == "y" and start):
            return


def _organisation(domain: str, steps: list[_Step]) -> str:
    found = [step for step in steps if step.counts]
    for step in found:
        if step.psd == "n":
            return step.domain
        if step.psd == "y" and step.domain != domain:
            labels = domain.split(".")
            return ".".join(labels[-step.domain.count(".") - 2 :])
    return found[-1].domain if found else domain


def _policy(step: _Step, value: str) -> Policy:
    """A record with an odd policy counts as none at all (4.7); the RFC lets those with rua pass for p=none."""
    tags = step.tags
    odd = any(tags.get(name, NONE) not in (NONE, *STRICT) for name in ("p", "sp", "np"))
    return Policy(
        step.where,
        INVALID if odd or not value else value,
        step.records[0],
        strict_spf=tags.get("aspf") == "s",
        strict_dkim=tags.get("adkim") == "s",
        trial=tags.get("t") == "y",
    )


def _for_subdomain(step: _Step, domain: str, ask: Ask) -> str:
    """What a record asks for a name below it. `np` is for names that do not exist: without any mail or address,
    as RFC 9091 (2.7) has it, since an answer does not tell an unknown name from one without records."""
    tags = step.tags
    usual = tags.get("sp", tags.get("p", ""))
    missing = tags.get("np", usual)
    if missing == usual or any(ask(domain, kind) for kind in ("A", "AAAA", "MX")):
        return usual
    return missing


def _is_dmarc(record: str) -> bool:
    """The version comes first, and as it is written (4.7)."""
    name, _, value = record.partition(";")[0].partition("=")
    return (name.strip(), value.strip()) == ("v", "DMARC1")


def _tags(record: str) -> dict[str, str]:
    """By name; of a tag that stands there twice the first."""
    pairs = (pair.partition("=") for pair in reversed(record.split(";")))
    return {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
