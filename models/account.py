"""The company that runs this install: one row, written by the set-up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Secret, UTCDateTime, now


class Account(Base):
    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # always 1: the row closes set-up
    company: Mapped[str] = mapped_column(String(200))
    mail_domain: Mapped[str] = mapped_column(String(255))
    locale: Mapped[str] = mapped_column(String(5))
    timezone: Mapped[str] = mapped_column(String(64), default="Europe/Vienna")
    undo_seconds: Mapped[int] = mapped_column(default=10)
    reopen_days: Mapped[int] = mapped_column(default=14)  # a closed ticket is reopened this long
    close_days: Mapped[int] = mapped_column(default=7)  # a resolved ticket closes by itself after this
    keep_raw_days: Mapped[int] = mapped_column(
        default=30
    )  # raw mails, after they left their server; 0: always
    # Signs our Message-IDs and reply addresses: answers to old mails must find their ticket for ever,
    # so it stays when the encryption key is changed.
    signing_key: Mapped[str] = mapped_column(Secret)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    # The outgoing relay as entered in the set-up; what the environment sets wins.
    relay_host: Mapped[str] = mapped_column(String(255), default="")
    relay_port: Mapped[int] = mapped_column(default=587)
    relay_encryption: Mapped[str] = mapped_column(String(10), default="starttls")
    relay_user: Mapped[str] = mapped_column(String(255), default="")
    relay_password: Mapped[str] = mapped_column(Secret, default="")


class Counter(Base):
    """Numbers that people see, given out by one UPDATE … RETURNING so that two never agree."""

    __tablename__ = "counter"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[int]


class Lease(Base):
    """Who may run a job that only one process may run; expires by itself when its holder dies."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    owner: Mapped[str] = mapped_column(String(160), default="")
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
