"""A copy of what was sent, put into the mailbox's own folder for it, as mail programs do (IMAP APPEND)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from wire import Credentials, Encryption, PermanentFailure, ServerAddress, TemporaryFailure, imap_wire, tls
from wire.address import connect
from wire.failures import words

# Where no folder is marked as \Sent (RFC 6154): names that servers and programs use.
_NAMES = ("Sent", "INBOX.Sent", "Sent Items", "Sent Messages", "Gesendet", "Gesendete Objekte")


class SentFolder:
    """The folder of one mailbox; a context manager like the sources. Entering raises TransportFailure."""

    def __init__(self, server: ServerAddress, credentials: Credentials) -> None:
        self._server, self._credentials = server, credentials
        self._open: IMAPClient | None = None

    def __enter__(self) -> Self:
        connection = connect(self._server)
        if self._server.encryption == Encryption.SSL:
            connection = tls.wrap(connection, self._server)
        client = imap_wire.greet(self._server, connection)
        try:
            if self._server.encryption != Encryption.SSL:
                imap_wire.encrypt(client, self._server)
            imap_wire.sign_in(client, self._server, self._credentials)
            with _answers():
                self._name = _folder(client)
                client.select_folder(self._name, readonly=True)
        except BaseException:
            imap_wire.hang_up(client, politely=False)
            raise
        self._open = client
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._open = self._client, None
        imap_wire.hang_up(client, politely=kind is None)

    def keep(self, raw: bytes, message_id: str, sent_at: datetime) -> None:
        """Put a copy there, as read, unless a mail with that Message-ID is there: providers keep some themselves."""
        with _answers():
            if not self._client.search(["HEADER", "Message-ID", message_id]):
                self._client.append(self._name, raw, flags=[b"\\Seen"], msg_time=sent_at)

    @property
    def _client(self) -> IMAPClient:
        if self._open is None:
            raise TemporaryFailure("connection_lost")
        return self._open


def _folder(client: IMAPClient) -> str:
    folders = client.list_folders()
    marked = next((name for flags, _, name in folders if b"\\Sent" in flags), "")
    if marked:
        return marked
    there = {name for _, _, name in folders}
    known = next((name for name in _NAMES if name in there), "")
    if not known:
        known = "Sent"
        client.create_folder(known)
    return known


@contextlib.contextmanager
def _answers() -> Iterator[None]:
    """As for every command, but a plain NO is for a person: the folder cannot be had, or the mailbox is full."""
    with imap_wire.answers():
        try:
            yield
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            full = "quota" in str(error).casefold()
            raise PermanentFailure("over_quota" if full else "folder_missing", words(error)) from error
