"""Ports for servers that must know theirs before they listen."""

from __future__ import annotations

import random
import socket

# Below those that the system gives to connections, so that none of them takes a port between our look
# and the server's start; by chance, so that workers that run tests side by side do not meet.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


def free_ports(*names: str) -> dict[str, int]:
    """A port for each name, no two the same."""
    found: dict[str, int] = {}
    while len(set(found.values())) < len(names):
        found = {name: free_port() for name in names}
    return found
