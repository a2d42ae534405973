"""A server that says what a list says: for answers that no good server gives."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO

Answer = bytes | Callable[[bytes], bytes]


class ScriptedServer:
    """Greets, then gives one answer for each line it hears. An answer may be made from the line.

    `{tag}` in an answer becomes the first word of the line. After the last answer it says nothing more.
    With a `context` it encrypts after so many answers (`encrypts_after`), or before its greeting (0).
    `taken` counts the octets that the client's side took from it.
    """

    host = "localhost"

    def __init__(
        self,
        greeting: bytes,
        answers: Sequence[Answer] = (),
        context: ssl.SSLContext | None = None,
        encrypts_after: int = 0,
    ) -> None:
        self.heard: list[bytes] = []
        self.taken = 0
        self._context, self._encrypts_after = context, encrypts_after
        self._greeting, self._answers = greeting, answers
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024
        )  # so that `taken` means something
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True, name="scripted server")

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        try:
            self._connection, _ = self._listening.accept()
        except OSError:
            return
        with contextlib.suppress(OSError):
            self._converse()
        self._connection.close()

    def _converse(self) -> None:
        lines = self._lines(answered=0)
        self._say(self._greeting)
        for answered, answer in enumerate(self._answers, 1):
            line = lines.readline()
            self.heard.append(line)
            text = answer(line) if callable(answer) else answer
            self._say(text.replace(b"{tag}", line.split(b" ")[0].strip()))
            if self._context and answered == self._encrypts_after:
                lines.close()
                lines = self._lines(answered)
        with lines:
            while lines.readline():
                pass

    def _lines(self, answered: int) -> BinaryIO:
        """What is heard from now on."""
        if self._context and answered == self._encrypts_after:
            self._connection = self._context.wrap_socket(self._connection, server_side=True)
        return self._connection.makefile("rb")

    def _say(self, text: bytes) -> None:
        left = memoryview(text)
        while left:
            count = self._connection.send(left[: 16 * 1024])
            self.taken += count
            left = left[count:]
