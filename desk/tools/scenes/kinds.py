"""What a demo scene is made of: mails, answers, notes and changes, each at its time."""

from __future__ import annotations

from dataclasses import dataclass

from models import Priority, Status

US = "us"  # who created the account
NOBODY = ""  # Poststelle itself
JONAS, LEA = "Jonas Kern", "Lea Moser"
AGENTS = ((JONAS, "jonas.kern@team.example"), (LEA, "lea.moser@team.example"))

File = tuple[str, str, bytes]  # name, media type, bytes


@dataclass(frozen=True, slots=True)
class When:
    """Minutes ago; or working days ago at a time of the company's clock."""

    minutes: int = 0
    days: int = 0
    clock: str = ""


def ago(minutes: int) -> When:
    return When(minutes=minutes)


def on(days: int, clock: str) -> When:
    return When(days=days, clock=clock)


@dataclass(frozen=True, slots=True)
class DemoMail:
    """A customer's mail. Empty `subject` follows from the scene; after an answer of ours it is a reply,
    with the answer quoted if `quotes`."""

    when: When
    text: str
    html: str = ""
    subject: str = ""
    files: tuple[File, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    quotes: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """`refused` are the words of the server that did not take it."""

    when: When
    agent: str
    text: str
    then: Status | None = None
    files: tuple[File, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Bounce:
    """The customer's server sends our last answer back; `words` are its reason, `status` by RFC 3463."""

    when: When
    status: str
    words: str


@dataclass(frozen=True, slots=True)
class Note:
    when: When
    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What an agent set; what is None stays."""

    when: When
    by: str
    assignee: str | None = None
    status: Status | None = None
    priority: Priority | None = None
    tags: tuple[str, ...] = ()


Step = DemoMail | Answer | Bounce | Note | Change


@dataclass(frozen=True, slots=True)
class Scene:
    """One ticket. `channel` is the name of a channel, or empty for the default one."""

    name: str
    address: str
    subject: str
    steps: tuple[Step, ...]
    channel: str = ""
    unread: bool = False
    confirmed: bool = False  # the history says that the confirmation was sent
