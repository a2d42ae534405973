"""OAuth 2 as values: where a provider is asked, what it is asked for, how its answer reads, how a token signs in.

RFC 6749 with PKCE (RFC 7636); XOAUTH2 is Google's and Microsoft's SASL mechanism. Nothing here knows a network.
A library would save half of this file and bring an HTTP client past our checks of addresses (decision 018).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from mail.providers import presets

# What a provider does not say of a token's life, and the most that is believed (seconds).
USUAL_LIFE, LONGEST_LIFE = 3600, 30 * 24 * 3600
_LONGEST_TOKEN = 16 * 1024  # characters; Microsoft's have some 2,500
_LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is asked and for what. `hosts` are the mail servers that may see its tokens:
    names, and endings that begin with a dot. `extra` parameters go along to the sign-in."""

    authorize_url: str
    token_url: str
    scopes: str
    hosts: tuple[str, ...]
    app_scopes: str = ""
    extra: tuple[tuple[str, str], ...] = ()


_OUTLOOK = "https://outlook.office.com/"
GOOGLE = Endpoints(
    "https://accounts.google.com/o/oauth2/v2/auth",
    "https://oauth2.googleapis.com/token",
    "https://mail.google.com/",
    (".gmail.com", ".googlemail.com"),
    # Without these Google hands out a refresh token at the very first sign-in only.
    extra=(("access_type", "offline"), ("prompt", "consent")),
)
_MICROSOFT_SCOPES = ("IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send")
_MICROSOFT_HOSTS = (".office365.com", ".outlook.com", ".office.com", ".hotmail.com")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,79}")

# The names of mail/providers/presets.py whose servers take tokens of a kind of provider.
_KINDS = {"Gmail / Google Workspace": "google", "Microsoft 365": "microsoft", "Outlook.com": "microsoft"}


def microsoft(tenant: str) -> Endpoints:
    """Of one organisation; `common` for any."""
    base = f"https://login.microsoftonline.com/{quote(tenant or 'common', safe='')}/oauth2/v2.0"
    scopes = [f"{_OUTLOOK}{name}" for name in _MICROSOFT_SCOPES]
    return Endpoints(
        f"{base}/authorize",
        f"{base}/token",
        " ".join([*scopes, "offline_access"]),
        _MICROSOFT_HOSTS,
        app_scopes="https://outlook.office365.com/.default",
    )


def valid_tenant(text: str) -> bool:
    """A directory's number or domain."""
    return _TENANT.fullmatch(text) is not None


def valid_endpoint(url: str) -> bool:
    """An https address without user and fragment (RFC 6749, 3.1 and 3.2)."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    clean = not any(character.isspace() or not character.isprintable() for character in url)
    return (
        clean
        and parts.scheme == "https"
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and "#" not in url
    )


def kind_for_host(host: str) -> str:
    """google or microsoft, if this is one of their mail servers; else an empty string."""
    servers = presets.for_host(host)
    return _KINDS.get(servers.name, "") if servers else ""


def may_see(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether a mail server is one of those that a provider's tokens are for."""
    name = host.strip().rstrip(".").casefold()
    return any(name.endswith(one) if one.startswith(".") else name == one for one in hosts)


# --- the sign-in ---


def new_verifier(random: Callable[[int], bytes]) -> str:
    """256 bit in base64url, as a state and as a code verifier."""
    return base64.urlsafe_b64encode(random(32)).decode().rstrip("=")


def challenge(verifier: str) -> str:
    """S256 of RFC 7636."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def sign_in_url(
    where: Endpoints, client_id: str, redirect_uri: str, state: str, verifier: str, user: str
) -> str:
    """Where the browser is sent; `user` is the mailbox that the provider should suggest."""
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": where.scopes,
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
        "login_hint": user,
        **dict(where.extra),
    }
    joint = "&" if urlsplit(where.authorize_url).query else "?"
    return where.authorize_url + joint + urlencode(asked)


def code_form(code: str, verifier: str, redirect_uri: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }


def refresh_form(refresh_token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


def app_form(where: Endpoints) -> dict[str, str]:
    return {"grant_type": "client_credentials", "scope": where.app_scopes or where.scopes}


# --- the answer ---


@dataclass(frozen=True, slots=True)
class Tokens:
    """`life` in seconds from the moment of receipt: clocks need not agree. An empty `refresh` keeps the old one."""

    access: str
    life: int
    refresh: str = ""

    def __repr__(self) -> str:
        return f"Tokens(life={self.life})"


@dataclass(frozen=True, slots=True)
class TokenRefusal:
    """`code` of RFC 6749, 5.2 (`invalid_grant`, …), or http_status, not_readable; `words` of the provider."""

    code: str
    words: str = ""


def read_answer(status: int, body: bytes) -> Tokens | TokenRefusal:
    """What a token endpoint said."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return TokenRefusal("not_readable" if status == 200 else "http_status", str(status))
    if "error" in said or status != 200:
        text = said.get("error_description") or said.get("error") or status
        return TokenRefusal(str(said.get("error") or "http_status")[:40], _printable(text))
    access, refresh = _token(said.get("access_token")), _token(said.get("refresh_token"))
    if not access:
        return TokenRefusal("not_readable", "access_token")
    if str(said.get("token_type", "bearer")).casefold() != "bearer":
        return TokenRefusal("not_readable", "token_type")
    return Tokens(access, _life(said.get("expires_in")), refresh)


def _token(value: object) -> str:
    """Nothing that could end a line or a field of XOAUTH2; empty where it is none."""
    if not isinstance(value, str) or len(value) > _LONGEST_TOKEN:
        return ""
    return value if all(32 < ord(character) < 127 for character in value) else ""


def _life(value: object) -> int:
    try:
        seconds = int(str(value))
    except ValueError:
        return USUAL_LIFE
    return min(max(seconds, 0), LONGEST_LIFE)


def _printable(value: object) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text[:_LONGEST_WORDS]


# --- the mailbox ---


def xoauth2(user: str, token: str) -> str:
    """The first and only answer of the mechanism; a server's error is answered by an empty line."""
    return f"user={user}\1auth=Bearer {token}\1\1"
