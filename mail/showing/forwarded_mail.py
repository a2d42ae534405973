"""Mails that somebody passed on by hand: whose they were first.

A redirect by a provider keeps From and needs none of this. What a person forwards carries the first mail
attached, or below a line that mail programs write in the language of their user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mail.domains import mailbox_key
from mail.reading.headers import addresses
from mail.types import Address, Mail

SEARCHED = 20_000  # characters of the text: the block stands near its beginning
BLOCK_LINES = 12
FEW_WORDS = 200  # characters beside an attached mail

# Outlook (also "Fw:"), Gmail, Apple, Thunderbird in German, English and French; some write "WG" with a number.
SUBJECT = re.compile(
    r"\s*(?:\[[^\]]{1,40}\]\s*)?(?:wg|fwd?|tr|weitergeleitet|fwd\.)\s*(?:\[\d+\])?\s*:", re.I | re.A
)
REPLY_SUBJECT = re.compile(r"\s*(?:re|aw|antw|antwort|rép|sv)\s*(?:\[\d+\])?\s*:", re.I)

# These lines are written above forwarded mails only.
FORWARD_LINE = re.compile(
    r"""[ \t]*(?:
      -{2,}\s*(?:weitergeleitete\ (?:nachricht|e-?mail)|forwarded\ (?:message|e-?mail|mail)
        |message\ (?:transféré|réexpédié|transfere)e?|forwarded\ by\ .{0,60}?)\s*-{2,}
    | (?:anfang\ der\ weitergeleiteten\ (?:nachricht|e-?mail)|begin\ forwarded\ message
        |début\ du\ (?:message\ (?:réexpédié|transféré)|courriel\ réexpédié))\s*:
    )[ \t]*""",
    re.I | re.X,
)
# Outlook writes the same above the history of an answer: only with WG:/FW: in the subject do they say "forwarded".
ORIGINAL_LINE = re.compile(
    r"[ \t]*(?:-{2,}\s*(?:ursprüngliche nachricht|original(?:nachricht| message)|message d['’]origine"
    r"|(?:original|ursprüngliche) e-?mail)\s*-{2,}|_{10,})[ \t]*",
    re.I,
)
FIELD = re.compile(
    r"[ \t]*\*?(?P<name>von|from|de|betreff|subject|objet|sujet|an|to|à|gesendet|sent|envoyé|date|datum|cc|kopie)"
    r"[ \t]*\*?[ \t]?:\*?[ \t]*(?P<value>.*)",
    re.I,
)
FROM_NAMES = ("von", "from", "de")
OTHER_NAMES = [
    "betreff",
    "subject",
    "objet",
    "sujet",
    "an",
    "to",
    "à",
    "gesendet",
    "sent",
    "envoyé",
    "date",
    "datum",
]  # one of them stands beside "Von:", or it is no block


@dataclass(frozen=True, slots=True)
class Forward:
    """Who wrote the mail that was passed on; its subject and its text as far as they are known."""

    author: Address
    subject: str = ""
    text: str = ""


def says_forwarded(mail: Mail) -> bool:
    """Whether the mail calls itself forwarded: by the subject, or by a line that stands above nothing else."""
    if SUBJECT.match(mail.subject):
        return True
    if REPLY_SUBJECT.match(mail.subject):
        return False
    lines = mail.text[:SEARCHED].splitlines()
    return any(FORWARD_LINE.fullmatch(line) for line in lines)


def may_pass_on(mail: Mail) -> bool:
    """Whether a mail among its attachments is what it is about: it calls itself forwarded, or says little."""
    return says_forwarded(mail) or len(mail.text.strip()) < FEW_WORDS


def read_forward(mail: Mail, attached: Mail | None = None) -> Forward | None:
    """The forwarded mail's author, or None. `attached` is the only mail among the attachments, read.

    Never the one who forwards: a block with their own address says nothing new.
    """
    if not (may_pass_on(mail) if attached else says_forwarded(mail)):
        return None
    found = _in_text(mail.text[:SEARCHED]) or (
        Forward(attached.sender, attached.subject, attached.text)
        if attached and attached.sender.address
        else None
    )
    if found is None or mailbox_key(found.author.address) == mail.sender.key:
        return None
    return found


def _in_text(text: str) -> Forward | None:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        marked = FORWARD_LINE.fullmatch(line) or ORIGINAL_LINE.fullmatch(line)
        # New Outlook and its web form draw a rule that text does not show: the block begins with its fields.
        field = FIELD.fullmatch(line)
        bare = field is not None and field["name"].lower() in FROM_NAMES
        if (marked or bare) and (found := _block(lines[number + bool(marked) :])):
            return found
    return None


def _block(lines: list[str]) -> Forward | None:
    """The fields that stand together, after at most two empty lines."""
    fields: dict[str, str] = {}
    last, empty, end = "", 0, 0
    for line in lines[:BLOCK_LINES]:
        end += 1
        found = FIELD.fullmatch(line)
        if found:
            last = found["name"].lower()
            fields.setdefault(last, found["value"].strip(" *"))
        elif not line.strip():
            empty += 1
            if fields or empty > 2:
                break
        elif last and line[:1] in " \t<":  # a long field goes on
            fields[last] += " " + line.strip()
        else:
            break
    author = next((fields[name] for name in FROM_NAMES if name in fields), "")
    if not author or not any(name in fields for name in OTHER_NAMES):
        return None
    written = re.sub(r"\[mailto:([^\]\s]+)\]", r"<\1>", author)
    written = re.sub(r"<mailto:[^>]*>", "", written)
    found_addresses, _ = addresses([written.encode("utf-8", "replace")], limit=1)
    if not found_addresses or not found_addresses[0].address:
        return None
    subject = next((fields[name] for name in ("betreff", "subject", "objet", "sujet") if name in fields), "")
    return Forward(found_addresses[0], subject[:1000], "\n".join(lines[end:]))
