"""Contacts that mail does not reach: marked, so that whoever writes to them again is warned first.

A mark never stops a mail. It goes away by itself as soon as the address proves that it works.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, select, update

from mail.domains import mailbox_key
from models import Contact, OutboundRecipient, db, now

# What a refusal says of the address; other reasons speak of us or of the mail (see
# `mail/judging/refusals.py`).
OF_THE_ADDRESS = frozenset(
    (
        "unknown_recipient",
        "unknown_domain",
        "mailbox_disabled",
        "mailbox_full",
        "recipients_refused",
        "bounced",
        "gave_up",
        "gave_up_there",
    )
)
_NOTHING = {"undeliverable_since": None, "undeliverable_reason": "", "came_back": False}

# Asked with every mail that comes in or leaves, so they are put together once.
_HEARD_FROM = (
    update(Contact.__table__)  # type: ignore[arg-type]
    .where(Contact.address_key == bindparam("key"), Contact.undeliverable_since.is_not(None))
    .values(_NOTHING)
)
_TAKEN = (
    update(Contact.__table__)  # type: ignore[arg-type]
    .where(
        Contact.address_key.in_(bindparam("keys", expanding=True)),
        Contact.undeliverable_since.is_not(None),
        Contact.came_back.is_(False),
    )
    .values(_NOTHING)
)


def mark(failed: Iterable[OutboundRecipient], came_back: bool = False) -> None:
    """Permanently refused, in the running transaction. »Since« stays the first time in a row.

    `came_back`: by a report, when a server had taken the mail already.
    """
    for recipient in failed:
        if recipient.reason not in OF_THE_ADDRESS:
            continue
        contact = db.session.scalar(select(Contact).where(Contact.address_key == recipient.address_key))
        if contact is not None:
            contact.undeliverable_since = contact.undeliverable_since or now()
            contact.undeliverable_reason = recipient.reason
            contact.came_back = contact.came_back or came_back


def taken_again(accepted: Sequence[OutboundRecipient]) -> None:
    """A server took a mail for them. That refutes a refusal at the same server, in the running transaction.

    It says nothing where mail came back later: that server, or our own relay, takes everything at first.
    """
    _clear(_TAKEN, {"keys": [recipient.address_key for recipient in accepted]})


def heard_from(address: str, known: Contact) -> None:
    """A mail came from this address: somebody reads there. In the running transaction.

    `known` is a contact that need not be asked for: nearly always the one that writes.
    """
    key = mailbox_key(address)
    if known.address_key != key or known.undeliverable_since is not None:
        _clear(_HEARD_FROM, {"key": key})


def among(addresses: Iterable[str], known: Contact) -> dict[str, Contact]:
    """The marked contacts among these addresses, by address. `known` is one that need not be asked for."""
    spelt = {mailbox_key(address): address for address in addresses}
    contacts = [known] if known.address_key in spelt else []
    if others := spelt.keys() - {known.address_key}:
        contacts += db.session.scalars(select(Contact).where(Contact.address_key.in_(others)))
    return {spelt[contact.address_key]: contact for contact in contacts if contact.undeliverable_since}


def _clear(statement: object, values: dict[str, object]) -> None:
    db.session.connection().execute(statement, values)  # type: ignore[call-overload]
