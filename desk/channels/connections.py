"""How the mailbox of a channel and its way out are opened: servers, credentials, time limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from config import Relay
from desk.channels import health, oauth
from desk.channels.channel_values import BY_TOKEN, ChannelValues
from desk.channels.oauth import PASSWORD
from desk.office import Office, office, relay, the_account
from models import Channel, OauthGrant, Protocol, now
from wire import Credentials, Encryption, PermanentFailure, Sender, ServerAddress, Source, Timeouts
from wire.idle_watch import IdleWatch
from wire.imap import ImapSource
from wire.pop3 import Pop3Source
from wire.smtp import SmtpSender

# Seconds: to connect, for one command, and for all that is fetched over one connection.
FETCH_TIMEOUTS = Timeouts(connect=10, command=60, session=1800)
SEND_TIMEOUTS = Timeouts(connect=10, command=60)


def open_source(channel: Channel) -> Source:
    """The mailbox of an own channel, not yet connected. Raises PermanentFailure without a password."""
    if not channel.has_way_in:
        raise PermanentFailure("password_missing")
    kind = {Protocol.IMAP: ImapSource, Protocol.POP3: Pop3Source}[Protocol(channel.protocol)]
    credentials = incoming_credentials(channel, channel.password, channel.grant)
    source: Source = kind(incoming_server(channel), credentials, office().settings.max_mail_bytes)
    return source


def idle_watch(calls: Callable[[int], None]) -> IdleWatch:
    """Where mailboxes rest between two fetches; it calls for the fetch of one that stirs."""
    return IdleWatch(calls)


def hang_up(office: Office, editions: Mapping[int, int]) -> None:
    """End what waits for a server for channels that are not there any more as they were: edited, paused, deleted."""
    if office.idle is not None:
        office.idle.keep_only(editions)
    for channel_id, (edition, source) in list(office.conversations.items()):
        if editions.get(channel_id) != edition:
            source.cut()


def note_idle(channel_id: int, rested_since: datetime | None, arrived_at: datetime | None) -> None:
    """Whether IDLE told in time of a mail that came while the mailbox rested: some servers look once a minute."""
    if rested_since is None or arrived_at is None:
        return
    if rested_since < arrived_at < now() - health.HEARD_LATE:
        office().heard_late.add(channel_id)


def open_sender(channel: Channel | None) -> Sender | None:
    """The way out of a channel's mail, not yet connected; None where there is no relay.

    An own channel uses its own outgoing server, all others the relay of the install.
    """
    if channel is None or not channel.is_own:
        way = relay_server()
    else:
        password = channel.smtp_password or channel.password
        by_token = channel.grant_id is not None and channel.smtp_auth in BY_TOKEN
        if channel.smtp_auth != "none" and not password and not by_token:
            raise PermanentFailure("password_missing")
        way = outgoing_server(channel), outgoing_credentials(channel, password, channel.grant)
    return None if way is None else SmtpSender(*way, the_account().mail_domain)


def has_way_out(channel: Channel | None) -> bool:
    """Whether mail of the channel can leave, as far as settings go (see `open_sender`)."""
    return (channel is not None and channel.is_own) or relay_server() is not None


def incoming_server(own: Channel | ChannelValues) -> ServerAddress:
    return ServerAddress(
        own.server,
        own.port or 0,
        Encryption.SSL if own.ssl else Encryption.STARTTLS,
        allow_plaintext=own.allow_plaintext,
        allow_private=office().settings.allow_private_hosts,
        timeouts=FETCH_TIMEOUTS,
    )


def outgoing_server(own: Channel | ChannelValues) -> ServerAddress:
    return ServerAddress(
        own.smtp_server,
        own.smtp_port or 0,
        own.smtp_encryption,
        allow_plaintext=own.allow_plaintext,
        allow_private=office().settings.allow_private_hosts,
        timeouts=SEND_TIMEOUTS,
    )


def incoming_credentials(
    own: Channel | ChannelValues, password: str, grant: OauthGrant | None
) -> Credentials:
    if own.oauth == PASSWORD:
        return Credentials(own.user, password)
    return oauth.credentials(own.user, grant, own.server)


def outgoing_credentials(
    own: Channel | ChannelValues, password: str, grant: OauthGrant | None
) -> Credentials:
    if own.smtp_auth == "none":
        return Credentials(method="none")
    if own.oauth != PASSWORD and own.smtp_auth in BY_TOKEN:
        return oauth.credentials(own.smtp_user or own.user, grant, own.smtp_server)
    return Credentials(own.smtp_user or own.user, password, own.smtp_auth)


def relay_server(entered: Relay | None = None) -> tuple[ServerAddress, Credentials] | None:
    """The relay was set by the operator: it may be on this machine and, there, without encryption.

    `entered`: one that is not stored yet.
    """
    way = entered or relay()
    if way is None:
        return None
    server = ServerAddress(
        way.host,
        way.port,
        way.encryption,
        allow_plaintext=way.encryption == "none",
        allow_private=True,
        timeouts=SEND_TIMEOUTS,
    )
    return server, Credentials(way.user, way.password, "auto" if way.user else "none")
