"""Which of a stranger's words an automatic mail may carry, and to whom.

Whoever writes to us chooses a name, a subject, and with Reply-To who gets the confirmation. Their words go back to
themselves alone: to the address that wrote, once a check has confirmed it, and within its organisation. Everybody
else gets the number and what the company says; and nobody a web address, which would look like ours.
"""

from __future__ import annotations

from desk.office import office
from desk.texts.notice_placeholders import MEANING, STRANGERS
from mail.domains import ascii_domain, folded
from mail.judging.web_addresses import has_web_address
from mail.providers import dmarc
from mail.providers.lookup import Unanswered
from mail.types import Address
from models import Message, Ticket


def left_out(ticket: Ticket, message: Message, reader: Address) -> frozenset[str]:
    """The placeholders that stay empty in an automatic mail about `message` to this reader."""
    if message.sender_state != "confirmed" or not _are_one(message.from_address, reader.address):
        return frozenset(STRANGERS)
    given = {"ticket": ticket, "reader": reader}
    return frozenset(name for name in STRANGERS if has_web_address(MEANING[name](given)))


def _are_one(author: str, reader: str) -> bool:
    """Whether both are one mailbox, or of one organisation as DNS tells it; where it is silent they are not."""
    if folded(author) == folded(reader):
        return True
    theirs, ours = (ascii_domain(address.rpartition("@")[2]) for address in (author, reader))
    if theirs == ours:
        return True
    if theirs.split(".")[-2:] != ours.split(".")[-2:]:
        return False  # no organisation stands above both, so nobody need be asked
    try:
        return dmarc.is_aligned(ours, theirs, False, office().lookup)
    except Unanswered:
        return False
