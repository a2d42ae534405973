"""What a channel's form and command say, and the rules that it must keep before it is stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from sqlalchemy import select

from desk.agents import groups
from desk.channels import addresses, oauth, oauth_providers
from desk.channels.addresses import address_key as address_key
from desk.channels.oauth import PASSWORD
from desk.refusal import Invalid
from desk.texts import mail_designs, requester_languages
from mail.providers.presets import MailServers
from mail.reading.addresses import valid_address
from models import AfterFetch, Channel, Existing, OauthGrant, Protocol, Provider, db

SMTP_ENCRYPTIONS = ("starttls", "ssl", "none")
SMTP_AUTHS = ("auto", "plain", "login", "cram-md5", "xoauth2", "none")
BY_TOKEN = ("auto", "xoauth2")  # where the mailbox itself is opened by tokens
PORTS = {("imap", True): 993, ("imap", False): 143, ("pop3", True): 995, ("pop3", False): 110}
SMTP_PORTS = {"none": 25, "starttls": 587, "ssl": 465}

LONGEST = {"key": 80, "address": 254, "sender_name": 200, "server": 255, "user": 255, "move_to": 255,
           "smtp_server": 255, "smtp_user": 255, "password": 1000, "smtp_password": 1000,
           "authserv_id": 255, "forwarded_from": 254}  # fmt: skip
# A stored password is good for exactly this sign-in; a change of one of these asks for it again, so that
# nobody can have it sent to a server of their own. The outgoing password may be the incoming one.
AGAIN = "password_again"
INCOMING_LOGIN = ("protocol", "server", "port", "ssl", "user")
OUTGOING_LOGIN = ("smtp_server", "smtp_port", "smtp_encryption", "smtp_user")


@dataclass(frozen=True, slots=True)
class ChannelValues:
    """All that a person may say of a channel.

    A »Standard« address may be given as its local part. `aliases` has one in a line. Ports that are
    None, and an empty user, follow from the rest. An empty password keeps the stored one; an empty outgoing
    user or password is the incoming one. `oauth` is "password", or the number of the provider whose tokens
    open the mailbox; then `grant_id` names a sign-in there, or is None for the one that is stored.
    """

    key: str
    address: str
    provider: str = Provider.STANDARD
    active: bool = True
    sender_name: str = ""
    design_id: int | None = None
    locale: str = ""
    group_id: int | None = None
    forwarded_from: str = ""
    aliases: str = ""
    protocol: str = Protocol.IMAP
    server: str = ""
    port: int | None = None
    ssl: bool = True
    user: str = ""
    oauth: str = PASSWORD
    grant_id: int | None = None
    password: str = field(default="", repr=False)
    after_fetch: str = AfterFetch.DELETE
    move_to: str = ""
    existing: str = Existing.TAKE
    only_unseen: bool = False
    authserv_id: str = ""
    allow_plaintext: bool = False
    smtp_server: str = ""
    smtp_port: int | None = None
    smtp_encryption: str = "starttls"
    smtp_auth: str = "auto"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    keep_sent: bool = False
    requester_from_reply_to: bool = False

    @property
    def is_own(self) -> bool:
        return self.provider == Provider.OWN


class InvalidChannel(Invalid):
    """`errors` maps a field of ChannelValues to a code.

    Codes: required, taken, agent, syntax, too_long, domain, control, range, choice, plaintext, pop3_move,
    password_again, connect, oauth_host, oauth_first; of aliases too_many, plus and same as well, each with
    ": " and the address that it speaks of.
    """


def port_for(protocol: str, ssl: bool) -> int:
    """The usual port of an incoming server (S39)."""
    return PORTS[protocol, ssl]


def smtp_port_for(encryption: str) -> int:
    """The usual port of an outgoing server (S45)."""
    return SMTP_PORTS[encryption]


def values_of(channel: Channel) -> ChannelValues:
    """What is stored, as the form shows it: without the passwords."""
    names = ChannelValues.__dataclass_fields__.keys() - {"password", "smtp_password"}
    return ChannelValues(**{name: getattr(channel, name) for name in names})


def completed(values: ChannelValues) -> ChannelValues:
    """Trimmed, and with what follows from the rest filled in. Knows nothing of right and wrong."""
    text = {name: getattr(values, name).strip() for name in LONGEST if not name.endswith("password")}
    address = addresses.completed(text["address"], values.provider)
    aliases = addresses.completed_aliases(values.aliases, values.provider)
    if values.provider == Provider.STANDARD:
        # What belongs to a mailbox elsewhere is not kept for an address of our own.
        return ChannelValues(
            text["key"],
            address,
            active=values.active,
            sender_name=text["sender_name"],
            design_id=values.design_id,
            locale=values.locale,
            group_id=values.group_id,
            forwarded_from=text["forwarded_from"],
            requester_from_reply_to=values.requester_from_reply_to,
            aliases=aliases,
        )
    port, smtp_port = values.port, values.smtp_port
    if port is None and values.protocol in tuple(Protocol):
        port = port_for(values.protocol, values.ssl)
    if smtp_port is None and values.smtp_encryption in SMTP_PORTS:
        smtp_port = smtp_port_for(values.smtp_encryption)
    user = text["user"] or address
    same_user = text["smtp_user"] == user
    text |= {"user": user, "smtp_user": "" if same_user else text["smtp_user"]}
    return replace(
        values, **text | {"forwarded_from": "", "aliases": aliases}, port=port, smtp_port=smtp_port
    )


def with_servers(values: ChannelValues, servers: MailServers) -> ChannelValues:
    """The values with what was found of their servers. POP3 stays chosen where it is offered."""
    use_pop3 = servers.pop3 and (values.protocol == Protocol.POP3 or not servers.imap)
    incoming, outgoing = servers.pop3 if use_pop3 else servers.imap, servers.smtp
    address = values.address.strip()
    user = address.rpartition("@")[0] if servers.user == "local" else address
    values = replace(values, provider=Provider.OWN, address=address, user=user, smtp_user="")
    if incoming:
        values = replace(
            values,
            protocol=Protocol.POP3 if use_pop3 else Protocol.IMAP,
            server=incoming.host,
            port=incoming.port,
            ssl=incoming.encryption == "ssl",
        )
    if outgoing:
        values = replace(
            values,
            smtp_server=outgoing.host,
            smtp_port=outgoing.port,
            smtp_encryption=outgoing.encryption,
        )
    return values


def check(values: ChannelValues, channel: Channel | None) -> None:
    """Hold completed values against every rule. `channel` is the stored one when it is edited.

    Raises InvalidChannel with all that is wrong at once.
    """
    if errors := _errors(values, channel):
        raise InvalidChannel(errors)


def refused(values: ChannelValues, channel: Channel | None) -> dict[str, str]:
    """What is wrong with completed values, beyond what nobody has filled in yet. Field to code."""
    errors = _errors(values, channel)
    return {name: code for name, code in errors.items() if code not in ("required", AGAIN)}


def _errors(values: ChannelValues, channel: Channel | None) -> dict[str, str]:
    errors: dict[str, str] = {}
    for problem in (
        _key,
        _address,
        _aliases,
        _language,
        _design,
        _group,
        _forward,
        _incoming,
        _outgoing,
        _passwords,
    ):
        for name, code in problem(values, channel).items():
            errors.setdefault(name, code)
    for name, longest in LONGEST.items():
        text = getattr(values, name)
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            errors[name] = "control"
        elif len(text) > longest:
            errors[name] = "too_long"
    return errors


def keeps_login(values: ChannelValues, channel: Channel, login: tuple[str, ...]) -> bool:
    """Whether a stored password still goes where it went, no less protected than before."""
    opened = values.allow_plaintext and not channel.allow_plaintext
    return not opened and all(getattr(values, name) == getattr(channel, name) for name in login)


def incoming_password(values: ChannelValues, channel: Channel | None) -> str:
    """The typed password, else the stored one if it may still be used, else an empty string."""
    if values.password or channel is None or not keeps_login(values, channel, INCOMING_LOGIN):
        return values.password
    return channel.password


def outgoing_password(values: ChannelValues, channel: Channel | None) -> str:
    """As `incoming_password`; where none of its own was ever given it is the incoming one."""
    if values.smtp_password or channel is None:
        return values.smtp_password or values.password
    kept = keeps_login(values, channel, OUTGOING_LOGIN)
    if channel.smtp_password:
        return channel.smtp_password if kept else ""
    return incoming_password(values, channel) if kept else values.password


def grant_of(values: ChannelValues, channel: Channel | None) -> OauthGrant | None:
    """What opens the mailbox instead of a password, if somebody has signed in for it."""
    if values.oauth == PASSWORD:
        return None
    return oauth.grant_of(values.oauth, values.grant_id, values.user, channel)


def sends_by_token(values: ChannelValues) -> bool:
    """Whether the outgoing server gets a token as well."""
    return values.oauth != PASSWORD and values.smtp_auth in BY_TOKEN


def _key(values: ChannelValues, channel: Channel | None) -> dict[str, str]:
    if not values.key:
        return {"key": "required"}
    taken = _other(Channel.key_fold == values.key.casefold(), channel)
    return {"key": "taken"} if taken else {}


def _address(values: ChannelValues, channel: Channel | None) -> dict[str, str]:
    if values.provider not in tuple(Provider):
        return {"provider": "choice"}
    if not values.address:
        return {"address": "required"}
    key = address_key(values.address)
    if channel is not None and channel.address_key == key and channel.provider == values.provider:
        return {}
    if code := addresses.problem(values.address, values.provider):
        return {"address": code}
    if addresses.of_agents([key]):
        return {"address": "agent"}
    return {"address": "taken"} if addresses.taken([key], channel) else {}


def _aliases(values: ChannelValues, channel: Channel | None) -> dict[str, str]:
    code = addresses.problem_of_aliases(values.aliases, values.provider, values.address)
    keys = [address_key(alias) for alias in values.aliases.splitlines()]
    if not code and (of_agent := addresses.of_agents(keys)):
        code = f"agent: {of_agent}"
    if not code and (taken := addresses.taken(keys, channel)):
        code = f"taken: {taken}"
    return {"aliases": code} if code else {}


def _language(values: ChannelValues, _channel: Channel | None) -> dict[str, str]:
    return {} if values.locale in ("", *requester_languages.offered()) else {"locale": "choice"}


def _design(values: ChannelValues, _channel: Channel | None) -> dict[str, str]:
    return (
        {} if values.design_id is None or mail_designs.exists(values.design_id) else {"design_id": "choice"}
    )


def _group(values: ChannelValues, _channel: Channel | None) -> dict[str, str]:
    return {} if values.group_id is None or groups.exists(values.group_id) else {"group_id": "choice"}


def _forward(values: ChannelValues, _channel: Channel | None) -> dict[str, str]:
    """The address elsewhere that is forwarded here: a real one, and none of ours, which would go in circles."""
    if not values.forwarded_from:
        return {}
    if not valid_address(values.forwarded_from):
        return {"forwarded_from": "syntax"}
    key = address_key(values.forwarded_from)
    typed = (values.address, *values.aliases.splitlines())
    ours = key in map(address_key, typed) or addresses.taken([key])
    return {"forwarded_from": "ours"} if ours else {}


def _incoming(values: ChannelValues, _channel: Channel | None) -> dict[str, str]:
    if not values.is_own:
        return {}
    errors = _server(values.server, values.port, "server", "port")
    choices = (("protocol", Protocol), ("after_fetch", AfterFetch), ("existing", Existing))
    errors |= {name: "choice" for name, codes in choices if getattr(values, name) not in tuple(codes)}
    if values.after_fetch == AfterFetch.MOVE:
        if values.protocol == Protocol.POP3:
            errors["after_fetch"] = "pop3_move"
        elif not values.move_to:
            errors["move_to"] = "required"
    return errors


def _outgoing(values: ChannelValues, _channel: Channel | None) -> dict[str, str]:
    if not values.is_own:
        return {}
    errors = _server(values.smtp_server, values.smtp_port, "smtp_server", "smtp_port")
    if values.smtp_auth not in SMTP_AUTHS:
        errors["smtp_auth"] = "choice"
    if values.smtp_encryption not in SMTP_ENCRYPTIONS:
        errors["smtp_encryption"] = "choice"
    elif values.smtp_encryption == "none" and not values.allow_plaintext:
        errors["smtp_encryption"] = "plaintext"
    return errors


def _passwords(values: ChannelValues, channel: Channel | None) -> dict[str, str]:
    if not values.is_own:
        return {}
    if values.oauth != PASSWORD:
        return _tokens(values, channel)
    if values.smtp_auth == "xoauth2":
        return {"smtp_auth": "oauth_first"}
    errors = {}
    if not incoming_password(values, channel):
        errors["password"] = AGAIN if channel and channel.password else "required"
    # An outgoing one that is the incoming one is asked for there.
    asked = errors and not (channel and channel.smtp_password)
    if values.smtp_auth != "none" and not outgoing_password(values, channel) and not asked:
        errors["smtp_password"] = AGAIN
    return errors


def _tokens(values: ChannelValues, channel: Channel | None) -> dict[str, str]:
    """Tokens go to the provider's own mail servers, as a password goes to the server it was given for."""
    provider = oauth_providers.by_choice(values.oauth)
    if provider is None:
        return {"oauth": "choice"}
    by_token = {"server": values.server}
    if sends_by_token(values):
        by_token["smtp_server"] = values.smtp_server
    errors = {
        name: "oauth_host"
        for name, host in by_token.items()
        if host and not oauth_providers.may_see(provider, host)
    }
    if not errors and grant_of(values, channel) is None:
        errors["oauth"] = "connect"
    by_password = not sends_by_token(values) and values.smtp_auth != "none"
    if by_password and not outgoing_password(values, channel):
        errors["smtp_password"] = AGAIN if channel and channel.smtp_password else "required"
    return errors


def _server(host: str, port: int | None, host_name: str, port_name: str) -> dict[str, str]:
    errors = {}
    if not host:
        errors[host_name] = "required"
    elif re.search(r"[\s/@]", host):
        errors[host_name] = "syntax"
    if port is None or not 1 <= port <= 65535:
        errors[port_name] = "range"
    return errors


def _other(condition: object, channel: Channel | None) -> bool:
    found = db.session.scalar(select(Channel.id).where(condition))  # type: ignore[arg-type]
    return found is not None and (channel is None or found != channel.id)
