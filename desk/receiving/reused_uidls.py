"""POP3 servers that give the UIDL of a deleted mail to another one, or only say that they deleted it.

RFC 1939 forbids the first, some servers count from 1 in each mailbox all the same. A known UIDL alone would
hide the new mail for ever; so what we have seen deleted and is there again gets an identity of its own, and
its digest tells whether it is another mail. Where mails are kept, another size raises the suspicion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import or_, select

from desk.receiving import removal
from models import InboundMail, ServerCopy, db
from wire import Listed, Source

# The same bytes under one UIDL so often: this server deletes nothing, and is no longer believed.
TOO_OFTEN = 3

# So many mails of a page whose size is another, and whose bytes are not: this server only estimates.
LIES = 3


def told_apart(source: Source, channel_id: int, prefix: str, page: Sequence[Listed]) -> list[Listed]:
    """The page, with `uidl:… 2` for a second mail of that UIDL (a space cannot be in a UIDL)."""
    named = _named(channel_id, prefix, page)
    replaced = _replaced(source, channel_id, prefix, named)
    if not replaced:
        return named
    removal.note(dict.fromkeys(replaced, ServerCopy.DELETED))  # not by us, but gone
    return _named(channel_id, prefix, page)


def _replaced(source: Source, channel_id: int, prefix: str, page: Sequence[Listed]) -> list[int]:
    """The rows of fetched mails whose UIDL another mail has now: of another size, and with other bytes.

    The newest are looked at first, since a mail that took the UIDL of another has just come.
    """
    rows = {
        row.source_id: row
        for row in db.session.execute(
            select(InboundMail.id, InboundMail.source_id, InboundMail.size, InboundMail.sha256).where(
                InboundMail.channel_id == channel_id,
                InboundMail.source_id.in_([prefix + listed.source_id for listed in page]),
                InboundMail.server_copy != ServerCopy.DELETED,
                InboundMail.sha256 != "",
            )
        )
    }
    db.session.rollback()  # nobody waits for us while we wait for the server
    replaced, lies = [], 0
    for listed in reversed(page):
        row = rows.get(prefix + listed.source_id)
        if row is None or row.size == listed.size:
            continue
        found = source.digest(listed.source_id)
        if found is not None and found != row.sha256:
            replaced.append(row.id)
            continue
        lies += 1
        if lies == LIES:
            break
    return replaced


def _named(channel_id: int, prefix: str, page: Sequence[Listed]) -> list[Listed]:
    gone = set(
        db.session.scalars(
            select(InboundMail.source_id).where(
                InboundMail.channel_id == channel_id,
                InboundMail.source_id.in_([prefix + listed.source_id for listed in page]),
                InboundMail.server_copy == ServerCopy.DELETED,
            )
        )
    )
    if not gone:
        return list(page)
    return [
        replace(listed, source_id=_identity(channel_id, prefix, listed.source_id))
        if prefix + listed.source_id in gone
        else listed
        for listed in page
    ]


def _identity(channel_id: int, prefix: str, source_id: str) -> str:
    ours = prefix + source_id
    rows = db.session.execute(
        select(InboundMail.source_id, InboundMail.server_copy, InboundMail.sha256)
        .where(
            InboundMail.channel_id == channel_id,
            or_(InboundMail.source_id == ours, InboundMail.source_id.startswith(f"{ours} ", autoescape=True)),
        )
        .order_by(InboundMail.id.desc())
    ).all()
    newest = rows[0]
    never_deleted = len(rows) >= TOO_OFTEN and len({row.sha256 for row in rows[:TOO_OFTEN]}) == 1
    if newest.server_copy != ServerCopy.DELETED or never_deleted:
        return newest.source_id.removeprefix(prefix)
    return f"{source_id} {len(rows) + 1}"
