"""Groups of agents: who is told first of the mails of a channel."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class AgentGroup(Base):
    __tablename__ = "agent_group"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    name_fold: Mapped[str] = mapped_column(String(160), unique=True)  # casefolded, which may be longer


class GroupMember(Base):
    """Agents who were deactivated stay members: they are back when they are activated again."""

    __tablename__ = "group_member"

    group_id: Mapped[int] = mapped_column(ForeignKey("agent_group.id"), primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agent.id"), primary_key=True)
