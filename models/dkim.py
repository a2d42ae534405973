"""Keys with which our own mail is signed (DKIM)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Secret, UTCDateTime, now


class DkimKey(Base):
    """One key of the mail domain. It signs from `active_at` until `retired_at`; before, it waits for DNS.

    A retired key stays: mails on their way and in mailboxes carry its signature.
    """

    __tablename__ = "dkim_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(String(255))
    selector: Mapped[str] = mapped_column(String(63), unique=True)
    private_key: Mapped[str] = mapped_column(Secret)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    active_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    unproven: Mapped[bool] = mapped_column(default=False)  # switched on by a person's word, not by DNS
