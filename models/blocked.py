"""Senders whose mail is dropped: an address, or a whole domain."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.agent import Agent
from models.base import Base, UTCDateTime, now


class BlockedSender(Base):
    __tablename__ = "blocked_sender"

    id: Mapped[int] = mapped_column(primary_key=True)
    pattern: Mapped[str] = mapped_column(
        String(320), unique=True
    )  # casefolded: `a@x.example` or `@x.example`
    stopped: Mapped[int] = mapped_column(default=0)  # mails dropped by it
    last_stopped_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    agent: Mapped[Agent | None] = relationship()
