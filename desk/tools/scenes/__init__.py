"""The demo's week as data: 24 tickets, and one mail that is held."""

from desk.tools.scenes.earlier import EARLIER
from desk.tools.scenes.kinds import (
    AGENTS,
    NOBODY,
    US,
    Answer,
    Bounce,
    Change,
    DemoMail,
    Note,
    Scene,
    Step,
    When,
)
from desk.tools.scenes.now import HELD, NOW
from desk.tools.scenes.week import WEEK

SCENES = NOW + WEEK + EARLIER

__all__ = [
    "AGENTS",
    "HELD",
    "NOBODY",
    "SCENES",
    "US",
    "Answer",
    "Bounce",
    "Change",
    "DemoMail",
    "Note",
    "Scene",
    "Step",
    "When",
]
