"""How long a whole conversation with a server may last, however slowly it drips."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from wire import TemporaryFailure, TransportFailure
from wire.address import cut


class SessionLimit:
    """Cuts the connection when the time is over. `connection` answers the one that is in use now."""

    def __init__(self, seconds: float, connection: Callable[[], socket.socket]) -> None:
        self.connection = connection
        self.over = False
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Only for the time of connecting: after it the limit goes on. A fault stops it."""
        if error is not None:
            self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """Stop it. If it was the one that cut the connection, the fault is given its right name."""
        self._timer.cancel()
        if self.over and isinstance(error, TransportFailure):
            raise TemporaryFailure("session_too_long") from error

    def _cut(self) -> None:
        self.over = True
        self.cut()

    def cut(self) -> None:
        """Whoever waits for the server waits no longer: the connection is lost to them."""
        cut(self.connection())
