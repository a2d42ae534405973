"""Signing in by OAuth 2, in words: how a form's mailbox is connected, and why a sign-in came to nothing."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l

from blueprints.labels.codes import FAILURE
from blueprints.labels.oauth_failures import SIGN_IN_REFUSED
from desk.channels import oauth_providers
from desk.channels.channel_values import ChannelValues, completed, grant_of
from models import Channel, OauthKind

KIND = {
    "google": _l("Google"),
    "microsoft": _l("Microsoft 365"),
    "other": _l("Another provider"),
}
PROVIDER_ERRORS = {
    "required": _l("Please fill in this field."),
    "too_long": _l("This is too long."),
    "control": _l("Line breaks and control characters are not allowed here."),
    "choice": _l("Please choose one of the options."),
    "url": _l("Please enter an address that begins with https://."),
    "tenant": _l("Please enter the number or the domain of the directory."),
    "hosts": _l("Please enter names of mail servers, for example imap.example.com."),
    "again": _l("The secret was given for other settings. For your safety, please enter it again."),
}


@dataclass(frozen=True, slots=True)
class ShownWay:
    """How the mailbox of a form is opened. `provider` is empty for a password; `user` whom it is connected as.

    `ended`: the provider takes the permission no longer. `missing`: google or microsoft, where the mail server
    is one of theirs and no provider is set up; `only`: it takes no passwords at all.
    """

    provider: str = ""
    kind: str = ""
    user: str = ""
    ended: bool = False
    missing: str = ""
    only: bool = False


def shown_way(typed: ChannelValues, channel: Channel | None) -> ShownWay:
    wanted = oauth_providers.wanted_for(typed.server) if typed.is_own else ""
    provider = oauth_providers.by_choice(typed.oauth)
    if provider is None:
        is_missing = wanted and oauth_providers.for_host(typed.server) is None
        return ShownWay(missing=wanted if is_missing else "", only=wanted == OauthKind.MICROSOFT)
    grant = grant_of(completed(typed), channel)
    return ShownWay(
        provider.name,
        provider.kind,
        grant.user if grant else "",
        ended=grant is not None and grant.ended_at is not None,
        only=wanted == OauthKind.MICROSOFT,
    )


def refused_words(code: str) -> str:
    return str(SIGN_IN_REFUSED.get(code) or FAILURE.get(code, FAILURE["internal"]))
