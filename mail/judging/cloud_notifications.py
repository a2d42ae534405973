"""Delivery reports of senders in the cloud that come as JSON in a mail: Amazon SES by an SNS subscription.

Source: "Amazon SNS notification contents for Amazon SES", Amazon SES Developer Guide.
"""

from __future__ import annotations

import json
from typing import Any

from mail.judging.delivery_status import short, status_in
from mail.reading.charsets import scrub
from mail.types import Bounce, BounceRecipient, Mail

SENDER = "no-reply@sns.amazonaws.com"
READ = 128 * 1024  # characters of the notification
MOST_RECIPIENTS = 100


def read(mail: Mail) -> Bounce | None:
    """What a bounce notification says; None for all else, complaints and deliveries included."""
    if mail.sender.key != SENDER:
        return None
    try:
        told, _ = json.JSONDecoder().raw_decode(mail.text[:READ].lstrip())
        return _bounce(told)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _bounce(told: dict[str, Any]) -> Bounce | None:
    if (told.get("notificationType") or told.get("eventType")) != "Bounce":
        return None
    bounce, sent = told["bounce"], told.get("mail") or {}
    permanent = _words(bounce, "bounceType") == "Permanent"
    failed = [
        BounceRecipient(
            _words(one, "emailAddress"),
            status_in(_words(one, "status"), words := _words(one, "diagnosticCode")),
            permanent,
            short(words),
        )
        for one in bounce["bouncedRecipients"][:MOST_RECIPIENTS]
    ]
    headers = {_words(field, "name").lower(): _words(field, "value") for field in sent.get("headers") or ()}
    return Bounce(tuple(failed), headers.get("message-id", ""))


def _words(told: dict[str, Any], name: str) -> str:
    """JSON can spell any character, half ones and controls among them: cleaned as a header field is, on one line."""
    return " ".join(scrub(str(told.get(name) or "")).split())
