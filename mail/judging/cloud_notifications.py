"""Delivery reports of senders in the cloud that come as JSON in a mail: Amazon SES by an SNS subscription.

Source: "Amazon SNS notification contents for Amazon SES", Amazon SES Developer Guide.
"""

from __future__ import annotations

import json
from typing import Any

from mail.judging.delivery_status import short, status_in
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
    permanent = str(bounce.get("bounceType")) == "Permanent"
    failed = [
        BounceRecipient(
            str(one["emailAddress"]),
            status_in(str(one.get("status") or ""), words := str(one.get("diagnosticCode") or "")),
            permanent,
            short(words),
        )
        for one in bounce["bouncedRecipients"][:MOST_RECIPIENTS]
    ]
    headers = {str(field["name"]).lower(): str(field["value"]) for field in sent.get("headers") or ()}
    return Bounce(tuple(failed), headers.get("message-id", ""))
