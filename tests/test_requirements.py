"""What is installed is what was chosen: exact versions and hashes of everything, and an audit that cannot be mute."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("", "-dev", "-build", "-tools")
audit = runpy.run_path(str(ROOT / ".ci" / "audit"))


def text(kind: str, ending: str = "txt") -> str:
    return (ROOT / f"requirements{kind}.{ending}").read_text(encoding="utf-8")


def pins(written: str) -> dict[str, set[str]]:
    """The versions of each name."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"(?m)^([\w.-]+)(?:\[[\w,]+\])?==([\w.+!-]+)", written):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_exact_and_has_hashes(kind: str) -> None:
    entries = text(kind).replace("\\\n", " ").splitlines()
    entries = [line for line in entries if line.strip() and not line.lstrip().startswith("#")]
    assert entries
    for entry in entries:
        assert re.match(r"[\w.-]+(\[[\w,]+\])?==[\w.+!-]+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_says_where_packages_come_from(kind: str) -> None:
    """A machine's own registry, or a mirror, must not become everybody's."""
    for ending in ("in", "txt"):
        assert not re.search(r"://|--(extra-)?index|--find-links|^-[if]\b", text(kind, ending), re.M)


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_chose_is_what_was_written(kind: str) -> None:
    """Somebody who edits the .in must also say `make requirements`."""
    written = pins(text(kind))
    for name, versions in pins(text(kind, "in")).items():
        assert written.get(name) == versions, name


def test_tests_run_with_the_versions_of_the_product() -> None:
    everything = pins(text("-dev"))
    for name, versions in pins(text("")).items():
        assert everything.get(name) == versions, name


@pytest.mark.parametrize("kind", ["", "-dev"])
def test_what_a_package_needs_is_written_too(kind: str) -> None:
    """pip installs nothing without a hash: one name that is missing ends the installation."""
    written = pins(text(kind))
    for name in written:
        try:
            needed = [Requirement(line) for line in requires(name) or ()]
        except PackageNotFoundError:
            continue  # for another system, or another Python
        for one in needed:
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                assert canonicalize_name(one.name) in written, f"{name} needs {one.name}"


@pytest.mark.parametrize("file", ["Dockerfile", ".ci/python", ".ci/requirements", ".ci/audit"])
def test_nothing_is_installed_without_hashes(file: str) -> None:
    code = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ").replace('"', " ").replace(",", " ")
    installed = [line for line in code.splitlines() if re.search(r"\bpip\b.* install\b.* -r ", line)]
    for line in installed:
        assert "--require-hashes" in line, line
    assert installed or "--require-hashes" in code


# --- the audit ---


def said(output: Any, code: int = 0, error: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(
        [], code, output if isinstance(output, str) else json.dumps(output), error
    )


GOOD = {"name": "flask", "version": "3.1.3", "vulns": []}
UNKNOWN = {"name": "nh3", "skip_reason": "Dependency not found on PyPI and could not be audited: nh3 (0.3.8)"}
FAULT = {"id": "PYSEC-2099-1", "fix_versions": ["3.1.4"], "aliases": [], "description": ""}


@pytest.mark.parametrize(
    ("answer", "faults", "unasked"),
    [
        (said({"dependencies": [GOOD]}), 0, 0),
        (said({"dependencies": [UNKNOWN]}), 0, 1),  # pip-audit 2.10.1 ends with 0 there
        (said({"dependencies": [GOOD, UNKNOWN]}), 0, 1),
        (said({"dependencies": [GOOD | {"vulns": [FAULT]}]}, 1), 1, 0),
        (said({"dependencies": [GOOD | {"vulns": [FAULT]}, UNKNOWN]}, 1), 1, 1),
        (said("", 1, "ConnectionError: Failed to resolve"), 0, 1),
        (said({"dependencies": []}), 0, 1),
        (said({"dependencies": [GOOD]}, 1, "it failed"), 0, 1),
    ],
)
def test_python_is_clean_only_when_all_was_asked(
    answer: subprocess.CompletedProcess[str], faults: int, unasked: int
) -> None:
    found = audit["python_answer"](answer)
    assert (len(found.faults), len(found.unasked)) == (faults, unasked)


@pytest.mark.parametrize(
    ("answer", "faults", "unasked"),
    [
        (said({"vulnerabilities": {}, "metadata": {"dependencies": {"total": 2}}}), 0, 0),
        (said({"message": "405 Method Not Allowed", "error": {"summary": "", "detail": ""}}, 1), 0, 1),
        (said("", 1, "npm error audit endpoint returned an error"), 0, 1),
        (said({"vulnerabilities": {}, "metadata": {"dependencies": {"total": 0}}}), 0, 1),
        (
            said({"vulnerabilities": {"trix": {"severity": "high", "range": "<2.1.20"}},
                  "metadata": {"dependencies": {"total": 2}}}, 1),
            1,
            0,
        ),
    ],
)  # fmt: skip
def test_the_browser_is_clean_only_when_all_was_asked(
    answer: subprocess.CompletedProcess[str], faults: int, unasked: int
) -> None:
    found = audit["npm_answer"](answer)
    assert (len(found.faults), len(found.unasked)) == (faults, unasked)


@pytest.mark.parametrize(
    ("python", "browser", "code"),
    [((9, (), ()), (2, (), ()), 0), ((9, (), ("x",)), (2, (), ()), 2), ((9, (), ()), (0, (), ("x",)), 2),
     ((9, ("x",), ()), (0, (), ("x",)), 1)],
)  # fmt: skip
def test_silence_is_no_clean_bill(
    python: Any, browser: Any, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    main, answer = audit["main"], audit["Answer"]
    main.__globals__.update(ask_python=lambda: answer(*python), ask_npm=lambda: answer(*browser))
    assert main() == code
    assert ("no faults are known" in capsys.readouterr().out) == any(
        not faults and not unasked for _, faults, unasked in (python, browser)
    )


def test_each_version_is_asked_about_though_a_name_has_two() -> None:
    assert audit["lists"](["a==1", "b==2", "b==3", "c[x]==1"]) == [["a==1", "b==2", "c[x]==1"], ["b==3"]]
