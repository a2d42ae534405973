"""Which header fields are known to be the sender's: those that stand there once, and for which something vouches.

docs/decisions/027-what-proves-what-in-a-header.md says why.
"""

from __future__ import annotations

import re

from mail.types import Mail

# RFC 5322, 3.6: at most one of each. Where a second one stands, readers and signatures may mean different ones.
SINGLE = {
    "from": "From",
    "sender": "Sender",
    "reply-to": "Reply-To",
    "to": "To",
    "cc": "Cc",
    "subject": "Subject",
    "date": "Date",
    "message-id": "Message-ID",
    "in-reply-to": "In-Reply-To",
    "references": "References",
}
ALL = frozenset(SINGLE)
# SPF speaks for the house that handed the mail over. Such a house also passes on what others wrote, and then
# an address to answer to may be theirs.
HANDED_OVER = ALL - {"reply-to"}
NOTHING: frozenset[str] = frozenset()

_BLANKS = re.compile(r"\s+")


def doubled(mail: Mail) -> tuple[str, ...]:
    """The single fields that stand there more than once, in the order of the table."""
    there = [name for name, _ in mail.headers if name in SINGLE]
    if len(there) == len(set(there)):
        return ()
    return tuple(name for name in SINGLE if there.count(name) > 1)


def spelled(names: tuple[str, ...]) -> str:
    return " ".join(SINGLE[name] for name in names)


def asks_elsewhere(mail: Mail) -> bool:
    """Whether Reply-To names somebody beside the author."""
    return any(asked.key != mail.sender.key for asked in mail.reply_to)


def signed_fields(mail: Mail, domain: str, beginning: str = "") -> frozenset[str]:
    """What the signatures of a domain cover that another server has verified: the names of `h=` (RFC 6376, 3.5).

    `beginning` is that of `b=`, as RFC 8601 has it in header.b. Of several that may be meant only what all
    of them cover counts, and one with a length (`l=`) nothing: we do not see how far it reaches. All fields
    where no such signature stands in the mail: then the server's word is all there is.
    """
    found = [tags for value in mail.all("dkim-signature") if (tags := _tags(value)).get("d") == domain]
    meant = [tags for tags in found if beginning and tags.get("b", "").startswith(beginning)] or found
    covered = ALL
    for tags in meant:
        covered &= NOTHING if "l" in tags else frozenset(tags.get("h", "").split(":"))
    return covered


def _tags(value: str) -> dict[str, str]:
    """All in lower case, without blanks: for comparison alone."""
    pairs = (pair.partition("=") for pair in _BLANKS.sub("", value).lower().split(";"))
    return {name: given for name, _, given in pairs}
