"""OAuth 2: the providers that this install is registered with, and what sign-ins there gave us."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Code, Secret, UTCDateTime, now


class OauthKind(StrEnum):
    GOOGLE = "google"
    MICROSOFT = "microsoft"
    OTHER = "other"  # by its endpoints


class OauthProvider(Base):
    """The install's own client at a provider. Endpoints, scopes and hosts are stored for `other` only."""

    __tablename__ = "oauth_provider"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[OauthKind] = mapped_column(Code(OauthKind))
    name: Mapped[str] = mapped_column(String(80))
    client_id: Mapped[str] = mapped_column(String(255))
    client_secret: Mapped[str] = mapped_column(Secret, default="")
    tenant: Mapped[str] = mapped_column(String(80), default="")  # Microsoft's directory; empty: any
    app_only: Mapped[bool] = mapped_column(default=False)  # client credentials: nobody signs in
    authorize_url: Mapped[str] = mapped_column(String(500), default="")
    token_url: Mapped[str] = mapped_column(String(500), default="")
    scopes: Mapped[str] = mapped_column(Text, default="")
    hosts: Mapped[str] = mapped_column(Text, default="")  # the mail servers that may see its tokens
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class OauthGrant(Base):
    """The tokens of one mailbox. Not yet a channel's while its form is open."""

    __tablename__ = "oauth_grant"

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("oauth_provider.id"), index=True)
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))  # who signed in
    user: Mapped[str] = mapped_column(String(255))  # the mailbox that it is for
    access_token: Mapped[str] = mapped_column(Secret, default="")
    refresh_token: Mapped[str] = mapped_column(Secret, default="")
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)  # by our own clock, from the moment of receipt
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)  # the access token
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # the provider takes it no longer
    words: Mapped[str] = mapped_column(Text, default="")  # what it said to that

    provider: Mapped[OauthProvider] = relationship()


class OauthSignIn(Base):
    """A sign-in under way, and the form it began in. Its state is good once; only the digest is kept."""

    __tablename__ = "oauth_sign_in"

    id: Mapped[int] = mapped_column(primary_key=True)
    state_digest: Mapped[str | None] = mapped_column(String(64), unique=True)  # None: used
    verifier: Mapped[str] = mapped_column(Secret)
    provider_id: Mapped[int] = mapped_column(ForeignKey("oauth_provider.id"), index=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agent.id"))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channel.id"))
    user: Mapped[str] = mapped_column(String(255))
    # What stood in the form, as JSON and without passwords; empty: the channel is connected anew as it is.
    form: Mapped[str] = mapped_column(Secret, default="")
    grant_id: Mapped[int | None] = mapped_column(ForeignKey("oauth_grant.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    provider: Mapped[OauthProvider] = relationship()
