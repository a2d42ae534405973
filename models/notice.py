"""What agents are to be told, before it becomes mails; and what administrators changed about the notices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.agent import Agent
from models.base import Base, UTCDateTime, now
from models.message import Message
from models.ticket import Ticket


class NoticeItem(Base):
    """One event for one reader. What is due for a reader becomes one mail, however many events there are.

    Without `mail_id` it waits. `agent_id` is None for the requester of the ticket.
    """

    __tablename__ = "notice_item"

    id: Mapped[int] = mapped_column(primary_key=True)
    notice: Mapped[str] = mapped_column(String(40))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"), index=True)
    about_id: Mapped[int | None] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))  # whose doing it was
    details: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    mail_id: Mapped[int | None] = mapped_column(
        ForeignKey("outbound_mail.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    ticket: Mapped[Ticket] = relationship()
    about: Mapped[Message | None] = relationship()
    actor: Mapped[Agent | None] = relationship(foreign_keys=[actor_id])

    __table_args__ = (Index("ix_notice_item_agent", "agent_id", "mail_id", "created_at"),)


class NoticeSwitch(Base):
    """A notice that an administrator switched; without a row it is as `desk.telling.NOTICES` says."""

    __tablename__ = "notice_switch"

    notice: Mapped[str] = mapped_column(String(40), primary_key=True)
    enabled: Mapped[bool]


class NoticeSilence(Base):
    """A channel whose events a notice leaves out."""

    __tablename__ = "notice_silence"

    notice: Mapped[str] = mapped_column(String(40), primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True)


class NoticeText(Base):
    """The words of a notice in one language, as an administrator wrote them; without a row ours are used."""

    __tablename__ = "notice_text"

    notice: Mapped[str] = mapped_column(String(40), primary_key=True)
    locale: Mapped[str] = mapped_column(String(5), primary_key=True)
    subject: Mapped[str] = mapped_column(String(200), default="")
    body: Mapped[str] = mapped_column(Text)
