"""Signing in by an access token (XOAUTH2), the same for IMAP, POP3 and SMTP: only the words on the wire differ."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from mail.providers.oauth import xoauth2
from wire import Credentials, PermanentFailure, ServerAddress
from wire.failures import sign_in_failure

# The token that is there, and a fresh one: it may have expired by the server's clock, or been withdrawn.
_TRIES = 2
# Whatever else a server says (busy, locked, switched off) a fresh token would hear as well.
_OF_THE_TOKEN = ("auth_failed", "oauth_required", "app_password", "password_expired")


def sign_in_by_token(
    connection: socket.socket | None,
    is_offered: bool,
    server: ServerAddress,
    credentials: Credentials,
    attempt: Callable[[str], str | None],
) -> None:
    """`attempt` sends the answer of the mechanism and says None, or the server's words when it refused.

    A token is never shown on a connection that others can read, whatever an administrator allowed (RFC 6750, 5.2).
    Raises PermanentFailure oauth_plaintext, oauth_not_offered, oauth_token_refused, and what the source of
    tokens and `sign_in_failure` say.
    """
    assert credentials.token is not None
    if not isinstance(connection, ssl.SSLSocket):
        raise PermanentFailure("oauth_plaintext")
    if not is_offered:
        raise PermanentFailure("oauth_not_offered")
    refused = ""
    for _ in range(_TRIES):
        token = credentials.token(refused)
        said = attempt(xoauth2(credentials.user, token))
        if said is None:
            return
        failure = sign_in_failure(said, server.host, Credentials(credentials.user, token))
        if failure.code not in _OF_THE_TOKEN:
            raise failure
        refused = token
    raise PermanentFailure("oauth_token_refused", failure.words)
