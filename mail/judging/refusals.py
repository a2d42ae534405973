"""What a mail server means by a refusal: its code and words, in the reason codes that screens translate."""

from __future__ import annotations

import re

# Enhanced status codes, class left out (RFC 3463, RFC 7372): they are meant for programs and go first.
STATUS = {
    "1.0": "unknown_recipient",
    "1.1": "unknown_recipient",
    "1.2": "unknown_domain",
    "1.3": "unknown_recipient",
    "1.6": "unknown_recipient",  # moved away
    "1.7": "sender_refused",
    "1.8": "sender_refused",
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "2.3": "too_large",
    "3.4": "too_large",
    "4.4": "unknown_domain",
    "4.7": "gave_up_there",  # their server tried for its whole time
    "7.8": "auth_failed",
    "7.9": "auth_unsupported",
    "7.20": "sender_not_proven",  # DKIM
    "7.23": "sender_not_proven",  # SPF
    "7.25": "sender_not_proven",  # reverse DNS
    "7.26": "sender_not_proven",  # DMARC
}
# Where there is no such code or it says nothing: what servers write, the most telling first.
WORDS = {
    "greylisted": r"gr[ae]y-?list | try\ again\ in | deferred.{0,40}polic",
    "sender_not_proven": r"""\bspf\b | \bdkim\b | \bdmarc\b | unauthenticated | not\ authori[sz]ed\ to\ send
        | reverse\ (?:dns|lookup) | \bptr\b""",
    "content_refused": r"""spam | junk | block(?:ed|list) | black-?list | reputation | barracuda | unsolicited
        | \bvirus\b | malware | content\ (?:rejected|not\ allowed) | prohibited""",
    "mailbox_full": r"""quota | mailbox\ (?:is\ )?full | insufficient\ (?:storage|space) | storage\ limit
        | too\ much\ mail""",
    "too_large": r"too\ (?:large|big) | size\ limit | message\ size | exceeds?\ .{0,30}(?:size|limit)",
    "mailbox_disabled": r"disabled | deactivated | (?:mailbox|account|user)\ .{0,30}(?:inactive|suspended|locked)",
    "unknown_recipient": r"""
        (?:user|recipient|mailbox|address|account|person|alias|konto|empf[aä]nger)\b .{0,60}
        (?:unknown|not\ (?:found|exist|known|listed|valid)|n[o']t\ exist|does\ not|rejected|unavailable|invalid
        |unbekannt)
        | (?:unknown|no\ such|invalid|unbekannte[rs]?)\ .{0,30}(?:user|recipient|mailbox|address|account|person)
        | no\ mailbox""",
    "unknown_domain": r"""(?:domain|host)\b.{0,40}(?:not\ found|unknown|not\ exist|no\ (?:mx|a)\ record)
        | relay(?:ing)?\ (?:access\ )?denied | unable\ to\ relay | unrouteable | nxdomain | null\ mx""",
}
_ENHANCED = re.compile(r"(?<![\d.])[245]\.(\d{1,3}\.\d{1,3})(?![\d.])")


def reason_of(words: str, otherwise: str, status: str = "") -> str:
    """The reason code of a refusal in a server's own words, or `otherwise`.

    `status` is an enhanced status code (`5.1.1`) that came beside the words, as in a delivery report;
    else the first in the words counts. 5.7.1 and its like say only "policy", and 5.1.10 is a null MX
    (RFC 7505) or Microsoft's unknown recipient: then the words decide.
    """
    found = _ENHANCED.search(status) or _ENHANCED.search(words)
    if found and found[1] in STATUS:
        return STATUS[found[1]]
    for code, pattern in WORDS.items():
        if re.search(pattern, words[:2000], re.I | re.S | re.X):
            return code
    return "content_refused" if found and found[1].startswith(("7.", "6.")) else otherwise
