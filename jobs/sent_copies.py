"""Copies of answers go into the Sent folder of the mailbox they left from, each mailbox in a run of its own."""

from __future__ import annotations

from desk.sending import sent_copies


def due() -> list[int]:
    return sent_copies.due()


def run(channel_id: int) -> None:
    sent_copies.put_down(channel_id)
