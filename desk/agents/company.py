"""The company's settings after the set-up: what administrators decide in the browser (models/account.py).

What the environment sets stays fixed: it wins wherever it is read (desk/office.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import update

from config import LOCALES, Relay
from desk.agents.accounts import AccountRefused, checked_name, checked_timezone
from desk.office import nothing_stored_after, office, the_account
from models import Account, Channel, db

LONGEST_UNDO = 120  # seconds
LONGEST_WAIT = 365  # days until what is resolved closes
LONGEST_REOPENING = 3650  # days


@dataclass(frozen=True, slots=True)
class CompanyValues:
    """What stands in the form. `relay`: None means none; an empty password in it keeps the stored one."""

    company: str
    locale: str
    timezone: str
    undo_seconds: int
    close_days: int
    reopen_days: int
    relay: Relay | None = None


@nothing_stored_after(AccountRefused)
def change(values: CompanyValues) -> None:
    """Keep them all, or raise AccountRefused and keep none. Channels whose sender is the company follow its name."""
    row, settings = the_account(), office().settings
    company = checked_name(values.company, "company")
    if values.locale not in LOCALES:
        raise AccountRefused("locale_unknown")
    for name, value, least, most in (
        ("undo_seconds", values.undo_seconds, 0, LONGEST_UNDO),
        ("close_days", values.close_days, 1, LONGEST_WAIT),
        ("reopen_days", values.reopen_days, 0, LONGEST_REOPENING),
    ):
        if not least <= value <= most:
            raise AccountRefused(name)
        setattr(row, name, value)
    if company != row.company:
        followers = update(Channel).where(Channel.sender_name == row.company)
        db.session.execute(followers.values(sender_name=company))
    row.company, row.locale = company, values.locale
    if not settings.timezone:
        row.timezone = checked_timezone(values.timezone)
    if settings.relay is None:
        _keep_relay(row, with_password(values.relay))
    db.session.commit()
    office().ring("send", None)


def with_password(relay: Relay | None) -> Relay | None:
    """The stored password goes only to the very server and user it was given for, and never with less protection."""
    row = the_account()
    if relay is None or relay.password or not relay.user:
        return relay
    known = (row.relay_host.casefold(), row.relay_port, row.relay_user)
    same = known == (relay.host.casefold(), relay.port, relay.user)
    same = same and relay.encryption in (row.relay_encryption, "starttls", "ssl")
    return replace(relay, password=row.relay_password) if same else relay


def _keep_relay(row: Account, relay: Relay | None) -> None:
    relay = relay or Relay("", 587, "starttls")
    row.relay_host, row.relay_port, row.relay_encryption = relay.host, relay.port, relay.encryption
    row.relay_user, row.relay_password = relay.user, relay.password
