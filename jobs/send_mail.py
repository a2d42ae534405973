"""Send what is due from the outbox, each outgoing server in a run of its own; notices become mail before."""

from __future__ import annotations

from desk.notices import notice_mails
from desk.sending import outbox


def due() -> list[int | None]:
    """The channels whose servers have something to send; None is the relay in the install's own name."""
    notice_mails.gather()
    return outbox.due_servers()


def run(channel_id: int | None) -> None:
    outbox.deliver(channel_id)
