"""Words for the notices: their names, when they go to whom, and what any mail of ours is for."""

from __future__ import annotations

from collections.abc import Callable

from flask_babel import gettext, lazy_gettext

AUDIENCE = {
    "requester": lazy_gettext("To requesters"),
    "agents": lazy_gettext("To agents"),
    "administrators": lazy_gettext("To administrators"),
}
# The name of a notice, and when it goes to whom.
NOTICE = {
    "confirmation": (
        lazy_gettext("Confirmation of receipt"),
        lazy_gettext("New ticket · to the requester"),
    ),
    "ticket_reply": (
        lazy_gettext("Ticket reply"),
        lazy_gettext("Answer of an agent · to the requester"),
    ),
    "new_ticket": (lazy_gettext("New ticket"), lazy_gettext("to all agents")),
    "resolved": (
        lazy_gettext("Ticket resolved or closed"),
        lazy_gettext("Change of status · to the requester"),
    ),
    "customer_reply": (
        lazy_gettext("Answer received"),
        lazy_gettext("to the assignee, else to all agents"),
    ),
    "assigned": (
        lazy_gettext("Ticket assigned"),
        lazy_gettext("to the agent who gets it from somebody else"),
    ),
    "mentioned": (lazy_gettext("Mentioned"), lazy_gettext("to whom a private note names with @name")),
    "delivery_failed": (lazy_gettext("Delivery failed"), lazy_gettext("to the author of the answer")),
    "channel_trouble": (
        lazy_gettext("Channel in trouble"),
        lazy_gettext("once for each incident, by a way out that works"),
    ),
    "channel_recovered": (
        lazy_gettext("Channel works again"),
        lazy_gettext("once when the incident is over"),
    ),
}
# What a mail of ours is for.
PURPOSE = {name: title for name, (title, _) in NOTICE.items()} | {
    "several": lazy_gettext("Several notifications"),
    "test_mail": lazy_gettext("Test e-mail"),
    "invitation": lazy_gettext("Invitation"),
    "password_link": lazy_gettext("New password"),
    "forward_check": lazy_gettext("Check of a forwarding"),
}
# What happened, at the bell: an icon, and words of whose doing it was and the details of the event.
EVENT: dict[str, tuple[str, Callable[[str, dict[str, str]], str]]] = {
    "new_ticket": ("inbox", lambda who, details: gettext("New ticket")),
    "customer_reply": ("reply", lambda who, details: gettext("Answer received")),
    "assigned": ("user-round", lambda who, details: gettext("Assigned to you by %(name)s", name=who)),
    "mentioned": ("at-sign", lambda who, details: gettext("%(name)s mentioned you", name=who)),
    "delivery_failed": (
        "triangle-alert",
        lambda who, details: gettext("Not delivered to %(address)s", address=details.get("to", "")),
    ),
}
