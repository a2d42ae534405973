"""People who work in Poststelle."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Code, UTCDateTime, now


class Role(StrEnum):
    SYSTEM = "system"  # who created the account; cannot be removed or demoted
    ADMIN = "admin"
    AGENT = "agent"


class Agent(Base):
    __tablename__ = "agent"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), unique=True)  # casefolded
    role: Mapped[Role] = mapped_column(Code(Role))
    password_hash: Mapped[str] = mapped_column(String(255), default="")  # empty until an invitation is taken
    active: Mapped[bool] = mapped_column(default=True)
    locale: Mapped[str] = mapped_column(String(5), default="")  # empty: the browser decides
    timezone: Mapped[str] = mapped_column(String(64), default="")  # empty: the account's
    scheme: Mapped[str] = mapped_column(String(10), default="")  # light, dark, or empty: the system's
    shortcuts: Mapped[bool] = mapped_column(default=True)
    # What the agent wants to hear of by mail and in the browser, and when a mail may come
    # (desk/telling/preferences.py).
    notify: Mapped[str] = mapped_column(String(10), default="all")
    bell: Mapped[str] = mapped_column(String(10), default="all")
    digest: Mapped[str] = mapped_column(String(10), default="")
    work_days: Mapped[str] = mapped_column(String(7), default="")  # ISO weekdays, »12345«; empty: always
    work_begin: Mapped[str] = mapped_column(String(5), default="")  # HH:MM on the agent's own clock
    work_end: Mapped[str] = mapped_column(String(5), default="")
    # Raised when sessions must end (new password, deactivation); stands in every session.
    session_version: Mapped[int] = mapped_column(default=1)
    # One open link at a time, to set a password: its SHA-256, never the token itself.
    link_digest: Mapped[str] = mapped_column(String(64), default="", index=True)
    link_expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_login_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @property
    def is_admin(self) -> bool:
        return self.role in (Role.SYSTEM, Role.ADMIN)

    # The four answers that Flask-Login asks of a user.
    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def is_active(self) -> bool:
        return self.active

    @property
    def is_anonymous(self) -> bool:
        return False

    def get_id(self) -> str:
        return f"{self.id}:{self.session_version}"
