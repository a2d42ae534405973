"""A decision about a mail in words: the same lines in the dry run, in the ledger, and after processing again."""

from __future__ import annotations

from typing import NamedTuple

from flask_babel import gettext, lazy_gettext

from blueprints.words import REASON, SENDER, WHY
from desk.deciding import Explanation

# Who hears of it, by the notice that they get.
NOTIFIED = {
    "new_ticket": lazy_gettext("the agents who want to hear of new tickets"),
    "customer_reply": lazy_gettext("the agents who want to hear of answers"),
    "delivery_failed": lazy_gettext("the author of the message that did not arrive"),
    "": lazy_gettext("nobody"),
}
WITHHELD = {
    "withheld": lazy_gettext("none, since this address got enough automatic mails for now"),
    "refuted": lazy_gettext("none, since somebody else wrote in this sender's name"),
}


class Line(NamedTuple):
    label: str
    text: str
    ticket: int | None = None  # the number of the ticket that it speaks of


def lines(said: Explanation) -> list[Line]:
    """What decided it, where it goes, who speaks, and who hears of it."""
    found = [Line(gettext("Why"), str(REASON.get(said.reason, said.reason)))]
    if said.details:
        found.append(Line(gettext("What decided it"), said.details))
    if said.why and said.end == "filed":
        number = None if said.foreseen else said.ticket or said.continues or said.maybe
        found.append(Line(gettext("Ticket"), str(WHY[said.why]), number))
    if said.sender_state and said.why:
        found.append(Line(gettext("Sender"), sender(said)))
    if said.end != "filed":
        return found
    if said.confirmation or said.withheld:
        found.append(Line(gettext("Confirmation"), said.confirmation or str(WITHHELD.get(said.withheld, ""))))
    found.append(Line(gettext("Notified"), str(NOTIFIED[said.notice])))
    return found


def sender(said: Explanation) -> str:
    word = str(SENDER[said.sender_state])
    return f"{word} ({said.sender_proof})" if said.sender_proof else word
