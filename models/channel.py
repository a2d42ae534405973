"""Channels: one address each, where it is fetched from and how answers leave."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Code, Secret, UTCDateTime, now
from models.group import AgentGroup
from models.oauth import OauthGrant


class Provider(StrEnum):
    STANDARD = "standard"  # an address on our own mail domain, received by our own SMTP receiver
    OWN = "own"  # a mailbox at the company's provider, fetched by IMAP or POP3


class Protocol(StrEnum):
    IMAP = "imap"
    POP3 = "pop3"


class AfterFetch(StrEnum):
    DELETE = "delete"
    MOVE = "move"  # IMAP only
    KEEP = "keep"  # marked as read


class Existing(StrEnum):
    TAKE = "take"  # what lies unread in the mailbox at the first fetch becomes tickets
    LEAVE = "leave"


class Channel(Base):
    __tablename__ = "channel"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(80))  # »ID« in the form: the name that people see
    # Unique among the living; emptied to NULL when the channel is deleted, so that both can be used again.
    key_fold: Mapped[str | None] = mapped_column(String(80), unique=True)
    address: Mapped[str] = mapped_column(String(254))
    address_key: Mapped[str | None] = mapped_column(String(254), unique=True)
    kind: Mapped[str] = mapped_column(String(10), default="email")
    provider: Mapped[Provider] = mapped_column(Code(Provider))
    is_default: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)
    sender_name: Mapped[str] = mapped_column(String(200), default="")
    # How its mails look, and their signature; empty: the default design.
    design_id: Mapped[int | None] = mapped_column("look_id", ForeignKey("mail_look.id"), index=True)
    locale: Mapped[str] = mapped_column(String(5), default="")  # of customers whose language nobody knows
    # Whose members hear first of what comes in; empty: all agents.
    group_id: Mapped[int | None] = mapped_column(ForeignKey("agent_group.id"), index=True)
    # Mail older than this is history: it becomes a ticket, but nobody is told (mail rules, 1.5).
    activated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    deactivated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    # Incoming server
    protocol: Mapped[Protocol] = mapped_column(Code(Protocol), default=Protocol.IMAP)
    server: Mapped[str] = mapped_column(String(255), default="")
    port: Mapped[int] = mapped_column(default=993)
    ssl: Mapped[bool] = mapped_column(default=True)
    user: Mapped[str] = mapped_column(String(255), default="")
    password: Mapped[str] = mapped_column(Secret, default="")
    # What a sign-in by OAuth 2 gave us, instead of passwords; also for the outgoing server.
    grant_id: Mapped[int | None] = mapped_column(ForeignKey("oauth_grant.id"), index=True, unique=True)
    after_fetch: Mapped[AfterFetch] = mapped_column(Code(AfterFetch), default=AfterFetch.DELETE)
    move_to: Mapped[str] = mapped_column(String(255), default="")
    existing: Mapped[Existing] = mapped_column(Code(Existing), default=Existing.TAKE)
    allow_plaintext: Mapped[bool] = mapped_column(default=False)
    only_unseen: Mapped[bool] = mapped_column(default=False)  # what was read before the fetch is never taken
    # The name under which the receiving server writes its checks (authserv-id, RFC 8601); empty: not known.
    authserv_id: Mapped[str] = mapped_column(String(255), default="")

    # Outgoing server
    smtp_server: Mapped[str] = mapped_column(String(255), default="")
    smtp_port: Mapped[int] = mapped_column(default=587)
    smtp_encryption: Mapped[str] = mapped_column(String(10), default="starttls")
    smtp_auth: Mapped[str] = mapped_column(String(10), default="auto")
    smtp_user: Mapped[str] = mapped_column(String(255), default="")
    smtp_password: Mapped[str] = mapped_column(Secret, default="")
    keep_sent: Mapped[bool] = mapped_column(default=False)  # a copy of every answer goes to the Sent folder

    # Web forms: the customer stands in Reply-To, and is the requester of new tickets.
    requester_from_reply_to: Mapped[bool] = mapped_column(default=False, server_default="0")

    # An address elsewhere whose provider forwards to this one, and the mail that checks whether it does.
    forwarded_from: Mapped[str] = mapped_column(String(254), default="")
    forward_probe: Mapped[str] = mapped_column(String(255), default="")  # its Message-ID
    forward_sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    forward_back_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    # Where the fetch stands: IMAP's UIDVALIDITY and the highest UID taken care of.
    # Raised when the channel moves to another mailbox: the same UIDs mean other mails there.
    mailbox: Mapped[int] = mapped_column(default=1)
    generation: Mapped[str] = mapped_column(String(40), default="")
    highest_uid: Mapped[int] = mapped_column(BigInteger, default=0)
    first_fetch_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    # Health
    last_success_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_received_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    error_code: Mapped[str] = mapped_column(String(40), default="")
    error_words: Mapped[str] = mapped_column(Text, default="")
    failures: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    refused: Mapped[int] = mapped_column(default=0)  # copies that the server should have removed and did not
    withheld: Mapped[int] = mapped_column(default=0)  # fetches in a row that did not get every mail whole

    # Raised by every edit in the form; a fetch that began with another edition stops cleanly.
    edition: Mapped[int] = mapped_column(default=1)

    grant: Mapped[OauthGrant | None] = relationship()
    group: Mapped[AgentGroup | None] = relationship()
    further: Mapped[list[ChannelAlias]] = relationship(
        order_by="ChannelAlias.id", cascade="all, delete-orphan"
    )

    @property
    def aliases(self) -> str:
        """The further addresses of the same mailbox, one in a line, as the form shows them."""
        return "\n".join(alias.address for alias in self.further)

    @property
    def is_own(self) -> bool:
        return self.provider == Provider.OWN

    @property
    def oauth(self) -> str:
        """How the mailbox is opened: `password`, or the number of the provider whose tokens do it."""
        return "password" if self.grant is None else str(self.grant.provider_id)

    @property
    def has_way_in(self) -> bool:
        """A password, or a grant."""
        return bool(self.password) or self.grant_id is not None

    @property
    def living(self) -> bool:
        return self.deleted_at is None

    @property
    def encryption(self) -> str:
        """How the incoming connection is protected; without SSL it must be STARTTLS."""
        return "ssl" if self.ssl else "starttls"


class ChannelAlias(Base):
    """A further address of a channel's mailbox: mail to it is the channel's, and is answered in its name."""

    __tablename__ = "channel_alias"

    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"), index=True)
    address: Mapped[str] = mapped_column(String(254))
    address_key: Mapped[str] = mapped_column(String(254), unique=True)
