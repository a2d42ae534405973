"""Whose ticket it is: newcomers that an agent lets in, and the author of a forwarded mail made requester."""

from __future__ import annotations

from sqlalchemy import select

from desk.refusal import Refusal
from desk.texts import requester_languages
from desk.tickets import participants, tickets
from desk.tickets.contacts import contact_for
from mail.domains import mailbox_key
from mail.reading.language import detect
from mail.showing.forwarded_mail import read_forward
from mail.types import Address, Mail
from models import Agent, Contact, Kind, Message, db


class NotForwarded(Refusal):
    """The message names nobody else as its author."""


def admit(message: Message, by: Agent) -> None:
    """An agent lets a newcomer in: from now on they take part like everybody else here."""
    key = mailbox_key(message.from_address)
    known = participants.participants(message.ticket) | {key}
    for other in db.session.scalars(
        select(Message).where(Message.ticket_id == message.ticket_id, Message.newcomer)
    ):
        if brings(other) <= known:
            other.newcomer = False
    tickets.note_event(message.ticket, "admitted", by, address=message.from_address)
    db.session.commit()


def take_over(message: Message, by: Agent) -> None:
    """»Anfragende: X erkannt – übernehmen?«: the first author of a forwarded mail is the requester."""
    author = message.forwarded_from
    if author is None:
        raise NotForwarded
    _change_requester(message, author["name"], author["address"], by)


def give_back(message: Message, by: Agent) -> None:
    """And back: whoever sent the mail is the requester again."""
    _change_requester(message, message.from_name, message.from_address, by)


def brings(message: Message) -> set[str]:
    """Whom a message would make part of a ticket."""
    if message.kind == Kind.NOTE:
        return set()
    if message.kind == Kind.INBOUND:
        return {mailbox_key(message.from_address)}
    return {mailbox_key(entry["address"]) for entry in (*message.to, *message.cc, *message.bcc)}


def author_of(message: Message, name: str, address: str) -> Contact:
    def language() -> str | None:
        mail = Mail(sender=Address("", message.from_address), subject=message.subject, text=message.text)
        passed_on = read_forward(mail)
        if passed_on is None or passed_on.author.key != mailbox_key(address):
            return detect(message.text, (), requester_languages.further())
        return detect(passed_on.text, (), requester_languages.further())

    return contact_for(name, address, language)


def _change_requester(message: Message, name: str, address: str, by: Agent) -> None:
    ticket = message.ticket
    before, contact = ticket.contact, author_of(message, name, address)
    ticket.requester_name = name[:200]
    if contact.id != before.id:
        ticket.contact = contact
        ticket.locale = contact.locale or ticket.locale
        tickets.note_event(ticket, "requester", by, old=before.address, new=contact.address)
    db.session.commit()
