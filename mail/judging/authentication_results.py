"""Did the sender really write this? Three answers: confirmed, unconfirmed, not checked.

Nothing that stands in a mail is believed but what the receiving server wrote above all the rest: the
topmost `Authentication-Results` (RFC 8601), and only under a name that the channel knows. For mail that
came through our own receiver the same results come from our own check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mail.domains import ascii_domain, mailbox_key
from mail.judging.proven_fields import (
    ALL,
    HANDED_OVER,
    NOTHING,
    asks_elsewhere,
    doubled,
    signed_fields,
    spelled,
)
from mail.providers import dmarc
from mail.reading.headers import addresses
from mail.types import Mail

RESULTS_HEADER = "authentication-results"
NAMELESS = "-"  # Microsoft 365 writes its results without the name of a server

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
    """`proof` names what passed (`SPF, DKIM`), or what spoke against it; the words of TWICE and UNSIGNED come first.

    `refuted`: not merely without proof, but contradicted; such a mail is not taken for one of its sender.
    `unproven`: the header fields that are not taken for the sender's word, though they stand in their mail.
    """

    state: SenderState = SenderState.UNCHECKED
    proof: str = ""
    refuted: bool = False
    unproven: frozenset[str] = NOTHING


@dataclass(frozen=True, slots=True)
class Result:
    """One method of RFC 8601: `spf=pass smtp.mailfrom=x`. All in lower case.

    `covers`: the header fields that it vouches for, where our own check has seen them.
    """

    method: str
    value: str
    properties: dict[str, str]
    covers: frozenset[str] | None = None


# Begin a proof that is none: the fields that stand there twice, those for which nothing vouches, and silence.
TWICE, UNSIGNED, UNANSWERED = "twice:", "unsigned:", "unanswered:"
# Two of these leave open who speaks, or who would be answered.
OPEN_TO_DOUBT = frozenset({"from", "reply-to"})

UNCHECKED = SenderVerdict()
# What our own check says when it got no answer in time. No reproach; but a stranger can bring that about with slow
# name servers of their own, so that nothing in such a mail is taken for its sender's word.
NO_ANSWER = Result("dmarc", "temperror", {}, NOTHING)
NOT_ANSWERED = SenderVerdict(proof=UNANSWERED, unproven=ALL)
# No author, or several: what the other fields say of the sender is not taken for their word.
NOBODY = SenderVerdict(SenderState.UNCONFIRMED, "From", refuted=True)


def verdict_by_header(mail: Mail, server: str) -> SenderVerdict:
    """By the results at the top of the mail, if `server` (the authserv-id that the channel knows) wrote them."""
    results = results_in(mail, server)
    return _of_the_whole(mail, UNCHECKED) if results is None else verdict(mail, results)


def results_in(mail: Mail, server: str) -> tuple[Result, ...] | None:
    """The results at the top of the mail; None if `server` did not write them."""
    written = mail.all(RESULTS_HEADER)
    if not server or not written or read_results(written[0])[0] != server.lower():
        return None
    return tuple(_of_the_top(mail, server.lower()))


def _of_the_top(mail: Mail, server: str) -> Iterator[Result]:
    """What the server wrote: several programs there (SPF, DKIM, DMARC) may write a field each, in an unbroken run.

    Only the first is surely the server's. The others are where they stand above its own Received, which nothing from
    outside can pass; a local delivery (LMTP, RFC 3848) may have put its Received above them.
    """
    received = (
        n for n, (name, value) in enumerate(mail.headers) if name == "received" and not _BY_LMTP.search(value)
    )
    border = next(received, 0)
    run = [n for n, (name, _) in enumerate(mail.headers) if name == RESULTS_HEADER]
    for number in run[:1] + [n for n in run[1:] if n < border]:
        name, results = read_results(mail.headers[number][1])
        if name != server:
            return
        yield from results


def verdict(mail: Mail, results: Iterable[Result]) -> SenderVerdict:
    """What the results say of the address in From. A pass of another domain proves nothing for it."""
    return _of_the_whole(mail, _by_results(mail, results))


def _of_the_whole(mail: Mail, judged: SenderVerdict) -> SenderVerdict:
    """The verdict on a mail whose header may say two things at once: then none of it is proven."""
    if twice := doubled(mail):
        refuted = judged.refuted or not OPEN_TO_DOUBT.isdisjoint(twice)
        return SenderVerdict(SenderState.UNCONFIRMED, f"{TWICE}{spelled(twice)}", refuted, ALL)
    return judged if len(authors(mail)) == 1 else NOBODY


def _by_results(mail: Mail, results: Iterable[Result]) -> SenderVerdict:
    domain = ascii_domain(mail.sender.address.rpartition("@")[2])
    passed, against, asked = [], [], False
    for result in results:
        if result == NO_ANSWER:
            return NOT_ANSWERED
        # Where we asked ourselves, silence of names that could not speak for the author excuses nobody.
        asked = asked or result.covers is not None or result.value not in ("temperror", "skipped")
        if result.value == "pass" and _speaks_for(result, domain):
            passed.append(result)
        elif result.value == "fail" or (result.value == "softfail" and result.method == "spf"):
            against.append(result.method.upper())
    if not asked:
        return UNCHECKED
    # DMARC is the judgement of the sender's own domain: where it failed, no single pass outweighs it.
    if passed and "DMARC" not in against:
        return _by_passes(mail, passed)
    refuted = "DMARC" in against or "SPF" in against
    return SenderVerdict(SenderState.UNCONFIRMED, ", ".join(dict.fromkeys(against)), refuted)


def _by_passes(mail: Mail, passed: list[Result]) -> SenderVerdict:
    """What passed proves From, if it vouches for it; a Reply-To that it does not vouch for may be anybody's.

    Who added that to a signed mail has sent it once more, and chose where to: then nothing of it counts.
    """
    if not (covers := _covered(mail, passed)):
        return SenderVerdict(SenderState.UNCONFIRMED, f"{UNSIGNED}{spelled(('from',))}", False, ALL)
    unproven = ALL.difference(*covers.values())
    if "reply-to" not in unproven or not asks_elsewhere(mail):
        return SenderVerdict(SenderState.CONFIRMED, ", ".join(covers), False, unproven)
    proof = f"{UNSIGNED}{spelled(('reply-to',))}"
    return SenderVerdict(
        SenderState.UNCONFIRMED, proof, False, unproven if unproven == ALL - HANDED_OVER else ALL
    )


def _covered(mail: Mail, passed: list[Result]) -> dict[str, frozenset[str]]:
    """What vouches for which fields, by method; without what does not vouch for From itself."""
    alone = all(result.method == "dmarc" for result in passed)
    covers: dict[str, frozenset[str]] = {}
    for result in passed:
        if "from" in (fields := _vouches_for(mail, result, alone) - mail.only_inside):
            method = result.method.upper()
            covers[method] = covers.get(method, NOTHING) | fields
    # DMARC rests on one of the others.
    return covers if alone or covers.keys() != {"DMARC"} else {}


def _vouches_for(mail: Mail, result: Result, alone: bool) -> frozenset[str]:
    """`alone`: DMARC's word is all that a server has written."""
    if result.covers is not None:
        return result.covers
    if result.method == "dkim":
        return signed_fields(mail, proven_domain(result), result.properties.get("header.b", ""))
    return HANDED_OVER if result.method == "spf" or alone else frozenset({"from"})


def read_results(value: str) -> tuple[str, tuple[Result, ...]]:
    """The authserv-id in lower case and the results, read leniently: comments and odd parts are left out."""
    parts = [part.strip() for part in _without_comments(value).split(";")]
    if parts and "=" in parts[0]:
        name = NAMELESS
    else:
        words = parts.pop(0).split() if parts else []
        name = words[0].strip('"').lower() if words else ""
    return name, tuple(result for part in parts if (result := _result(part)))


def authors(mail: Mail) -> set[str]:
    """Keys of the mailboxes of every From field. RFC 5322 section 3.6.2 wants at least one; two leave open
    who speaks, and none is what a mail has that would be read by its Reply-To."""
    fields = [value.encode("utf-8", "replace") for value in mail.all("from")]
    found, _ = addresses(fields, limit=5)
    return {mailbox_key(author.address) for author in found if author.address}


def _speaks_for(result: Result, domain: str) -> bool:
    """Alignment (RFC 9989, 4.4) as far as names alone tell; what a policy says of others, DMARC's result knows."""
    proven = (
        result.properties.get("header.from", domain) if result.method == "dmarc" else proven_domain(result)
    )
    return dmarc.stand_above_each_other(ascii_domain(proven.rpartition("@")[2].strip(".")), domain)


def proven_domain(result: Result) -> str:
    """The domain that a result of SPF or DKIM is about; empty for others."""
    given = result.properties
    if result.method == "dkim":
        proven = given.get("header.d") or given.get("header.i", "")
    elif result.method == "spf":
        proven = given.get("smtp.mailfrom") or given.get("smtp.from", "")
    else:
        return ""
    return ascii_domain(proven.rpartition("@")[2].strip("."))


_BY_LMTP = re.compile(r"\swith\s+(?:UTF8)?LMTPS?A?\b", re.I)
_COMMENT_PIECE = re.compile(r"\\.|[()]|[^()\\]+|\\", re.DOTALL)
_METHOD = re.compile(r'\s*([a-z][\w-]*)\s*(?:/\s*\d+\s*)?=\s*"?([a-z]+)"?', re.I | re.A)
_PROPERTY = re.compile(r'([a-z][\w-]*\.[\w-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))', re.I | re.A)


def _without_comments(value: str) -> str:
    """They nest. One that is never closed is none, and stays."""
    kept: list[str] = []
    opened: list[int] = []  # where in `kept` the open ones began
    for piece in _COMMENT_PIECE.findall(value):
        if piece == ")" and opened:
            del kept[opened.pop() :]
            piece = " "
        elif piece == "(":
            opened.append(len(kept))
        kept.append(piece)
    return "".join(kept)


def _result(part: str) -> Result | None:
    found = _METHOD.match(part)
    if not found:
        return None
    properties: dict[str, str] = {}
    for name, quoted, plain in _PROPERTY.findall(part[found.end() :]):
        properties.setdefault(name.lower(), (quoted or plain).lower())
    return Result(found[1].lower(), found[2].lower(), properties)
