"""What may become of a mail of the ledger stands in one table (that nobody passes it by: tests/test_house.py)."""

from __future__ import annotations

import itertools

import pytest

from models import Channel, InboundMail, InboundState, Outcome, db
from models.base import ImpossibleMove, rows_changed
from models.inbound import (
    ALLOWED_MOVES,
    FIRST_STATES,
    STATE_OF,
    first_verdict,
    moved,
)

ENDS = {state: next(outcome for outcome in Outcome if STATE_OF[outcome] == state) for state in InboundState}


@pytest.fixture
def row(channel: Channel) -> InboundMail:
    kept = InboundMail(channel_id=channel.id, via="smtp", source_id="1")
    db.session.add(kept)
    db.session.commit()
    return kept


@pytest.mark.parametrize(("before", "after"), list(itertools.product(InboundState, InboundState)))
def test_a_row_and_a_statement_move_as_the_table_allows(
    row: InboundMail, before: InboundState, after: InboundState
) -> None:
    row.state = before
    db.session.commit()
    allowed = after in ALLOWED_MOVES[before]
    assert bool(rows_changed(moved(ENDS[after], "why", InboundMail.id == row.id))) == allowed
    db.session.rollback()
    if not allowed:
        with pytest.raises(ImpossibleMove):
            row.move(ENDS[after], "why")
        return
    row.move(ENDS[after], "why", "words")
    assert (row.state, row.outcome, row.reason, row.details) == (after, ENDS[after], "why", "words")


def test_how_a_row_begins() -> None:
    for state in InboundState:
        if state in FIRST_STATES:
            assert first_verdict(ENDS[state], "why")["state"] == state
        else:
            with pytest.raises(ImpossibleMove):
                first_verdict(ENDS[state], "why")


def test_every_verdict_has_a_state_and_every_state_its_moves() -> None:
    assert set(STATE_OF) == set(Outcome) and set(ALLOWED_MOVES) == set(InboundState)
