"""Words for the notices: one label for each row of desk/texts/notice_table.py, and what any mail of ours is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from flask_babel import LazyString, gettext, lazy_gettext

from models import NoticeItem

AUDIENCE = {
    "requester": lazy_gettext("To requesters"),
    "agents": lazy_gettext("To agents"),
    "administrators": lazy_gettext("To administrators"),
}


class Label(NamedTuple):
    """The name of a notice, which is also what its mail is for, and when it goes to whom.

    Notices to agents are events at the bell as well: an icon, and words of whose doing it was and the details.
    """

    title: LazyString
    when: LazyString
    icon: str = ""
    event: Callable[[str, dict[str, str]], str] | None = None


LABELS = {
    "confirmation": Label(
        lazy_gettext("Confirmation of receipt"), lazy_gettext("New ticket · to the requester")
    ),
    "ticket_reply": Label(
        lazy_gettext("Ticket reply"), lazy_gettext("Answer of an agent · to the requester")
    ),
    "resolved": Label(
        lazy_gettext("Ticket resolved or closed"), lazy_gettext("Change of status · to the requester")
    ),
    "new_ticket": Label(
        lazy_gettext("New ticket"),
        lazy_gettext("to all agents"),
        "inbox",
        lambda who, details: gettext("New ticket"),
    ),
    "customer_reply": Label(
        lazy_gettext("Answer received"),
        lazy_gettext("to the assignee, else to all agents"),
        "reply",
        lambda who, details: gettext("Answer received"),
    ),
    "assigned": Label(
        lazy_gettext("Ticket assigned"),
        lazy_gettext("to the agent who gets it from somebody else"),
        "user-round",
        lambda who, details: gettext("Assigned to you by %(name)s", name=who),
    ),
    "mentioned": Label(
        lazy_gettext("Mentioned"),
        lazy_gettext("to whom a private note names with @name"),
        "at-sign",
        lambda who, details: gettext("%(name)s mentioned you", name=who),
    ),
    "delivery_failed": Label(
        lazy_gettext("Delivery failed"),
        lazy_gettext("to the author of the answer"),
        "triangle-alert",
        lambda who, details: gettext("Not delivered to %(address)s", address=details.get("to", "")),
    ),
    "channel_trouble": Label(
        lazy_gettext("Channel in trouble"),
        lazy_gettext("once for each incident, by a way out that works"),
    ),
    "channel_recovered": Label(
        lazy_gettext("Channel works again"),
        lazy_gettext("once when the incident is over"),
    ),
}
# What a mail of ours is for.
PURPOSE = {name: label.title for name, label in LABELS.items()} | {
    "several": lazy_gettext("Several notifications"),
    "test_mail": lazy_gettext("Test e-mail"),
    "invitation": lazy_gettext("Invitation"),
    "password_link": lazy_gettext("New password"),
    "forward_check": lazy_gettext("Check of a forwarding"),
}


def event_word(item: NoticeItem) -> str:
    """What happened, at the bell and in a mail that lists several events."""
    event = LABELS[item.notice].event
    assert event is not None, f"{item.notice} is no notice to agents"
    return event(item.actor.name if item.actor is not None else "Poststelle", item.details)
