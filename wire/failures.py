"""What went wrong, as codes: faults of the network and the many words with which servers refuse a sign-in."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable

from mail.providers.oauth import xoauth2
from wire import Credentials, PermanentFailure, TemporaryFailure, TransportFailure
from wire.reply_limits import WORDS
from wire.tls import tls_failure

_LONGEST_WORDS = 500

# Read from the top, the first match wins. The codes in brackets are RFC 5530 (IMAP), 2449 and 3206 (POP3);
# the sentences are those of Google, Microsoft, Yahoo, Apple, GMX and WEB.DE.
_SIGN_IN_REFUSALS = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"\[IN-USE\]|(mailbox|maildrop) (is )?(already )?(locked|in use)", "mailbox_locked"),
        (r"app(lication)?-specific password|app[ -]password|anwendungsspezifisch", "app_password"),
        (r"basic auth\w* is disabled|xoauth2|oauthbearer|oauth required", "oauth_required"),
        (r"(imap|pop3?|smtp\w*)\b.{0,40}(disabled|not enabled|not active|deaktiviert|nicht (frei|aktiv))",
         "protocol_disabled"),
        (r"not enabled for (imap|pop|smtp)", "protocol_disabled"),
        (r"web ?login required|log in via your web browser", "app_password"),
        (r"\[EXPIRED\]|password (has |is )?expired|passwort .{0,20}abgelaufen", "password_expired"),
        (r"\[CONTACTADMIN\]|account .{0,30}(locked|disabled|suspended|blocked)|konto .{0,30}gesperrt",
         "account_locked"),
        (r"\[PRIVACYREQUIRED\]|starttls|(encryption|(encrypted|secure) connection|ssl) (is )?required"
         r"|plaintext auth\w* (is )?(disallowed|disabled|not allowed)", "plaintext_refused"),
        (r"\[LOGIN-DELAY\]", "login_delay"),
        (r"\[(UNAVAILABLE|INUSE|LIMIT|SYS/TEMP)\]|try again later|temporar|too many ",
         "server_busy"),
    )
)  # fmt: skip
_TEMPORARY_CODES = frozenset({"mailbox_locked", "server_busy", "login_delay"})

# Why a folder is not opened, read as above: only NONEXISTENT (RFC 5530) says that it is not there.
_FOLDER_REFUSALS = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"\[NONEXISTENT\]", "folder_missing"),
        (r"\[(UNAVAILABLE|SERVERBUG|INUSE|LIMIT|CORRUPTION)\]|unavailable|\bbusy\b|temporar|try again"
         r"|too many |overload|time[d -]*out|internal (server )?error|system (error|problem)|(is |being )locked"
         r"|in use", "server_busy"),
    )
)  # fmt: skip

# A greeting that turns our machine away, in the words of Postfix, Exim and the providers.
_BLOCKED = re.compile(
    r"block(ed|list)|blacklist|denylist|spamhaus|spamcop|\b(rbl|dnsbl)\b|banned|poor reputation"
    r"|not (allowed|permitted) to connect|access denied",
    re.IGNORECASE,
)
# What the first words of a server say it is; they reach us in the quotes of the libraries.
_GREETINGS = tuple(
    (re.compile(pattern), protocol)
    for pattern, protocol in (
        (r"\* (OK|PREAUTH|BYE)\b|IMAP4", "imap"),
        (r"\+OK\b|-ERR\b", "pop3"),
        (r"(^|[\s'\"])220[ -]|\bE?SMTP\b", "smtp"),
        (r"HTTP/|SSH-", "other"),
    )
)

_SMTP_REPLY = re.compile(r"[2-5]\d\d ")  # without the code in front it was none (RFC 5321 4.2)

# Microsoft says only "LOGIN failed." where it takes nothing but OAuth.
_OAUTH_ONLY_HOSTS = (".office365.com", ".outlook.com", ".hotmail.com")


def network_failure(error: OSError) -> TransportFailure:
    """A fault of an open connection: timeout, connection_lost or one of TLS."""
    if isinstance(error, TimeoutError):
        return TemporaryFailure("timeout")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return tls_failure(error)
    return TemporaryFailure("connection_lost", error.strerror or "")


def sign_in_failure(answer: object, host: str, credentials: Credentials) -> TransportFailure:
    """Why a server refused to sign us in; `answer` are its words. Neither password nor token is repeated."""
    text = words(answer, credentials)
    for pattern, code in _SIGN_IN_REFUSALS:
        if pattern.search(text):
            kind = TemporaryFailure if code in _TEMPORARY_CODES else PermanentFailure
            return kind(code, text)
    if host.rstrip(".").casefold().endswith(_OAUTH_ONLY_HOSTS):
        return PermanentFailure("oauth_required", text)
    return PermanentFailure("auth_failed", text)


def folder_failure(answer: object, exists: Callable[[], bool]) -> TransportFailure:
    """Why a server did not open a folder. `exists` asks it (LIST) where its own words do not say it.

    What is there and not opened is mended by the server or its operator: we try again, and it is told when it lasts.
    """
    text = words(answer)
    code = next((code for pattern, code in _FOLDER_REFUSALS if pattern.search(text)), "")
    if not code:
        code = "folder_refused" if exists() else "folder_missing"
    kind = PermanentFailure if code == "folder_missing" else TemporaryFailure
    return kind(code, text)


def greeting_failure(failure: TransportFailure, protocol: str) -> TransportFailure:
    """Why a server greeted us as it did: another protocol lives on this port, or it turns our machine away."""
    if failure.code not in ("protocol_error", "server_busy", "connection_lost") or failure.words == WORDS:
        return failure
    if _BLOCKED.search(failure.words):
        return PermanentFailure("we_are_blocked", failure.words)
    if protocol == "smtp" and failure.code == "protocol_error" and not _SMTP_REPLY.match(failure.words):
        return PermanentFailure("wrong_protocol", failure.words)
    spoken = next((name for pattern, name in _GREETINGS if pattern.search(failure.words)), protocol)
    return failure if spoken == protocol else PermanentFailure("wrong_protocol", failure.words)


def words(answer: object, credentials: Credentials | None = None) -> str:
    """The server's own words, printable and cut to 500 characters, without the secret if it was echoed."""
    if isinstance(answer, BaseException):
        answer = answer.args[0] if answer.args else ""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for secret in _spellings(credentials) if credentials else ():
        text = text.replace(secret, "***")
    return text[:_LONGEST_WORDS]


def refuse_control_characters(value: str, code: str) -> None:
    """A line break in a user name, a password or a folder would be a second command to the server."""
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise PermanentFailure(code, "control character")


def _spellings(credentials: Credentials) -> list[str]:
    if not credentials.password:
        return []
    plain = f"\0{credentials.user}\0{credentials.password}"
    bearer = xoauth2(credentials.user, credentials.password)
    encoded = (base64.b64encode(text.encode()).decode() for text in (bearer, plain, credentials.password))
    return [*encoded, credentials.password]
