"""Mails that somebody passed on by hand: whose they were first.

A redirect by a provider keeps From and needs none of this. What a person forwards carries the first mail
attached, or below a line that mail programs write in the language of their user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mail.domains import mailbox_key
from mail.reading.headers import addresses
from mail.showing.headings import FIELD, field_kind, is_forward_line, is_rule, is_separator
from mail.showing.program_words import every
from mail.types import Address, Mail

SEARCHED = 20_000  # characters of the text: the block stands near its beginning
BLOCK_LINES = 12
FEW_WORDS = 200  # characters beside an attached mail

# Some programs write "WG" with a number. »VS« with our number behind it is a Finnish answer.
SUBJECT = re.compile(
    rf"\s*(?:\[[^\]]{{1,40}}\]\s*)?(?!vs\s*:.*\[#\d+\])(?:{every('passed_on')})\s*(?:\[\d+\])?\s*:", re.I
)
REPLY_SUBJECT = re.compile(
    r"\s*(?:re|aw|antw|antwort|rép|sv|odp|ynt|vá|απ|r|res|ref|на|відп|vs)\s*(?:\[\d+\])?\s*:", re.I
)


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
    return any(is_forward_line(line) for line in lines)


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
        # Outlook writes »Original Message« above the history of an answer too: only with WG:/FW: in the subject it is
        # "forwarded".
        marked = is_forward_line(line) or is_separator(line) or is_rule(line)
        # New Outlook and its web form draw a rule that text does not show: the block begins with its fields.
        field = FIELD.fullmatch(line)
        bare = field is not None and field_kind(field["name"]) == "sender"
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
        kind = field_kind(found["name"]) if found else None
        if found and kind is not None:
            last = kind
            fields.setdefault(last, found["value"].strip(" *"))
        elif not line.strip():
            empty += 1
            if fields or empty > 2:
                break
        elif last and line[:1] in " \t<":  # a long field goes on
            fields[last] += " " + line.strip()
        else:
            break
    author = fields.get("sender", "")
    if not author or not {"sent", "to", "subject"} & fields.keys():
        return None
    written = re.sub(r"\[mailto:([^\]\s]+)\]", r"<\1>", author)
    written = re.sub(r"<mailto:[^>]*>", "", written)
    found_addresses, _ = addresses([written.encode("utf-8", "replace")], limit=1)
    if not found_addresses or not found_addresses[0].address:
        return None
    return Forward(found_addresses[0], fields.get("subject", "")[:1000], "\n".join(lines[end:]))
