"""A post office in memory: what leaves is kept, and can be carried to another receiver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import pytest

from desk.channels import connections
from desk.notices import notice_mails
from desk.sending import outbox
from wire import Handover


@dataclass(frozen=True)
class SentMail:
    raw: bytes
    envelope_from: str
    to: str


@dataclass
class Post:
    """Takes every mail that the outbox hands over."""

    mails: list[SentMail] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, raw: bytes, envelope_from: str, recipients: Sequence[str]) -> dict[str, Handover]:
        self.mails += [SentMail(raw, envelope_from, to) for to in recipients]
        return {to: Handover("accepted", "250 ok") for to in recipients}

    def collect(self) -> list[SentMail]:
        """Everything that waits in the outbox of the app in context, sent now."""
        notice_mails.gather(at_once=True)
        outbox.deliver_due(at_once=True)
        taken, self.mails = self.mails, []
        return taken


@contextmanager
def opened() -> Iterator[Post]:
    """All channels of all apps send through it, instead of their servers."""
    post = Post()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "open_sender", lambda channel: post)
        yield post
