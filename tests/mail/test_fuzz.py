"""Mutations of our mails are read without an exception, and nothing of their words is lost or unfit to store."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mail.safe_reading import read
from tests.support.fuzz import MAILS, mutated, read_whole

FILES = [path.read_bytes() for path in sorted(MAILS.glob("*.eml"))]
MUTATIONS = st.builds(
    lambda raw, seed: mutated(raw, random.Random(seed), FILES), st.sampled_from(FILES), st.integers(0, 2**32)
)


@settings(max_examples=400, deadline=None)
@given(MUTATIONS)
def test_a_damaged_mail_is_read(raw: bytes) -> None:
    read_whole(raw)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2_000))
def test_any_bytes_are_read(raw: bytes) -> None:
    read_whole(raw)


@settings(max_examples=50, deadline=None)
@given(MUTATIONS)
def test_the_guarded_reading_answers_the_same(raw: bytes) -> None:
    assert "unreadable" not in read(raw).mail.defects
