"""Our own mail domain signs its mail: the key, its line for DNS, when it is used, and the signature itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update

from desk.office import the_account
from desk.refusal import Refusal
from mail.domains import ascii_domain
from mail.writing import dkim_signing
from models import Channel, DkimKey, OutboundMail, db, now

log = logging.getLogger(__name__)

Ask = Callable[[str, str], list[Any]]  # (name, type) -> records; TXT as octets


class NotInDns(Refusal):
    """The name servers do not show the key that should sign."""


def signing_key() -> DkimKey | None:
    """The key that signs now."""
    return db.session.scalar(_of_domain().where(DkimKey.active_at.is_not(None)))


def waiting_key() -> DkimKey | None:
    """A key that was made and does not sign yet."""
    return db.session.scalar(_of_domain().where(DkimKey.active_at.is_(None)))


def make_key() -> DkimKey:
    """A new key, to be entered in DNS; the one that signs goes on until it is switched. Commits.

    One that waits already is answered again: its line may stand in DNS by now.
    """
    if (waiting := waiting_key()) is not None:
        return waiting
    domain = the_account().mail_domain
    taken = set(db.session.scalars(select(DkimKey.selector)))
    base = f"poststelle-{now():%Y%m}"
    names = (base, *(f"{base}-{number}" for number in range(2, 1000)))
    selector = next(name for name in names if name not in taken)
    key = DkimKey(domain=domain, selector=selector, private_key=dkim_signing.new_key())
    db.session.add(key)
    db.session.commit()
    return key


def switch_on(ask: Ask | None) -> DkimKey:
    """The waiting key signs from now on. `ask` looks into DNS first; None: an administrator's word. Commits.

    Raises NotInDns; KeyError without a waiting key. What `ask` raises is raised.
    """
    key = waiting_key()
    if key is None:
        raise KeyError("no key waits")
    key_id, name, record = key.id, record_name(key), record_of(key)
    if ask is not None:
        db.session.rollback()  # nothing is locked while we wait for name servers
        if not shows(ask(name, "TXT"), record):
            raise NotInDns
    moment = now()
    db.session.execute(
        update(DkimKey)
        .where(DkimKey.active_at.is_not(None), DkimKey.retired_at.is_(None))
        .values(retired_at=moment)
    )
    db.session.execute(
        update(DkimKey).where(DkimKey.id == key_id).values(active_at=moment, unproven=ask is None)
    )
    db.session.commit()
    found = db.session.get(DkimKey, key_id)
    assert found is not None
    return found


def switch_off() -> None:
    """Nothing is signed any more; the key is kept and waits. Commits."""
    db.session.execute(
        update(DkimKey)
        .where(DkimKey.active_at.is_not(None), DkimKey.retired_at.is_(None))
        .values(active_at=None, unproven=False)
    )
    db.session.commit()


def record_name(key: DkimKey) -> str:
    return dkim_signing.record_name(key.selector, key.domain)


def record_of(key: DkimKey) -> str:
    return dkim_signing.public_record(key.private_key) if key.private_key else ""


def shows(records: list[bytes], record: str) -> bool:
    """Whether these records are this key; blanks and other tags do not matter."""
    found = (dkim_signing.key_of_record(text.decode("ascii", "replace")) for text in records)
    return bool(record) and dkim_signing.key_of_record(record) in set(found)


def signed(mail: OutboundMail, raw: bytes) -> bytes:
    """The mail as it leaves: signed if our domain signs and this mail leaves by the relay in its name."""
    channel = mail.channel
    if (channel is not None and channel.is_own) or dkim_signing.is_signed(raw):
        return raw
    if channel is None:
        channel = db.session.scalar(select(Channel).where(Channel.is_default))
    key = signing_key()
    if key is None or channel is None or not key.private_key or not _is_ours(channel, key.domain):
        return raw
    try:
        return dkim_signing.sign(raw, key.private_key, key.selector, key.domain, now())
    except Exception:
        log.exception("mail %s leaves without a signature: the key “%s” does not work", mail.id, key.selector)
        return raw


def _is_ours(channel: Channel, domain: str) -> bool:
    return ascii_domain(channel.address.rpartition("@")[2]) == ascii_domain(domain)


def _of_domain() -> Any:
    query = select(DkimKey).where(DkimKey.domain == the_account().mail_domain, DkimKey.retired_at.is_(None))
    return query.order_by(DkimKey.id.desc()).limit(1)
