"""No code without words: each reason that a part of the engine can write has its sentence on screen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from blueprints.labels.codes import EFFECT, FAILURE
from blueprints.labels.decisions import REASON, WHY
from blueprints.labels.in_templates import Labels
from blueprints.labels.ledger import COPY, EVENT, FINDING, PERIOD, PUT_BACK, SIGN, VERDICT, VIA
from desk.mailroom import balance, ledger
from mail.judging import rules
from mail.types import ClueKind
from models import Outcome, ServerCopy, Trouble

ROOT = Path(__file__).resolve().parent.parent
# Every module that decides about a mail, writes a row of the ledger, or a message's »Warum hier?«.
DECIDING = {"Decision", "Match", "first_verdict", "moved", "Verdict"}
DESK = {
    path: {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    for path in sorted((ROOT / "desk").rglob("*.py"))
}
WRITERS = [path for path, names in DESK.items() if names & DECIDING]


def constants(node: ast.AST) -> Iterator[str]:
    """The texts of an expression that may become the value: of both branches, of a tuple, of `or`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*constants(node.body), *constants(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from (one for value in node.values for one in constants(value))


def reasons(path: Path) -> Iterator[str]:
    """What is put into a column, a key, a keyword or a variable called `reason`, or is a Verdict's or Rule's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = (
                    zip(target.elts, node.value.elts, strict=False)
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                    else [(target, node.value)]
                )
                for place, value in pairs:
                    if getattr(place, "attr", getattr(place, "id", "")) == "reason":
                        yield from constants(value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "reason":
                    yield from constants(value)
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            yield from (one for kw in node.keywords if kw.arg == "reason" for one in constants(kw.value))
            if called in ("Verdict", "Rule", "Decision", "move", "moved") and len(node.args) > 1:
                yield from constants(node.args[1])
            if called == "_again":
                yield from (one for value in node.args[2:] for one in constants(value))


def whys(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Match" and len(node.args) > 1:
            yield from constants(node.args[1])
        if isinstance(node, ast.Tuple) and [ast.unparse(part) for part in node.elts[:1]] in (
            ["ticket"],
            ["None"],
        ):
            yield from constants(node.elts[1])  # a ticket and why


def test_every_reason_of_the_ledger_has_its_sentence() -> None:
    written = {rule.reason for rule in rules.RULES} | {"person"}
    for file in (*WRITERS, ROOT / "mail/judging/rules.py"):
        written |= set(reasons(file))
    # The look into the code finds what is known to be there; else it would prove nothing.
    assert written >= {
        "person", "released", "duplicate", "put_back", "unreadable", "fault", "discarded", "copy", "oversize",
        "was_read", "existing", "blocked_sender", "own_mail", "",
    }  # fmt: skip
    assert {code for code in written - set(EVENT) | {"discarded"} if not REASON.get(code)} == set()


def test_every_clue_that_leads_into_a_ticket_has_its_sentence() -> None:
    led = {kind.value for kind in ClueKind}
    for file in (path for path, names in DESK.items() if "Match" in names):
        led |= set(whys(file))
    assert led >= {"new", "maybe", "unreadable", "bounce"}
    assert {code for code in led if not WHY.get(code)} == set()


def test_every_verdict_copy_period_and_finding_has_its_words(app: Flask) -> None:
    assert list(VERDICT) == [str(outcome) for outcome in Outcome] and set(SIGN) <= set(VERDICT)
    assert set(COPY) == {str(copy) for copy in ServerCopy}
    assert set(PERIOD) == set(ledger.PERIODS)
    assert set(FINDING) == {*balance._QUESTIONS, "raw_missing"}
    assert set(VIA) == {"imap", "pop3", "smtp", "lmtp", "pipe"}


def test_every_trouble_of_a_channel_says_what_it_means() -> None:
    """The mail to the administrators asks for it."""
    assert set(EFFECT) == {str(trouble) for trouble in Trouble}


def test_templates_ask_for_labels_that_there_are_and_for_all_of_them() -> None:
    pages = (path.read_text(encoding="utf-8") for path in (ROOT / "templates").rglob("*.*"))
    asked = {name for text in pages for name in re.findall(r"\blabels\.(\w+)", text)}
    assert asked == {name for name in vars(Labels) if not name.startswith("_")}


def test_every_event_and_refusal_has_its_words() -> None:
    events: set[str] = set()
    for file in (
        "desk/mailroom/quarantine.py",
        "desk/mailroom/put_back.py",
        "blueprints/mailroom/mail_page.py",
    ):
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called == "InboundEvent":
                events |= {one for kw in node.keywords if kw.arg == "code" for one in constants(kw.value)}
            place = {"_note": 1, "note": 1, "_again": 2}.get(called)
            if place is not None and len(node.args) > place:
                events |= set(constants(node.args[place]))
    assert events == set(EVENT)
    tree = ast.parse((ROOT / "desk/mailroom/put_back.py").read_text(encoding="utf-8"))
    refusal = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "refusal")
    codes = {
        one
        for node in ast.walk(refusal)
        if isinstance(node, ast.Return) and node.value is not None
        for one in constants(node.value)
    }
    codes |= {
        one
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PutBackRefused"
        for one in constants(node.args[0])
    }
    assert codes - {""} == set(PUT_BACK) and not set(PUT_BACK) & set(FAILURE)
