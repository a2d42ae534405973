"""Words for the notices: their names, when they go to whom, and what any mail of ours is for."""

from __future__ import annotations

from flask_babel import lazy_gettext

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
