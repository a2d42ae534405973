"""What a decision reads like: only what was decided, and never a word of what did not happen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from blueprints.labels import decisions, dry_run
from desk.checks.dry_run import Foreseen
from desk.receiving.explanations import Explanation
from models import Outcome
from models.inbound import STATE_OF

ANSWER = Explanation(
    "filed",
    "follow_up",
    "person",
    ticket=4711,
    why="signed_id",
    sender_state="confirmed",
    sender_proof="carol@customer.example",
    notice="customer_reply",
)
NEW = replace(ANSWER, outcome="new_ticket", ticket=None, why="new", notice="new_ticket")


def read(said: Explanation) -> dict[str, tuple[str, int | None]]:
    return {line.label: (line.text, line.ticket) for line in decisions.lines(said)}


@pytest.fixture(autouse=True)
def english(app: Flask):
    with app.test_request_context("/?lang=en"):
        yield


def test_an_answer_names_its_ticket_and_who_hears_of_it():
    shown = read(ANSWER)
    assert shown["Ticket"][1] == 4711
    assert shown["Sender"][0].endswith("(carol@customer.example)")
    assert shown["Notified"][0] == "the agents who want to hear of answers"
    assert "Confirmation" not in shown


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({}, None),
        ({"continues": 12}, 12),
        ({"maybe": 13}, 13),
        ({"ticket": 14, "foreseen": True}, None),
        ({"maybe": 15, "foreseen": True}, None),
    ],
)
def test_a_new_ticket_names_the_one_it_speaks_of(fields, number):
    """One that a dry run only foresees has no number yet."""
    assert read(replace(NEW, **fields))["Ticket"][1] == number


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"confirmation": "carol@customer.example"}, "carol@customer.example"),
        ({"withheld": "withheld"}, "none, since this address got enough automatic mails for now"),
        ({"withheld": "refuted"}, "none, since somebody else wrote in this sender's name"),
        ({}, None),
    ],
)
def test_why_a_confirmation_did_not_leave(fields, text):
    assert read(replace(NEW, **fields)).get("Confirmation", (None,))[0] == text


@pytest.mark.parametrize("end", ["held", "dropped"])
def test_who_would_hear_of_it_is_not_said_of_a_mail_without_a_ticket(end):
    assert set(read(replace(NEW, end=end, confirmation="carol@customer.example"))) <= {"Why", "Sender"}


def test_what_is_forgotten_is_not_said_to_be_nobody():
    assert read(replace(NEW, notice=""))["Notified"][0] == "nobody"
    assert "Notified" not in read(replace(NEW, notice=None))


@pytest.mark.parametrize("outcome", list(dry_run.BY_OUTCOME))
@pytest.mark.parametrize("reason", ["person", "bounce", "spam_header", "storm"])
def test_a_dry_run_says_where_the_mail_goes_whatever_the_reason(outcome, reason):
    """A reason may be called like an outcome: a report about nothing of ours is held, and tied to nothing."""
    said = Explanation(str(STATE_OF[Outcome(outcome)]), outcome, reason)
    shown = dry_run._foreseen(Foreseen("Hello", "Carol", None, said))
    assert shown == str(dry_run.BY_OUTCOME[outcome])


def test_a_dry_run_has_words_for_every_outcome_of_a_mail_that_was_read():
    """Mail that stays or waits has those of its reason."""
    assert {Outcome(name) for name in dry_run.BY_OUTCOME} == set(Outcome) - {
        Outcome.PENDING, Outcome.FAILED, Outcome.LEFT_ALONE,
    }  # fmt: skip


def test_a_mail_without_an_author_is_said_to_be_one(app: Flask) -> None:
    """Its proof is a code (mail/judging/authentication_results.py:NOBODY), and no server spoke against anybody."""
    with app.test_request_context():
        assert decisions.proof_of("From") == "no author, or several"
        assert decisions.doubted("From").startswith("This mail names no author")
        assert (decisions.proof_of("SPF, DKIM"), decisions.doubted("SPF, DKIM")) == ("SPF, DKIM", "")
