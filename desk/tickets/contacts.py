"""Requesters: the contact behind an address, and addresses as messages keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import bindparam, select

from desk.texts import requester_languages
from mail.domains import mailbox_key
from mail.reading.language import detect
from mail.types import Address, Mail
from models import Contact, db
from models.base import insert_now

# Asked for every mail, so it is put together once.
CONTACT = select(Contact).where(Contact.address_key == bindparam("key"))


def contact_of(mail: Mail) -> Contact:
    """The requester, by the address of From; made at the first mail, with the language it is written in."""
    return contact_for(
        mail.sender.name,
        mail.sender.address,
        lambda: detect(mail.text, mail.headers, requester_languages.further()),
    )


def contact_for(name: str, address: str, language: Callable[[], str | None]) -> Contact:
    """The contact of an address, made if there is none; `language` is asked only then."""
    address = address[:320] or "unknown@invalid"
    contact = db.session.scalar(CONTACT, {"key": mailbox_key(address)})
    if contact is None:
        contact = Contact(
            name=name[:200],
            address=address,
            address_key=mailbox_key(address)[:320],
            locale=language() or "",
        )
        insert_now(contact)
    elif not contact.name and name:
        contact.name = name[:200]
    return contact


def as_rows(addresses: Iterable[Address]) -> list[dict[str, str]]:
    return [{"name": address.name, "address": address.address} for address in addresses]
