"""How a forward is set up at the common providers, and how its check fares, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from blueprints.labels.formats import full_time
from desk.checks import forward_probe
from desk.checks.forward_probe import ForwardState
from models import Channel

# Provider and what to click there; %(address)s stands once above the list, to be copied.
STEPS: tuple[tuple[str, Any], ...] = (
    ("Gmail", _l(
        "Settings (“See all settings”), “Forwarding and POP/IMAP”, “Add a forwarding address”: enter the address "
        "and confirm. Google sends a mail with a code, which appears on this page. Then choose “Forward a copy "
        "of incoming mail”. In Google Workspace an administrator may have to allow it."
    )),
    ("Microsoft 365", _l(
        "In Outlook on the web: Settings, Mail, Forwarding, enable forwarding and enter the address. Microsoft 365 "
        "blocks forwarding to other companies at first: an administrator allows it in the anti-spam policy "
        "for outgoing mail."
    )),
    ("GMX", _l(
        "E-Mail, Settings, “Filter rules”: create a rule for all mails with the action “Forward to” and enter "
        "the address. GMX may ask there by a mail with a link, which appears on this page."
    )),
    ("WEB.DE", _l(
        "E-Mail, Settings, “Filter rules”: create a rule for all mails with the action “Forward to” and enter "
        "the address. WEB.DE may ask there by a mail with a link, which appears on this page."
    )),
    ("IONOS", _l(
        "In the IONOS account: E-Mail, choose the address, “Forwarding”, enter the address and save. As an "
        "alternative create it as a pure forwarding address."
    )),
    ("STRATO", _l(
        "In the customer login: E-Mail, “Manage e-mail addresses”, edit the address, “Forwarding”, enter the "
        "address and save."
    )),
    ("mailbox.org", _l(
        "Settings, Mail, “Auto forward”: enable it, enter the address and save. Keep a copy if you want to."
    )),
    ("A1", _l(
        "In A1 Webmail: Settings, Mail, “Auto forward” or a filter rule “Redirect to”, enter the address and save."
    )),
    ("World4You", _l(
        "In my.world4you.com: choose the package, E-Mail, “Forwardings”, create one from your address to this one."
    )),
    ("Hetzner", _l(
        "In konsoleH: choose the domain, E-Mail, Mailboxes, edit the mailbox and enter the address under "
        "“Forwarding”; or create a forwarding address."
    )),
    ("Infomaniak", _l(
        "In the Manager: Mail Service, choose the address, “Redirections”, add the address. Infomaniak may ask "
        "there by a mail with a link, which appears on this page."
    )),
)  # fmt: skip

REFUSED = {
    "no_address": _l("Enter the forwarded address first and save the channel."),
    "no_relay": _l("The check needs an outgoing server: enter it under “System >> Settings”."),
}


@dataclass(frozen=True, slots=True)
class ShownForward:
    """`sign` is ok, warning, trouble or empty; `questions` are what providers asked, with link and code."""

    sign: str
    title: str
    text: str = ""
    waiting: bool = False
    questions: tuple[Any, ...] = ()


def shown_forward(channel: Channel, at: datetime) -> ShownForward:
    state = forward_probe.state(channel, at)
    sent = full_time(channel.forward_sent_at)
    questions = tuple(forward_probe.questions(channel))
    if state == ForwardState.WORKS:
        text = gettext(
            "checked %(moment)s; checked again every day", moment=full_time(channel.forward_back_at)
        )
        return ShownForward("ok", gettext("The forwarding works"), text, questions=questions)
    if state == ForwardState.WAITING:
        text = gettext("sent %(moment)s to %(address)s", moment=sent, address=channel.forwarded_from)
        return ShownForward("", gettext("The check is on its way"), text, True, questions)
    if state == ForwardState.LOST:
        text = gettext(
            "The mail of %(moment)s to %(address)s has not come back. Check the forwarding at the provider, "
            "also whether it waits for a confirmation.",
            moment=sent,
            address=channel.forwarded_from,
        )
        return ShownForward("trouble", gettext("The forwarding does not arrive"), text, questions=questions)
    return ShownForward("", gettext("Not checked yet"), questions=questions)
