"""What agents are to be told, before it becomes mails; and what administrators changed about the notices."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.agent import Agent
from models.base import Base, Code, UTCDateTime, now
from models.message import Message
from models.ticket import Ticket


class Bell(StrEnum):
    """An event in the browser of its reader."""

    OFF = "off"  # not shown there
    UNREAD = "unread"
    READ = "read"


# What the look for due mail and the count of every page ask: each an index that holds no other rows.
WAITS = text("mail_id IS NULL AND due_at IS NOT NULL")
RINGS = text(f"bell = '{Bell.UNREAD}'")
MAILED = text("mail_id IS NOT NULL")


class NoticeItem(Base):
    """One event for one reader, with two sides: by mail, and in the browser.

    What is due for a reader becomes one mail, however many events there are: without `mail_id` it waits for
    `due_at`; without that no mail is made of it. `agent_id` is None for the requester of the ticket.
    """

    __tablename__ = "notice_item"

    id: Mapped[int] = mapped_column(primary_key=True)
    notice: Mapped[str] = mapped_column(String(40))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"), index=True)
    about_id: Mapped[int | None] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))  # whose doing it was
    details: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    mail_id: Mapped[int | None] = mapped_column(ForeignKey("outbound_mail.id", ondelete="CASCADE"))
    bell: Mapped[Bell] = mapped_column(Code(Bell), default=Bell.OFF)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    ticket: Mapped[Ticket] = relationship()
    about: Mapped[Message | None] = relationship()
    actor: Mapped[Agent | None] = relationship(foreign_keys=[actor_id])

    __table_args__ = (
        Index("ix_notice_item_agent", "agent_id", "created_at"),
        Index("ix_notice_item_mail_id", "mail_id", sqlite_where=MAILED, postgresql_where=MAILED),
        Index("ix_notice_item_waits", "agent_id", "due_at", sqlite_where=WAITS, postgresql_where=WAITS),
        Index("ix_notice_item_rings", "agent_id", "id", sqlite_where=RINGS, postgresql_where=RINGS),
    )


class NoticeSwitch(Base):
    """A notice that an administrator switched; without a row it is as `desk.texts.notice_table.NOTICES` says."""

    __tablename__ = "notice_switch"

    notice: Mapped[str] = mapped_column(String(40), primary_key=True)
    enabled: Mapped[bool]


class NoticeSilence(Base):
    """A channel whose events a notice leaves out."""

    __tablename__ = "notice_silence"

    notice: Mapped[str] = mapped_column(String(40), primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True)


class RequesterLanguage(Base):
    """A language of requesters beside our own, which an administrator added."""

    __tablename__ = "requester_language"

    locale: Mapped[str] = mapped_column(String(5), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class NoticeText(Base):
    """The words of a notice in one language, as an administrator wrote them; without a row ours are used."""

    __tablename__ = "notice_text"

    notice: Mapped[str] = mapped_column(String(40), primary_key=True)
    locale: Mapped[str] = mapped_column(String(5), primary_key=True)
    subject: Mapped[str] = mapped_column(String(200), default="")
    body: Mapped[str] = mapped_column(Text)
    quote_line: Mapped[str] = mapped_column(String(200), default="")  # above the quotation; empty: ours
