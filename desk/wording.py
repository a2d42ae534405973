"""The words of notices as administrators changed them: which placeholders each has, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import render_template
from flask_babel import gettext

from mail import placeholders
from models import NoticeText, db

LONGEST_SUBJECT, LONGEST_BODY = 200, 20_000  # characters
EXCERPT = 2000  # characters of a mail that a notice to agents shows

_TICKET = ("ticket.number", "ticket.subject", "requester.name", "channel.address", "company.name")
_AGENTS = (*_TICKET, "ticket.link", "requester.address", "agent.name")
# What each notice can speak of. A notice that is not here has no text of its own.
PLACEHOLDERS = {
    "confirmation": (*_TICKET, "channel.signature"),
    "ticket_reply": ("reply.body", "quoted_history", "agent.name", *_TICKET, "channel.signature"),
    "resolved": (*_TICKET, "channel.signature"),
    "new_ticket": (*_AGENTS, "sender.name", "sender.address", "message.text"),
    "customer_reply": (*_AGENTS, "sender.name", "sender.address", "message.text"),
    "assigned": (*_AGENTS, "colleague.name"),
    "mentioned": (*_AGENTS, "colleague.name", "message.text"),
    "delivery_failed": (*_AGENTS, "recipient.address", "server.words"),
}
REQUIRED = {"ticket_reply": "reply.body"}
# Its subject is that of the conversation: else mail programs would tear it apart.
WITHOUT_SUBJECT = ("ticket_reply",)
# Whoever writes with a false name would have us carry it, and his subject, to whom he likes.
ONLY_IF_CONFIRMED = ("confirmation", "resolved")

# What stands for each name, from what a notice is rendered with.
_MEANING: dict[str, Callable[[dict[str, Any]], str]] = {
    "ticket.number": lambda given: str(given["ticket"].number),
    "ticket.subject": lambda given: given["ticket"].subject or gettext("(no subject)"),
    "ticket.link": lambda given: given["ticket_url"],
    "requester.name": lambda given: given["ticket"].contact.name or given["ticket"].contact.address,
    "requester.address": lambda given: given["ticket"].contact.address,
    "channel.address": lambda given: given["ticket"].channel.address,
    "channel.signature": lambda given: given["ticket"].channel.signature.strip() or given["account"].company,
    "company.name": lambda given: given["account"].company,
    "agent.name": lambda given: given["agent"].name,
    "colleague.name": lambda given: given["actor"],
    "sender.name": lambda given: given["message"].from_name or given["message"].from_address,
    "sender.address": lambda given: given["message"].from_address,
    "message.text": lambda given: shortened(given["message"].new_text),
    "recipient.address": lambda given: given["details"].get("to", ""),
    "server.words": lambda given: given["details"].get("words", ""),
    "reply.body": lambda given: given["reply_text"].strip(),
    "quoted_history": lambda given: render_template("mail/_quoted.txt", **given).strip(),
}
_BLOCKS = ("reply.body", "quoted_history", "message.text")  # paragraphs of their own
_CONFIRMED = ("ticket.subject", "requester.name")


class Refused(Exception):
    """A text that cannot be saved. `field` is subject or body; `code` empty, long, unknown, missing or broken."""

    def __init__(self, field: str, code: str, name: str = "") -> None:
        super().__init__(field, code, name)
        self.field, self.code, self.name = field, code, name


def text_of(notice: str, locale: str) -> tuple[str, str] | None:
    """Subject and body that somebody wrote for this notice; None: ours."""
    row = db.session.get(NoticeText, (notice, locale)) if notice in PLACEHOLDERS else None
    return (row.subject, row.body) if row is not None else None


def save(notice: str, locale: str, subject: str, body: str) -> None:
    """Write the words of a notice in one language. Raises Refused, KeyError for one without a text. Commits."""
    subject, body = checked(notice, subject, body)
    row = db.session.get(NoticeText, (notice, locale)) or NoticeText(notice=notice, locale=locale)
    row.subject, row.body = subject, body
    db.session.add(row)
    db.session.commit()


def reset(notice: str, locale: str) -> None:
    """Back to our text. Commits."""
    row = db.session.get(NoticeText, (notice, locale))
    if row is not None:
        db.session.delete(row)
    db.session.commit()


def checked(notice: str, subject: str, body: str) -> tuple[str, str]:
    """The words as they are kept. Raises Refused."""
    subject = "" if notice in WITHOUT_SUBJECT else " ".join(subject.split())
    body = body.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip("\n")
    for field, text, most in (("subject", subject, LONGEST_SUBJECT), ("body", body, LONGEST_BODY)):
        if field == "subject" and notice in WITHOUT_SUBJECT:
            continue
        if not text.strip():
            raise Refused(field, "empty")
        if len(text) > most:
            raise Refused(field, "long")
        for name in placeholders.names(text):
            if name not in PLACEHOLDERS[notice]:
                raise Refused(field, "unknown", name)
        if placeholders.broken(text):
            raise Refused(field, "broken")
    required = REQUIRED.get(notice)
    if required and placeholders.names(body).count(required) != 1:
        raise Refused("body", "missing", required)
    return subject, body


def worded(notice: str, words: tuple[str, str], given: dict[str, Any]) -> tuple[str, str, str]:
    """Subject, text and HTML of a mail in somebody's words. Speaks the language that is forced around it."""
    subject, body = words
    values = _values(notice, given)
    marker = given.get("marker", "")
    title = placeholders.fill(subject, values) or given["message"].subject
    number = f"[#{given['ticket'].number}]"
    if notice in ONLY_IF_CONFIRMED and number not in title:
        title = f"{title} {number}"  # an answer finds its ticket by it where everything else is lost
    text = placeholders.fill(body, values).strip() + (f"\n\n{marker}" if marker else "") + "\n"
    pieces = placeholders.pieces(body, values, _BLOCKS)
    excerpt = values.get("message.text", "")
    return title, text, render_template("mail/_worded.html", pieces=pieces, excerpt=excerpt, **given)


def _values(notice: str, given: dict[str, Any]) -> dict[str, str]:
    values = {name: _MEANING[name](given) for name in PLACEHOLDERS[notice]}
    if notice in ONLY_IF_CONFIRMED and given["message"].sender_state != "confirmed":
        values |= dict.fromkeys(_CONFIRMED, "")
    return values


def shortened(text: str) -> str:
    """Enough of a mail to know what it is about; a notice is no second home for it."""
    text = text.strip()
    return text if len(text) <= EXCERPT else text[:EXCERPT].rstrip() + " …"
