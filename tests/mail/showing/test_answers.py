"""Some of the answers of `make answers`: nothing of one is hidden, and histories are folded."""

from __future__ import annotations

from tests.support.answers import FOLDED, OWN_BODIES, STYLES, run


def test_no_word_of_an_answer_is_hidden_and_histories_are_folded() -> None:
    score = run(OWN_BODIES, 10 * len(STYLES), seed=7)
    assert score.answers == 190 and score.hidden == []
    assert score.known["all"] >= 90
    assert score.folded["all"] / score.known["all"] >= FOLDED, score.open
