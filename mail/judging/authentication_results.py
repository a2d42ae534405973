"""Did the sender really write this? Three answers: confirmed, unconfirmed, not checked.

Nothing that stands in a mail is believed but what the receiving server wrote above all the rest: the
topmost `Authentication-Results` (RFC 8601), and only under a name that the channel knows. For mail that
came through our own receiver the same results come from our own check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mail.domains import ascii_domain, mailbox_key
from mail.reading.headers import addresses
from mail.types import Mail

RESULTS_HEADER = "authentication-results"
NAMELESS = "-"  # Microsoft 365 writes its results without the name of a server
MOST_RESULTS = 40

# The names under which the servers of large providers write, by the name of the server that is fetched from.
KNOWN_SERVERS = {
    "imap.gmail.com": "mx.google.com",
    "pop.gmail.com": "mx.google.com",
    "imap.googlemail.com": "mx.google.com",
    "outlook.office365.com": NAMELESS,
    "imap.gmx.net": "gmx.net",
    "pop.gmx.net": "gmx.net",
    "imap.web.de": "web.de",
    "pop3.web.de": "web.de",
}


class SenderState(StrEnum):
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class SenderVerdict:
    """`proof` names what passed (`SPF, DKIM`), or what spoke against it.

    `refuted`: not merely without proof, but contradicted; such a mail is not taken for one of its sender.
    """

    state: SenderState = SenderState.UNCHECKED
    proof: str = ""
    refuted: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One method of RFC 8601: `spf=pass smtp.mailfrom=x`. All in lower case."""

    method: str
    value: str
    properties: dict[str, str]


UNCHECKED = SenderVerdict()
# No author, or several: what the other fields say of the sender is not taken for their word.
NOBODY = SenderVerdict(SenderState.UNCONFIRMED, "From", refuted=True)


def verdict_by_header(mail: Mail, server: str) -> SenderVerdict:
    """By the topmost results in the mail, if `server` (the authserv-id that the channel knows) wrote them."""
    if len(authors(mail)) != 1:
        return NOBODY
    written = mail.all(RESULTS_HEADER)
    if not server or not written:
        return UNCHECKED
    name, results = read_results(written[0])
    if name != server.lower():
        return UNCHECKED
    return verdict(mail, results)


def verdict(mail: Mail, results: Iterable[Result]) -> SenderVerdict:
    """What the results say of the address in From. A pass of another domain proves nothing for it."""
    if len(authors(mail)) != 1:
        return NOBODY
    domain = ascii_domain(mail.sender.address.rpartition("@")[2])
    passed, against, asked = [], [], False
    for result in results:
        asked = asked or result.value not in ("temperror", "skipped")
        if result.value == "pass" and _speaks_for(result, domain):
            passed.append(result.method.upper())
        elif result.value == "fail" or (result.value == "softfail" and result.method == "spf"):
            against.append(result.method.upper())
    passed = list(dict.fromkeys(passed))
    if not asked:
        return UNCHECKED
    # DMARC is the judgement of the sender's own domain: where it failed, no single pass outweighs it.
    if passed and "DMARC" not in against:
        return SenderVerdict(SenderState.CONFIRMED, ", ".join(passed))
    refuted = "DMARC" in against or "SPF" in against
    return SenderVerdict(SenderState.UNCONFIRMED, ", ".join(dict.fromkeys(against)), refuted)


def read_results(value: str) -> tuple[str, tuple[Result, ...]]:
    """The authserv-id in lower case and the results, read leniently: comments and odd parts are left out."""
    parts = [part.strip() for part in _without_comments(value).split(";")]
    if parts and "=" in parts[0]:
        name = NAMELESS
    else:
        words = parts.pop(0).split() if parts else []
        name = words[0].strip('"').lower() if words else ""
    return name, tuple(result for part in parts[:MOST_RESULTS] if (result := _result(part)))


def authors(mail: Mail) -> set[str]:
    """Keys of the mailboxes of every From field. RFC 5322 section 3.6.2 wants at least one; two leave open
    who speaks, and none is what a mail has that would be read by its Reply-To."""
    fields = [value.encode("utf-8", "replace") for value in mail.all("from")]
    found, _ = addresses(fields, limit=5)
    return {mailbox_key(author.address) for author in found if author.address}


def _speaks_for(result: Result, domain: str) -> bool:
    """Alignment as in RFC 7489 section 3.1, by parent domains instead of a list of public suffixes."""
    given = result.properties
    if result.method == "dmarc":
        proven = given.get("header.from", domain)
    elif result.method == "dkim":
        proven = given.get("header.d") or given.get("header.i", "")
    elif result.method == "spf":
        proven = given.get("smtp.mailfrom") or given.get("smtp.from", "")
    else:
        return False
    proven = ascii_domain(proven.rpartition("@")[2].strip("."))
    return "." in proven and (
        proven == domain or domain.endswith(f".{proven}") or proven.endswith(f".{domain}")
    )


_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_METHOD = re.compile(r'\s*([a-z][\w-]*)\s*(?:/\s*\d+\s*)?=\s*"?([a-z]+)"?', re.I | re.A)
_PROPERTY = re.compile(r'([a-z][\w-]*\.[\w-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))', re.I | re.A)


def _without_comments(value: str) -> str:
    for _ in range(5):  # they nest
        bare = _COMMENT.sub(" ", value)
        if bare == value:
            break
        value = bare
    return value


def _result(part: str) -> Result | None:
    found = _METHOD.match(part)
    if not found:
        return None
    properties: dict[str, str] = {}
    for name, quoted, plain in _PROPERTY.findall(part[found.end() :]):
        properties.setdefault(name.lower(), (quoted or plain).lower())
    return Result(found[1].lower(), found[2].lower(), properties)
