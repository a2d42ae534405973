"""Requesters: the contact behind an address, and addresses as messages keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import bindparam, select

from desk.texts import requester_languages
from mail.domains import mailbox_key
from mail.reading.language import detect
from mail.shared_addresses import is_shared
from mail.types import Address, Mail
from models import Channel, Contact, db
from models.base import insert_now

# Asked for every mail, so it is put together once.
CONTACT = select(Contact).where(Contact.address_key == bindparam("key"))


def contact_of(mail: Mail) -> Contact:
    """The requester, by the address of From; made at the first mail, with the language it is written in."""
    return contact_for(mail.sender.name, mail.sender.address, lambda: _language(mail))


def language_of(mail: Mail, contact: Contact, channel: Channel) -> str:
    """Of a new ticket: the requester's; where many share the address that of this mail, if it has words enough."""
    known = requester_languages.of_requester(contact, channel)
    return (_language(mail) or known) if is_shared(contact.address) else known


def _language(mail: Mail) -> str | None:
    return detect(mail.text, mail.headers, requester_languages.further())


def contact_for(name: str, address: str, language: Callable[[], str | None]) -> Contact:
    """The contact of an address, made if there is none; `language` is asked only then.

    An address that many share gets no name: it would be that of whoever wrote first.
    """
    address = address[:320] or "unknown@invalid"
    name = "" if is_shared(address) else name
    contact = db.session.scalar(CONTACT, {"key": mailbox_key(address)})
    if contact is None:
        contact = Contact(
            name=name[:200],
            address=address,
            address_key=mailbox_key(address)[:320],
            locale=language() or "",
        )
        insert_now(contact)
    elif contact.name and is_shared(address):
        contact.name = ""  # from before the rule
    elif not contact.name and name:
        contact.name = name[:200]
    return contact


def as_rows(addresses: Iterable[Address]) -> list[dict[str, str]]:
    return [{"name": address.name, "address": address.address} for address in addresses]
