"""After the first failure of a journey the tests that build on it say so, and do nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

JOURNEY = """
import pathlib
import pytest

@pytest.fixture
def note(request):
    with (pathlib.Path(__file__).parent / "ran").open("a") as file:
        file.write(request.node.name + " ")

@pytest.mark.in_order
def test_first(note):
    pass

def test_apart(note):
    assert "apart" == "broken"

@pytest.mark.in_order
def test_second(note):
    assert 1 == 2

@pytest.mark.in_order
def test_third(note):
    raise RuntimeError("for want of the second")

def test_last(note):
    pass
"""


def test_after_a_failure_what_builds_on_it_is_not_reached(tmp_path):
    shutil.copy(Path(__file__).parent / "journeys/conftest.py", tmp_path)
    (tmp_path / "test_journey.py").write_text(JOURNEY)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = in_order: as ours\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_journey.py"],
        cwd=tmp_path,
        env={**environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert (tmp_path / "ran").read_text() == "test_first test_apart test_second test_last "
    assert "2 failed, 2 passed, 1 error" in done.stdout
    assert (
        "ERROR test_journey.py::test_third - Failed: not reached: test_second failed before\n" in done.stdout
    )
    assert "for want of" not in done.stdout
