"""What is the same for every mail of a batch, or all through one click: the account, channels, agents, switches.

A session forgets all it knows with every commit, so that it never works with what others have changed
meanwhile. That is right for tickets. But to ask anew for each mail what changes once a month takes a
third of the time of taking it in. So a batch asks once, and a change counts from the next batch on. An
answer is such a batch of one: what it has written is shown without being read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from models import Account, Agent, Channel, db

SAME_FOR_ALL = (Account, Agent, Channel)
ANSWERS = "poststelle.answers"  # in the session's own notes, so that every thread has its own

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


@contextmanager
def same_for_a_batch(anew: bool = True) -> Iterator[None]:
    """While the block runs, `asked_once` and `commit` keep what is the same for all its mails.

    `anew`: what the session knew before is asked again. A request has only just begun.
    """
    session = db.session()
    if ANSWERS in session.info:
        yield
        return
    if anew:
        session.rollback()
    session.info[ANSWERS] = {}
    session.expire_on_commit = False
    try:
        yield
    finally:
        session.expire_on_commit = True
        del session.info[ANSWERS]
        session.expire_all()


def asked_once(question: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """A question whose answer holds for a batch; outside of one it is asked each time."""

    @wraps(question)
    def ask(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        answers: dict[Any, Any] | None = db.session().info.get(ANSWERS)
        if answers is None:
            return question(*args, **kwargs)
        key = (question, args, *kwargs.items())
        if key not in answers:
            answers[key] = question(*args, **kwargs)
        answer: Answer = answers[key]
        return answer

    return ask


def commit() -> None:
    """Commit one mail of a batch: what is about it alone is forgotten, what is the same for all is kept."""
    session = db.session()
    session.commit()
    if (answers := session.info.get(ANSWERS)) is None:
        return
    for thing in session.identity_map.values():
        if isinstance(thing, SAME_FOR_ALL):
            answers[thing] = thing  # the session alone would let it go
        else:
            session.expire(thing)
