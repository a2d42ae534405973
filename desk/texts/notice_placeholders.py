"""The placeholders of notices: which there are for each kind of notice, and what stands for them in a mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import render_template
from flask_babel import get_locale, gettext

from config import LOCALES
from mail.types import Address
from models import Message

EXCERPT = 2000  # characters of a mail that a notice to agents shows

# What the text of a notice can use; desk/texts/notice_table.py says which notice has which.
TICKET = ("ticket.number", "ticket.subject", "requester.name", "channel.address", "company.name")
AGENTS = (*TICKET, "ticket.link", "requester.address", "agent.name")
TO_REQUESTERS = (*TICKET, "channel.signature")
REPLY = ("reply.body", "quoted_history", "agent.name", *TICKET, "channel.signature")
OF_A_MAIL = (*AGENTS, "sender.name", "sender.address", "message.text")
OF_A_COLLEAGUE = (*AGENTS, "colleague.name")
OF_A_NOTE = (*AGENTS, "colleague.name", "message.text")
OF_A_FAILURE = (*AGENTS, "recipient.address", "server.words")
QUOTE_LINE = ("message.date", "sender.name")  # the placeholders of the line above a quotation
# A stranger's words, which automatic mail does not carry to everybody (desk/texts/strangers_words.py).
STRANGERS = ("ticket.subject", "requester.name")

# What stands for each name, from what a notice is rendered with.
MEANING: dict[str, Callable[[dict[str, Any]], str]] = {
    "ticket.number": lambda given: str(given["ticket"].number),
    "ticket.subject": lambda given: given["ticket"].subject or no_subject(),
    "ticket.link": lambda given: given["ticket_url"],
    "requester.name": lambda given: reader_named(given.get("reader")) or given["ticket"].shown_requester,
    "requester.address": lambda given: given["ticket"].contact.address,
    "channel.address": lambda given: given.get("channel_address") or given["ticket"].channel.address,
    "channel.signature": lambda given: given["design"].signature,
    "company.name": lambda given: given["account"].company,
    "agent.name": lambda given: given["agent"].name,
    "colleague.name": lambda given: given["actor"],
    "sender.name": lambda given: given["message"].from_name or given["message"].from_address,
    "sender.address": lambda given: given["message"].from_address,
    "message.text": lambda given: shortened(words_of(given["message"])),
    "recipient.address": lambda given: given["details"].get("to", ""),
    "server.words": lambda given: given["details"].get("words", ""),
    "reply.body": lambda given: given["reply_text"].strip(),
    "quoted_history": lambda given: render_template("mail/_quoted.txt", **given).strip(),
}
BLOCKS = ("reply.body", "quoted_history", "message.text")  # paragraphs of their own


def words_of(message: Message) -> str:
    """The new words of a message; of a mail without any its subject, and that this is all."""
    if not message.is_wordless:
        return message.new_text
    return gettext("(no text) %(subject)s", subject=message.subject).strip()


def reader_named(reader: Address | None) -> str:
    """Whom the mail goes to, where that is no agent."""
    return (reader.name or reader.address) if reader is not None else ""


def shortened(text: str) -> str:
    """Enough of a mail to know what it is about; a notice is no second home for it."""
    text = text.strip()
    return text if len(text) <= EXCERPT else text[:EXCERPT].rstrip() + " …"


def no_subject() -> str:
    """In a language without a catalogue of ours, a sign instead of English words."""
    return gettext("(no subject)") if str(get_locale()) in LOCALES else "–"
