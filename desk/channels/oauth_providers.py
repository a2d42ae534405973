"""The providers that this install is registered with: whose sign-in opens mailboxes here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import delete, func, select

from desk.refusal import Invalid, Refusal
from mail.providers import oauth
from mail.providers.oauth import Endpoints
from models import Channel, OauthGrant, OauthKind, OauthProvider, OauthSignIn, db

NAMES = {OauthKind.GOOGLE: "Google", OauthKind.MICROSOFT: "Microsoft"}
LONGEST = {"name": 80, "client_id": 255, "tenant": 80, "authorize_url": 500, "token_url": 500,
           "scopes": 1000, "hosts": 1000, "client_secret": 1000}  # fmt: skip
# The secret is good for exactly these: a change of one of these asks for it again, so that nobody can have
# it, or the tokens that it brings, sent to a server of their own.
SECRET_IS_FOR = ("kind", "client_id", "tenant", "token_url", "hosts")


@dataclass(frozen=True, slots=True)
class ProviderValues:
    """What a form says. An empty secret keeps the stored one; `hosts` are separated by blanks or commas."""

    kind: str = OauthKind.GOOGLE
    name: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    tenant: str = ""
    app_only: bool = False
    authorize_url: str = ""
    token_url: str = ""
    scopes: str = ""
    hosts: str = ""


class InvalidProvider(Invalid):
    """`errors` maps a field of ProviderValues to required, too_long, control, choice, url, tenant, hosts or again."""


class ProviderInUse(Refusal):
    """Channels are connected by it."""


def providers() -> list[OauthProvider]:
    return list(
        db.session.scalars(select(OauthProvider).order_by(func.lower(OauthProvider.name), OauthProvider.id))
    )


def by_id(number: int) -> OauthProvider | None:
    return db.session.get(OauthProvider, number)


def by_choice(choice: str) -> OauthProvider | None:
    """The provider that a form's choice of the way in means; None for a password."""
    return by_id(int(choice)) if choice.isascii() and choice.isdigit() and len(choice) < 10 else None


def for_host(host: str) -> OauthProvider | None:
    """The provider whose tokens this mail server takes, as far as one is set up."""
    if not host.strip():
        return None
    return next((one for one in providers() if may_see(one, host)), None)


def wanted_for(host: str) -> str:
    """google or microsoft where a mail server of theirs is named, set up here or not; else an empty string."""
    return oauth.kind_for_host(host)


def endpoints(provider: OauthProvider) -> Endpoints:
    if provider.kind == OauthKind.GOOGLE:
        return oauth.GOOGLE
    if provider.kind == OauthKind.MICROSOFT:
        return oauth.microsoft(provider.tenant)
    hosts = tuple(provider.hosts.split())
    return Endpoints(provider.authorize_url, provider.token_url, provider.scopes, hosts)


def may_see(provider: OauthProvider, host: str) -> bool:
    """Whether a mail server is one of those that this provider's tokens are for."""
    return oauth.may_see(host, endpoints(provider).hosts)


def in_use(provider: OauthProvider) -> int:
    """How many channels are connected by it."""
    query = select(func.count()).select_from(Channel).join(OauthGrant, Channel.grant_id == OauthGrant.id)
    return db.session.scalar(query.where(OauthGrant.provider_id == provider.id)) or 0


def save(values: ProviderValues, provider: OauthProvider | None) -> OauthProvider:
    """Raises InvalidProvider. Commits."""
    columns = _completed(values)
    errors = _errors(columns, provider)
    if errors:
        raise InvalidProvider(errors)
    if not columns["client_secret"] and provider is not None:
        columns["client_secret"] = provider.client_secret
    if provider is None:
        provider = OauthProvider()
        db.session.add(provider)
    for name, value in columns.items():
        setattr(provider, name, value)
    db.session.commit()
    return provider


def remove(provider: OauthProvider) -> None:
    """Raises ProviderInUse. Commits."""
    if in_use(provider):
        raise ProviderInUse
    db.session.execute(delete(OauthSignIn).where(OauthSignIn.provider_id == provider.id))
    db.session.execute(delete(OauthGrant).where(OauthGrant.provider_id == provider.id))
    db.session.delete(provider)
    db.session.commit()


def _completed(values: ProviderValues) -> dict[str, str | bool]:
    """Trimmed; what is fixed for a kind of provider is not kept."""
    text = {name: getattr(values, name).strip() for name in LONGEST}
    text["hosts"] = " ".join(text["hosts"].replace(",", " ").casefold().split())
    text["scopes"] = " ".join(text["scopes"].split())
    if values.kind != OauthKind.OTHER:
        text |= dict.fromkeys(("authorize_url", "token_url", "scopes", "hosts"), "")
        text["name"] = text["name"] or {str(kind): name for kind, name in NAMES.items()}.get(values.kind, "")
    if values.kind != OauthKind.MICROSOFT:
        text["tenant"] = ""
    app_only = values.app_only and values.kind != OauthKind.GOOGLE
    return {"kind": values.kind, "app_only": app_only, **text}


def _errors(columns: Mapping[str, str | bool], provider: OauthProvider | None) -> dict[str, str]:
    if columns["kind"] not in tuple(OauthKind):
        return {"kind": "choice"}
    is_other = columns["kind"] == OauthKind.OTHER
    required = ["name", "client_id"]
    if is_other:
        required += ["token_url", "hosts"] + ([] if columns["app_only"] else ["authorize_url"])
    errors = {name: "required" for name in required if not columns[name]}
    for name in ("authorize_url", "token_url"):
        if columns[name] and not oauth.valid_endpoint(str(columns[name])):
            errors[name] = "url"
    tenant = str(columns["tenant"])
    if tenant and not oauth.valid_tenant(tenant):
        errors["tenant"] = "tenant"
    elif columns["kind"] == OauthKind.MICROSOFT and columns["app_only"] and not tenant:
        errors["tenant"] = "required"
    if any("." not in host.lstrip(".") and host != "localhost" for host in str(columns["hosts"]).split()):
        errors["hosts"] = "hosts"
    for name, longest in LONGEST.items():
        value = str(columns[name])
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            errors[name] = "control"
        elif len(value) > longest:
            errors[name] = "too_long"
    if not columns["client_secret"]:
        if provider is None or not provider.client_secret:
            errors |= {"client_secret": "required"}
        elif any(columns[name] != getattr(provider, name) for name in SECRET_IS_FOR):
            errors |= {"client_secret": "again"}
    return errors
