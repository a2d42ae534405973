"""What a list shows of a ticket: its last mail, taken down with it, so that a list looks at no message."""

from __future__ import annotations

from mail.showing.clean import one_line, snippet
from mail.writing.compose import bare_subject
from models import Kind, Message, Ticket

LONGEST = 200  # characters of a snippet, as the column has them


def own_subject(message: Message, ticket: Ticket) -> str:
    """What a requester's mail has as its subject, where the ticket is called otherwise."""
    if message.kind != Kind.INBOUND:
        return ""
    bare = bare_subject(message.subject)
    return bare if bare.casefold() != bare_subject(ticket.subject).casefold() else ""


def note_last(ticket: Ticket, message: Message) -> None:
    """This message is the last of its ticket. The subject of a mail without words stands for them."""
    ticket.last_message_at, ticket.last_arrived_at = message.created_at, message.arrived_at
    ticket.wordless = message.is_wordless
    if ticket.wordless:
        words = one_line(own_subject(message, ticket))
    elif message.kind == Kind.INBOUND:  # its history is known to be none of it
        words = one_line(message.new_text or message.text)
    else:
        words = snippet(message.new_text)
    ticket.snippet = words[:LONGEST]
