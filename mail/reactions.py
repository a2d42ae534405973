"""A sign in place of an answer: how Gmail sends »reacted with 👍« (Google, "Email reactions format", 2023)."""

from __future__ import annotations

import json
import unicodedata

REACTION = "text/vnd.google.email-reaction+json"
LONGEST = 20  # code points; families and flags are put together of many
READ = 1_000  # octets


def reaction_in(data: bytes) -> str:
    """The emoji of the part, or an empty string where it says something else. Never raises."""
    try:
        sign = json.loads(data[:READ])["emoji"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not isinstance(sign, str) or not 0 < len(sign) <= LONGEST:
        return ""
    # Letters would be words of a stranger in a place where nobody expects any.
    return (
        sign if all(unicodedata.category(letter)[0] in "SMC" or letter.isdigit() for letter in sign) else ""
    )
