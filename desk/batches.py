"""Long lists in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from wire import Fetched

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """As `itertools.batched` of Python 3.12, in lists."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def together(mails: Iterable[Fetched], octets: int) -> Iterator[list[Fetched]]:
    """As many as make up so many octets, without holding more than a few large ones."""
    some: list[Fetched] = []
    size = 0
    for fetched in mails:
        some.append(fetched)
        size += len(fetched.raw)
        if size >= octets:
            yield some
            some, size = [], 0
    if some:
        yield some
