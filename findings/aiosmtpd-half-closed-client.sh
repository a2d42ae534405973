#!/bin/sh
# aiosmtpd: no answer, and no mail taken, when the client closes its sending half after QUIT.
#
# Surprise: a client that sends the last dot and QUIT in one go and then shuts down its sending half (it has
#   nothing more to say, and still reads) gets no answer at all. The handler, which has the whole mail, is
#   cancelled while it works, because the end of the input counts as a lost connection.
# One would have guessed: what came whole before the end of the input is worked off and answered, 250 and
#   221, as it is when the same client leaves its sending half open.
# What to do: shield the work from the cancelling, so that the mail is kept. The client will send it again.
# Versions: aiosmtpd 1.4.6 (atpublic 6.0.1, attrs 25.3.0). Seen on 2026-11-30. Needs python3 3.10 or newer.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM HUP
cd "$work"
changed() { printf 'CHANGED: %s\n' "$1"; exit 1; }
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install aiosmtpd==1.4.6 atpublic==6.0.1 attrs==25.3.0 || exit 2
cat > half.py <<'PY'
import asyncio
import socket
import sys
import time

import aiosmtpd
from aiosmtpd.controller import Controller

ENVELOPE = (b"HELO a.example", b"MAIL FROM:<ann@example.org>", b"RCPT TO:<desk@example.net>", b"DATA")


class Keeping:
    """Takes the whole mail, and needs half a second to put it away."""

    def __init__(self):
        self.told = []

    async def handle_DATA(self, server, session, envelope):
        self.told.append(f"has {len(envelope.content)} octets")
        try:
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            self.told.append("cancelled")
            raise
        self.told.append("kept")
        return "250 kept"


def send(close_half):
    """What the client reads after its last octet, and what the handler saw."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    handler = Keeping()
    controller = Controller(handler, hostname="127.0.0.1", port=port, server_hostname="mail.example.net")
    controller.start()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            answers = client.makefile("rb")
            answers.readline()
            for line in ENVELOPE:
                client.sendall(line + b"\r\n")
                answers.readline()
            client.sendall(b"Subject: Order\r\n\r\nText\r\n.\r\nQUIT\r\n")
            if close_half:
                client.shutdown(socket.SHUT_WR)
            rest = answers.read().decode().split("\r\n")
        time.sleep(1)
    finally:
        controller.stop()
    return ", ".join(filter(None, rest)) or "nothing", ", ".join(handler.told)


print("aiosmtpd", aiosmtpd.__version__)
opened, closed = send(False), send(True)
print("sending half left open: the client reads:", opened[0], "| handler:", opened[1])
print("sending half closed:    the client reads:", closed[0], "| handler:", closed[1])
as_seen = opened == ("250 kept, 221 Bye", "has 24 octets, kept") and closed == (
    "nothing",
    "has 24 octets, cancelled",
)
sys.exit(not as_seen)
PY
timeout 50 venv/bin/python half.py || changed "see the two lines above"
echo "as described: the mail is whole, but the handler is cancelled"
