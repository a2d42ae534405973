"""How long raw mails are kept: messages and attachments stay for ever, the bytes as they came do not.

30 days, unless the administrator says otherwise (`keep_raw_days`, models/account.py).

The row is first marked as going, then the file is removed, then the row says that it is gone. Whatever dies in
between, no row claims bytes that are not there, and what is going is found again and finished.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, TextClause, or_, select, update

from desk.failpoints import reach
from desk.office import office, the_account
from models import Attachment, Draft, InboundMail, InboundState, OutboundMail, RawMail, ServerCopy, db, now
from models.inbound import RAW_IS_HERE

# Whatever waits for a person or for us keeps its bytes, however old it is.
MAY_GO = (InboundState.FILED, InboundState.DROPPED, InboundState.DUPLICATE, InboundState.LEFT_ALONE)
AT_ONCE = 500
IN_ONE_RUN = 5000  # mails; the rest follows an hour later
LONGEST = 3650  # days


class InvalidDays(ValueError):
    """Not a whole number of days between 0 (for ever) and LONGEST."""


def set_days(days: int) -> None:
    """Raises InvalidDays. Commits."""
    if not 0 <= days <= LONGEST:
        raise InvalidDays(days)
    the_account().keep_raw_days = days
    db.session.commit()


def purge() -> int:
    """Remove the raw mails whose time is over; answers how many mails have none any more."""
    _finish_going()
    days = the_account().keep_raw_days
    done, after = 0, 0
    while days and done < IN_ONE_RUN and not office().stopping.is_set():
        ids = _over(days, after)
        if not ids:
            break
        after = ids[-1]
        going = _begin(ids, days)
        reach("raw_going")
        if going:
            _finish(going)
        done += len(going)
    return done


def _over(days: int, after: int) -> Sequence[int]:
    """The oldest rows whose time is over."""
    query = select(InboundMail.id).where(InboundMail.id > after, *_is_over(days))
    found = db.session.scalars(query.order_by(InboundMail.id).limit(AT_ONCE)).all()
    db.session.rollback()
    return found


def _is_over(days: int) -> tuple[ColumnElement[bool] | TextClause, ...]:
    """Decided so long ago, and gone from the server so long ago."""
    end = now() - timedelta(days=days)
    return (
        RAW_IS_HERE,
        InboundMail.state.in_(MAY_GO),
        InboundMail.filed_at < end,
        or_(InboundMail.removed_at.is_(None), InboundMail.removed_at < end),
        # A copy that could not be removed yet: its time has not begun. What is left alone has none of ours.
        or_(InboundMail.server_copy != ServerCopy.PRESENT, InboundMail.state == InboundState.LEFT_ALONE),
    )


def _begin(ids: Sequence[int], days: int) -> Sequence[int]:
    """Mark those of them whose time is still over: a person may have let one in since they were found."""
    _mark(ids, RawMail.GOING, *_is_over(days))
    query = select(InboundMail.id).where(InboundMail.id.in_(ids), InboundMail.raw == RawMail.GOING)
    going = db.session.scalars(query).all()
    db.session.rollback()
    return going


def _finish_going() -> None:
    """What a crash left half done."""
    while ids := db.session.scalars(
        select(InboundMail.id).where(RAW_IS_HERE, InboundMail.raw == RawMail.GOING).limit(AT_ONCE)
    ).all():
        _finish(ids)
    db.session.rollback()


def _finish(ids: Sequence[int]) -> None:
    digests = set(db.session.scalars(select(InboundMail.sha256).where(InboundMail.id.in_(ids))))
    free = digests - _needed(digests)
    db.session.rollback()
    for digest in free:
        office().blobs.forget_unused(digest)
    reach("raw_removed")
    _mark(ids, RawMail.GONE)


def _mark(ids: Sequence[int], raw: RawMail, *only: ColumnElement[bool] | TextClause) -> None:
    db.session.execute(
        update(InboundMail)
        .where(InboundMail.id.in_(ids), *only)
        .values(raw=raw)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _needed(digests: Collection[str]) -> set[str]:
    """Which of these bytes something else still uses: a file of a message, a mail we sent, a draft, another row."""
    used = set(db.session.scalars(select(Attachment.sha256).where(Attachment.sha256.in_(digests))))
    used |= set(db.session.scalars(select(OutboundMail.sha256).where(OutboundMail.sha256.in_(digests))))
    used |= set(
        db.session.scalars(
            select(InboundMail.sha256).where(
                InboundMail.sha256.in_(digests), InboundMail.raw == RawMail.KEPT, _counts_as_use()
            )
        )
    )
    for files in db.session.scalars(select(Draft.files)):
        used |= {entry["sha256"] for entry in files or ()}
    return used


def _counts_as_use() -> ColumnElement[bool]:
    """A mail that was put back lies in its mailbox; its row only remembers the digest."""
    return InboundMail.state != InboundState.LEFT_ALONE
