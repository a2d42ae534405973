"""Customers: made at their first mail, known by their address."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, UTCDateTime, now


class Contact(Base):
    __tablename__ = "contact"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(320))
    address_key: Mapped[str] = mapped_column(String(320), unique=True)  # casefolded
    locale: Mapped[str] = mapped_column(String(5), default="")  # found in the first mail
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # Mail does not arrive there (desk/tickets/undeliverable.py); the reason is a code, translated on screen.
    undeliverable_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    undeliverable_reason: Mapped[str] = mapped_column(String(40), default="")
    came_back: Mapped[bool] = mapped_column(default=False)  # a server had taken the mail before it failed

    @property
    def shown_name(self) -> str:
        return self.name or self.address
