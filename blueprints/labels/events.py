"""The history of a ticket in sentences: an icon and words for every kind of event."""

from __future__ import annotations

from collections.abc import Callable

from flask_babel import gettext

from blueprints.labels.codes import PRIORITY, STATUS
from models import TicketEvent

Words = Callable[[str, dict[str, str]], str]


def _purpose(details: dict[str, str]) -> str:
    return gettext("The confirmation") if details.get("purpose") == "confirmation" else gettext("The reply")


EVENTS: dict[str, tuple[str, Words]] = {
    "opened": (
        "inbox",
        lambda who, d: gettext("Ticket opened by e-mail to %(channel)s", channel=d["channel"]),
    ),
    "assigned": (
        "user-round",
        lambda who, d: (
            gettext("%(who)s assigned the ticket to %(to)s", who=who, to=d["to"])
            if d["to"]
            else gettext("%(who)s removed the assignee", who=who)
        ),
    ),
    "status": (
        "circle-dot",
        lambda who, d: gettext(
            "%(who)s: status %(old)s → %(new)s", who=who, old=STATUS[d["old"]], new=STATUS[d["new"]]
        ),
    ),
    "priority": (
        "flag",
        lambda who, d: gettext(
            "%(who)s: priority %(old)s → %(new)s", who=who, old=PRIORITY[d["old"]], new=PRIORITY[d["new"]]
        ),
    ),
    "language": (
        "languages",
        lambda who, d: gettext("%(who)s: language %(old)s → %(new)s", who=who, old=d["old"], new=d["new"]),
    ),
    "tags": ("tag", lambda who, d: gettext("%(who)s: tags %(tags)s", who=who, tags=d["new"] or "–")),
    "merged": (
        "merge",
        lambda who, d: gettext(
            "%(who)s merged ticket #%(number)s into this one", who=who, number=d["number"]
        ),
    ),
    "merged_away": (
        "merge",
        lambda who, d: gettext("%(who)s merged this ticket into #%(number)s", who=who, number=d["into"]),
    ),
    "unmerged": (
        "undo-2",
        lambda who, d: gettext("%(who)s took the merge with #%(number)s back", who=who, number=d["number"]),
    ),
    "split_off": (
        "split",
        lambda who, d: gettext(
            "%(who)s split off a message as ticket #%(number)s", who=who, number=d["number"]
        ),
    ),
    "split_from": (
        "split",
        lambda who, d: gettext("%(who)s split this ticket off from #%(number)s", who=who, number=d["number"]),
    ),
    "same_mail": (
        "copy",
        lambda who, d: gettext(
            "The same mail came to %(channel)s: ticket #%(number)s", channel=d["channel"], number=d["number"]
        ),
    ),
    "our_answer": (
        "copy",
        lambda who, d: gettext("An answer from ticket #%(number)s was filed here", number=d["number"]),
    ),
    "answer_there": (
        "copy",
        lambda who, d: gettext(
            "The answer was filed in %(channel)s too: ticket #%(number)s",
            channel=d["channel"],
            number=d["number"],
        ),
    ),
    "admitted": (
        "user-round-check",
        lambda who, d: gettext("%(who)s let %(address)s take part", who=who, address=d["address"]),
    ),
    "requester": (
        "user-round",
        lambda who, d: gettext("%(who)s: requester %(old)s → %(new)s", who=who, old=d["old"], new=d["new"]),
    ),
    "undone": ("undo-2", lambda who, d: gettext("%(who)s took a reply back before it was sent", who=who)),
    "confirmation_withheld": (
        "shield",
        lambda who, d: gettext(
            "No confirmation to %(to)s: it got several automatic mails in a short time", to=d["to"]
        ),
    ),
    "confirmation_withheld_domain": (
        "shield",
        lambda who, d: gettext(
            "No confirmation to %(to)s: its domain got many automatic mails in a short time", to=d["to"]
        ),
    ),
    "confirmation_withheld_total": (
        "shield",
        lambda who, d: gettext(
            "No confirmation to %(to)s: many automatic mails left in a short time", to=d["to"]
        ),
    ),
    "confirmation_refuted": (
        "shield-alert",
        lambda who, d: gettext("No confirmation to %(to)s: the sender may be forged", to=d["to"]),
    ),
    "mail_sent": (
        "mail-check",
        lambda who, d: (
            gettext("Confirmation of receipt sent to %(to)s", to=d.get("to", ""))
            if d.get("purpose") == "confirmation"
            else gettext("Reply handed over to the mail server for %(to)s", to=d.get("to", ""))
        ),
    ),
    "mail_kept": (
        "mailbox",
        lambda who, d: gettext(
            "%(mail)s was kept and not sent: no outgoing server is set up", mail=_purpose(d)
        ),
    ),
    "mail_delayed": (
        "clock",
        lambda who, d: gettext("%(mail)s could not be delivered yet; it is tried again", mail=_purpose(d)),
    ),
    "mail_undeliverable": (
        "triangle-alert",
        lambda who, d: gettext(
            "%(mail)s to %(to)s could not be delivered", mail=_purpose(d), to=d.get("to", "")
        ),
    ),
    "mail_alleged": (
        "triangle-alert",
        lambda who, d: gettext(
            "Said to be undeliverable, without proof: %(mail)s to %(to)s",
            mail=_purpose(d),
            to=d.get("to", ""),
        ),
    ),
    "mail_stopped": (
        "circle-x",
        lambda who, d: gettext("%(who)s stopped the sending: %(mail)s", who=who, mail=_purpose(d)),
    ),
    "mail_readdressed": (
        "pencil",
        lambda who, d: gettext(
            "%(who)s: %(mail)s goes to %(to)s instead of %(old)s",
            who=who,
            mail=_purpose(d),
            to=d["to"],
            old=d["old"],
        ),
    ),
    "mail_interrupted": (
        "triangle-alert",
        lambda who, d: gettext(
            "Poststelle ended while it was sending: %(mail)s is sent again and may arrive twice",
            mail=_purpose(d),
        ),
    ),
    "mail_send_again": ("refresh-cw", lambda who, d: gettext("%(mail)s is sent again", mail=_purpose(d))),
}


def event_words(event: TicketEvent) -> str:
    who = event.agent.name if event.agent else "Poststelle"
    known = EVENTS.get(event.kind)
    return known[1](who, event.details) if known else event.kind


def event_icon(kind: str) -> str:
    return EVENTS[kind][0] if kind in EVENTS else "circle-dot"
