"""Tests of a journey that build on each other (`in_order`) end at the first one that fails.

What comes after it would fail for want of what it did not do. Each says so at once, in one line, and still counts.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

FAILED = pytest.StashKey[str]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    journey = _journey(item)
    if journey and report.failed and call.when != "teardown":
        journey.stash.setdefault(FAILED, item.name)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    journey = _journey(item)
    if journey and FAILED in journey.stash:
        pytest.fail(f"not reached: {journey.stash[FAILED]} failed before", pytrace=False)


def _journey(item: pytest.Item) -> pytest.Module | None:
    return item.getparent(pytest.Module) if item.get_closest_marker("in_order") else None
