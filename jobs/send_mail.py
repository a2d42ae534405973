"""Send what is due from the outbox, each outgoing server in a run of its own.

What writes itself has runs beside those of what people wrote, so that an answer never waits behind a thousand
confirmations, nor behind a server that takes half a minute for each; notices become mail before.
"""

from __future__ import annotations

from desk.notices import notice_mails
from desk.sending import outbox
from desk.sending.brake import Lane


def due() -> list[int | None]:
    """The channels with something to send that a person wrote; None is the relay in the install's own name."""
    return outbox.due_servers(Lane.PEOPLE)


def run(channel_id: int | None) -> None:
    outbox.deliver(channel_id, Lane.PEOPLE)


def due_automatic() -> list[int | None]:
    """The same for what writes itself."""
    notice_mails.gather()
    return outbox.due_servers(Lane.AUTOMATIC)


def run_automatic(channel_id: int | None) -> None:
    outbox.deliver(channel_id, Lane.AUTOMATIC)
