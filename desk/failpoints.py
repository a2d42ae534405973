"""Named points at which a crash test may kill the process; without the setting they cost one comparison.

Between any two steps that must survive each other stands one of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from config import Settings
from desk.office import office

POINTS = {
    # A mail comes in, whatever the way (mail rules, 1.1).
    "stored": "its bytes are on the disk, no row knows of them",
    "received": "its row is committed, nothing is decided",
    "reading": "the attempt to read it is committed, and begins",
    "before_commit": "the verdict is written, not committed",
    "filed": "the verdict is committed",
    # Its copy on the server.
    "before_removal": "nothing was said to the server yet",
    "after_removal": "the server has done it, or with POP3 promised it; we have not noted it",
    "removal_noted": "noted, or with POP3 remembered until QUIT",
    "before_quit": "the conversation is about to end; POP3 deletes with it",
    "after_quit": "it has ended; what POP3 deleted is not noted",
    # A mail goes back into its mailbox.
    "put_back_promised": "we remember that we will, nothing was said to the server",
    "put_back_done": "it lies there, its row does not say as which mail",
    # The time of raw mails is over.
    "raw_going": "they are marked, their bytes are here",
    "raw_removed": "the bytes are gone, the rows do not say so",
    # Our own receiver.
    "before_250": "the mail is safe, the client does not know it",
    "after_250": "the client knows",
    # A mail goes out.
    "claimed": "it is ours to send",
    "before_handover": "its bytes are ready",
    "after_handover": "the server has it, we have not noted it",
}


def reach(point: str) -> None:
    """Die here, without a last word, when POSTSTELLE_FAIL_POINT names this point."""
    if office().settings.fail_point == point:
        _die()


def reacher(settings: Settings) -> Callable[[str], None]:
    """`reach` for those below the desk, who know neither the office nor its settings."""
    return lambda point: _die() if settings.fail_point == point else None


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
