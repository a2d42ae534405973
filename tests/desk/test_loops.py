"""Loops end by counting, whatever the others write. `make loops` is the long form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import loops
from tests.support.post import Post, opened

ROUNDS = 1000  # without a new mail a round costs nothing
RESTLESS_ROUNDS = 12  # here each one brings a mail, and more answers than a day allows


@pytest.fixture
def post() -> Iterator[Post]:
    with opened() as found:
        yield found


def sqlite_file(migrated: str) -> Path | None:
    """The installs are on SQLite always: there are two at once, each with a database of its own."""
    return None if migrated.startswith("postgresql") else Path(migrated)


SHORT = [n for n, other in enumerate(loops.others()) if not other.restless or other.name == "restless robot"]


@pytest.mark.parametrize("number", SHORT, ids=lambda n: loops.others()[n].name)
def test_who_answers_every_mail_gets_few(tmp_path: Path, migrated: str, post: Post, number: int) -> None:
    other = loops.others()[number]
    with loops.install(tmp_path / "a", "Acme", "acme.example", post, sqlite_file(migrated)) as house:
        got = loops.against(house, other, RESTLESS_ROUNDS if other.restless else ROUNDS)
    assert 1 <= got[other.address] <= max(got.values()) < loops.FEWER_THAN


@pytest.mark.parametrize("stripped", [False, True])
def test_two_installs_fall_silent(tmp_path: Path, migrated: str, post: Post, stripped: bool) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with (
        loops.install(one, "Acme", "acme.example", post, sqlite_file(migrated)) as first,
        loops.install(two, "Bolt", "bolt.example", post, sqlite_file(migrated)) as second,
    ):
        got = loops.between(first, second, ROUNDS, stripped)
    assert got[second.address] >= 1
    assert max(got.values()) < loops.FEWER_THAN
