"""Settings, read once from the environment. Nobody else reads os.environ."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from click import ClickException

LOCALES = ("de", "en")
ROOT = Path(__file__).resolve().parent


class SettingsError(ClickException):
    """A setting cannot be used. The text is one sentence for the person who set it.

    A ClickException, since `flask` builds the app before it knows the command, and would else print a traceback.
    Its exit code is EX_TEMPFAIL: a mail server that pipes mail to us then keeps the mail and tries again.
    """

    exit_code = 75


@dataclass(frozen=True, slots=True)
class Relay:
    """The install's own way out, for »Standard« channels. `encryption`: none, starttls, ssl."""

    host: str
    port: int
    encryption: str
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Relay({self.host}:{self.port}, {self.encryption}, user={self.user!r})"


@dataclass(frozen=True, slots=True)
class Place:
    """Where LMTP listens: a unix socket at `path`, or a TCP port."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        return str(self.path or f"{self.host}:{self.port}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment decides. Values that are None or empty are left to the set-up form."""

    data: Path
    database_url: str = field(repr=False)  # it may hold a password
    host: str = "127.0.0.1"
    port: int = 8080
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 2525
    smtp_certificate: Path | None = None
    smtp_key: Path | None = None
    lmtp: Place | None = None
    base_url: str = ""
    mail_domain: str = ""
    fetch_seconds: int = 60
    notice_seconds: int = 90  # an agent's mail waits so long for what else happens
    send_per_hour: int = 1000  # by one channel; then a brake holds the rest. 0: no brake
    allow_private_hosts: bool = False
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    secret_key: str = field(default="", repr=False)
    assets: str = "auto"
    timezone: str = ""
    trusted_proxies: int = 0
    security_contact: str = ""  # an address (URI) for those who found a weakness (RFC 9116)
    max_mail_bytes: int = 50 * 1024 * 1024
    relay: Relay | None = None
    threads: int = 12
    testing: bool = False
    # Injected faults for crash tests: the name of a point in the code at which the process kills itself.
    fail_point: str = ""
    # How long a statement waits for SQLite's write lock.
    busy_seconds: int = 15

    @property
    def blobs(self) -> Path:
        return self.data / "blobs"

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def public_url(self) -> str:
        """Where a browser finds us, without a trailing slash; used for links in mails."""
        return self.base_url or f"http://{self.host if self.host != '0.0.0.0' else '127.0.0.1'}:{self.port}"


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings. Raises SettingsError with a sentence that names the variable."""
    env = dict(os.environ if environ is None else environ)
    data = Path(_text(env, "POSTSTELLE_DATA") or ROOT / "data").expanduser().resolve()
    timezone = _text(env, "POSTSTELLE_TIMEZONE")
    if timezone:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SettingsError(
                f"POSTSTELLE_TIMEZONE is “{timezone}”, which is no known time zone."
            ) from error
    return Settings(
        data=data,
        database_url=_database_url(_text(env, "DATABASE_URL"), data),
        host=_text(env, "POSTSTELLE_HOST") or "127.0.0.1",
        port=_number(env, "POSTSTELLE_PORT", 8080, 0, 65535),
        smtp_host=_text(env, "POSTSTELLE_SMTP_HOST") or "127.0.0.1",
        smtp_port=_number(env, "POSTSTELLE_SMTP_PORT", 2525, 0, 65535),
        smtp_certificate=_path(env, "POSTSTELLE_SMTP_CERTIFICATE"),
        smtp_key=_path(env, "POSTSTELLE_SMTP_KEY"),
        lmtp=_place(env, "POSTSTELLE_LMTP"),
        base_url=_base_url(_text(env, "POSTSTELLE_BASE_URL")),
        mail_domain=_text(env, "POSTSTELLE_MAIL_DOMAIN").lower(),
        fetch_seconds=_number(env, "POSTSTELLE_FETCH_SECONDS", 60, 1, 86_400),
        notice_seconds=_number(env, "POSTSTELLE_NOTICE_SECONDS", 90, 0, 3600),
        send_per_hour=_number(env, "POSTSTELLE_SEND_PER_HOUR", 1000, 0, 1_000_000),
        allow_private_hosts=_flag(env, "POSTSTELLE_ALLOW_PRIVATE_HOSTS"),
        encryption_keys=tuple(key for key in _text(env, "POSTSTELLE_ENCRYPTION_KEY").split(",") if key),
        secret_key=_text(env, "SECRET_KEY"),
        assets=_choice(env, "POSTSTELLE_ASSETS", "auto", ("auto", "cdn", "local")),
        timezone=timezone,
        trusted_proxies=_number(env, "POSTSTELLE_TRUSTED_PROXIES", 0, 0, 10),
        security_contact=_contact(_text(env, "POSTSTELLE_SECURITY_CONTACT")),
        max_mail_bytes=_number(env, "POSTSTELLE_MAX_MAIL_MB", 50, 1, 1000) * 1024 * 1024,
        relay=_relay(env),
        fail_point=_text(env, "POSTSTELLE_FAIL_POINT"),
        busy_seconds=_number(env, "POSTSTELLE_BUSY_SECONDS", 15, 1, 3600),
    )


def _text(env: Mapping[str, str], name: str) -> str:
    """The variable, or the content of the file that NAME_FILE points to (container secrets)."""
    path = env.get(f"{name}_FILE", "")
    if path and not env.get(name):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE points to {path}, which cannot be read: {error}.") from error
    return env.get(name, "").strip()


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = _text(env, name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise SettingsError(f"{name} is “{text}”; it must be a whole number from {low} to {high}.")
    return int(text)


def _flag(env: Mapping[str, str], name: str) -> bool:
    return _choice(env, name, "0", ("0", "1", "true", "false", "yes", "no", "on", "off")) in (
        "1",
        "true",
        "yes",
        "on",
    )


def _choice(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = _text(env, name).lower() or default
    if text not in choices:
        raise SettingsError(f"{name} is “{text}”; it must be one of: {', '.join(choices)}.")
    return text


def _path(env: Mapping[str, str], name: str) -> Path | None:
    text = _text(env, name)
    return Path(text).expanduser().resolve() if text else None


def _place(env: Mapping[str, str], name: str) -> Place | None:
    """`/run/lmtp.sock`, `2424` or `10.0.0.2:2424`."""
    text = _text(env, name)
    if not text:
        return None
    if text.startswith("/"):
        return Place(path=Path(text))
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise SettingsError(f"{name} is “{text}”; it must be the path of a socket, a port, or host:port.")
    return Place(host=host.strip("[]") or "127.0.0.1", port=int(port))


def _base_url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise SettingsError(f"POSTSTELLE_BASE_URL is “{text}”; it must begin with http:// or https://.")
    return text.rstrip("/")


def _contact(text: str) -> str:
    if not text or (text.startswith(("mailto:", "https://", "tel:")) and text.isprintable()):
        return text
    if "@" in text and text.isprintable() and ":" not in text and " " not in text:
        return f"mailto:{text}"
    raise SettingsError(
        f"POSTSTELLE_SECURITY_CONTACT is “{text}”; it must be an e-mail address, "
        "or begin with https://, mailto: or tel:."
    )


def _database_url(url: str, data: Path) -> str:
    if not url:
        return f"sqlite:///{data / 'poststelle.db'}"
    for old in ("postgres://", "postgresql://"):
        if url.startswith(old):
            return "postgresql+psycopg://" + url.removeprefix(old)
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise SettingsError("DATABASE_URL must begin with sqlite:/// or postgresql://.")
    return url


def _relay(env: Mapping[str, str]) -> Relay | None:
    host = _text(env, "MAIL_SERVER")
    if not host:
        return None
    use_ssl, use_tls = _flag(env, "MAIL_USE_SSL"), _flag(env, "MAIL_USE_TLS")
    if use_ssl and use_tls:
        raise SettingsError("MAIL_USE_SSL and MAIL_USE_TLS exclude each other; set only one of them.")
    encryption = "ssl" if use_ssl else "starttls" if use_tls else "none"
    default_port = {"ssl": 465, "starttls": 587, "none": 25}[encryption]
    return Relay(
        host=host,
        port=_number(env, "MAIL_PORT", default_port, 1, 65535),
        encryption=encryption,
        user=_text(env, "MAIL_USERNAME"),
        password=_text(env, "MAIL_PASSWORD"),
    )
