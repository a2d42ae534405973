"""Long lists in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """As `itertools.batched` of Python 3.12, in lists."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
