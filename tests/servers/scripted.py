"""A server that says what a list says: for answers that no good server gives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

Answer = bytes | Callable[[bytes], bytes]


class ScriptedServer:
    """Greets, then gives one answer for each line it hears. An answer may be made from the line.

    `{tag}` in an answer becomes the first word of the line. After the last answer it says nothing more.
    """

    host = "localhost"

    def __init__(self, greeting: bytes, answers: Sequence[Answer] = ()) -> None:
        self.heard: list[bytes] = []
        self._greeting, self._answers = greeting, answers
        self._listening = socket.create_server(("127.0.0.1", 0))
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
            connection, _ = self._listening.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as lines:
            try:
                connection.sendall(self._greeting)
                for answer in self._answers:
                    line = lines.readline()
                    self.heard.append(line)
                    text = answer(line) if callable(answer) else answer
                    connection.sendall(text.replace(b"{tag}", line.split(b" ")[0].strip()))
                while lines.readline():
                    pass
            except OSError:
                return
