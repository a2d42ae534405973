"""The certificate of our receiver: two files that somebody renews now and then, without a restart of ours."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)


class Certificate:
    """`certificate` has the chain in PEM and may hold the key too. Raises OSError if they cannot be used."""

    def __init__(self, certificate: Path, key: Path | None = None) -> None:
        self._certificate, self._key = certificate, key or certificate
        self._seen = self._stamps()
        self._context = self._read()

    def context(self) -> ssl.SSLContext:
        """What the next client gets: read anew when a file has changed.

        While a renewal is half done, or went wrong, the last good one stays in use.
        """
        try:
            stamps = self._stamps()
            if stamps != self._seen:
                self._seen = stamps
                self._context = self._read()
                log.info("The certificate of the receiver was read again")
        except OSError as error:  # ssl.SSLError is one
            log.warning("The certificate of the receiver cannot be read, the last one stays: %s", error)
        return self._context

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate, self._key)
        return context

    def _stamps(self) -> list[tuple[int, int, int]]:
        found = [path.stat() for path in (self._certificate, self._key)]
        return [(status.st_ino, status.st_mtime_ns, status.st_size) for status in found]
