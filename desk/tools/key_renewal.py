"""After a change of the key: all that is encrypted, once more with the newest one, so that the old one can go.

The keys are those of POSTSTELLE_ENCRYPTION_KEY or of `secret.key`, the newest first; all of them decrypt. One
transaction has all columns: whoever breaks it off has changed nothing, and who runs it twice finds nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Column, Table, Text, select, type_coerce, update

from desk import keys
from desk.office import office
from desk.sending import link_mails
from models import OutboundMail, db
from models.base import Base, Secret, is_sealed


@dataclass(slots=True)
class Renewal:
    """What was found. `lost`: where a value lies that none of the keys decrypts, as `table.column`, once for each."""

    renewed: int = 0
    up_to_date: int = 0
    lost: list[str] = field(default_factory=list)


def renew(dry_run: bool = False) -> Renewal:
    """Encrypt everything with the newest key. Commits, but not for a dry run.

    What none of the keys decrypts stays as it is: a key that is found again may still read it.
    Raises SettingsError for a key that is none.
    """
    settings = office().settings
    known = keys.load_keys(settings.data, settings.encryption_keys)
    newest, every = Fernet(known[0].encode()), keys.cipher(known)
    found = Renewal()
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, Secret):
                _renew_column(table, column, newest, every, found, dry_run)
    replaced = _renew_mails(newest, every, found, dry_run)
    if dry_run:
        db.session.rollback()
        return found
    db.session.commit()
    for digest in replaced:  # only now nobody refers to it any more
        office().blobs.forget(digest)
    return found


def _renew_column(
    table: Table, column: Column[Any], newest: Fernet, every: MultiFernet, found: Renewal, dry_run: bool
) -> None:
    stored = type_coerce(column, Text)  # as it lies in the table
    (key,) = table.primary_key.columns
    rows = db.session.execute(select(key, stored).where(stored != "").with_for_update()).all()
    for number, secret in rows:
        plain = _needs_renewal(secret.encode(), newest, every, found, f"{table.name}.{column.name}")
        if plain is not None and not dry_run:
            renewed = newest.encrypt(plain).decode()
            values = {column: type_coerce(renewed, Text)}
            db.session.execute(update(table).where(key == number, stored == secret).values(values))


def _renew_mails(newest: Fernet, every: MultiFernet, found: Renewal, dry_run: bool) -> list[str]:
    """Mails with a link that still wait; answers the blobs that nobody needs once this is committed."""
    replaced = []
    query = select(OutboundMail.id, OutboundMail.sha256).where(
        OutboundMail.purpose.in_(link_mails.PURPOSES), OutboundMail.sha256 != ""
    )
    for mail_id, digest in db.session.execute(query.with_for_update()).all():
        try:
            data = office().blobs.get(digest)
        except FileNotFoundError:
            continue
        plain = _needs_renewal(data, newest, every, found, "outbound_mail") if is_sealed(data) else None
        if plain is not None and not dry_run:
            values = {"sha256": office().blobs.put(newest.encrypt(plain))}
            db.session.execute(update(OutboundMail).where(OutboundMail.id == mail_id).values(values))
            replaced.append(digest)
    return replaced


def _needs_renewal(
    secret: bytes, newest: Fernet, every: MultiFernet, found: Renewal, place: str
) -> bytes | None:
    """What was encrypted, if the newest key does not read it yet and another one does."""
    try:
        newest.decrypt(secret)
    except InvalidToken:
        try:
            plain = every.decrypt(secret)
        except InvalidToken:
            found.lost.append(place)
            return None
        found.renewed += 1
        return plain
    found.up_to_date += 1
    return None
