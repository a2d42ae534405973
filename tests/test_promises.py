"""Every promise is proven by a test that exists; what an administrator does, by a journey in a browser."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.support.promises import PROMISES

TESTS = Path(__file__).parent
BROWSER = [f"S{number}" for number in range(26, 54)]


def test_all_fifty_three_are_in_the_table():
    assert list(PROMISES) == [f"S{number}" for number in range(1, 54)]
    assert all(PROMISES.values())


@pytest.mark.parametrize("promise", PROMISES)
def test_the_tests_that_prove_it_exist(promise):
    for name in PROMISES[promise]:
        path, _, test = name.partition("::")
        assert test in names_in(TESTS / path), f"{promise}: there is no {name}"


@pytest.mark.parametrize("promise", BROWSER)
def test_the_administration_is_proven_in_a_browser(promise):
    assert any(name.startswith("journeys/") for name in PROMISES[promise])


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
