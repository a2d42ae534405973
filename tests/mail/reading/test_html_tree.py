"""What the tree of HTML may cost is known before it is parsed, and nothing gets to the parser by another way."""

from __future__ import annotations

import ast
from pathlib import Path

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail import safe_reading
from mail.reading import html_tree
from mail.reading.html_tree import NODE, TooCostly, Where, clean, tree_octets
from mail.safe_reading import TakesTime, read, read_with_attached
from mail.showing import clean as showing
from mail.showing.allowlist import REPLY

ROOT = Path(__file__).parents[3]
MAILS = sorted((ROOT / "tests" / "mails").glob("*.eml"))
NAMES = [
    "a",
    "b",
    "font",
    "i",
    "u",
    "p",
    "div",
    "table",
    "tr",
    "td",
    "span",
    "li",
    "ul",
    "select",
    "svg",
    "br",
    "h1",
]
EVERYTHING = nh3.Cleaner(tags=set(NAMES), attributes={"*": {"x", "title"}}, link_rel=None)
PIECES = st.one_of(
    st.sampled_from(NAMES).map(lambda name: f"<{name}>"),
    st.sampled_from(NAMES).map(lambda name: f"<{name} x=1>"),
    st.sampled_from(NAMES).map(lambda name: f"</{name}>"),
    st.sampled_from(["y", " ", "<!-- ", " -->", "<b title='</b>'>", '<i x=">', "<b", "</b title='>'>", "<style>", "</style>"]),
)  # fmt: skip
LATE = "<p><b>Hello</p><p>you</b></p>"  # valid nowhere, harmless everywhere: one element comes back once


@given(st.lists(PIECES, max_size=60).map("".join))
def test_no_tree_is_larger_than_its_bound(markup: str) -> None:
    """Counted in elements, of which each was at least once written out."""
    elements = EVERYTHING.clean(markup).count("<")
    bound = tree_octets(markup, at_most=0) // NODE
    assert elements <= 2 * bound + 2, "each with an opening and a closing tag"


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_what_mail_programs_write_is_plainly_small(path: Path) -> None:
    assert html_tree.is_plainly_small(read(path.read_bytes()).mail.html)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that harmless HTML is over."""
    monkeypatch.setattr(html_tree, "MAX_TREE", 4 * len(LATE) + LATE.count("<") * NODE + 1)
    assert tree_octets(LATE, html_tree.MAX_TREE) > html_tree.MAX_TREE


def raw_mail(html: str) -> bytes:
    return b"From: carol@customer.example\nContent-Type: text/html\n\n" + html.encode()


def test_over_the_limit_nothing_is_parsed_here(narrow: None) -> None:
    with pytest.raises(TooCostly):
        clean(REPLY, LATE)
    assert showing.clean_reply_html(LATE) == "<pre>Hello  you</pre>"
    assert showing.clean_html(LATE, {}).html == "<pre>Hello  you</pre>"
    assert clean(REPLY, "<p>Hello</p>") == "<p>Hello</p>"


def test_the_child_cleans_what_is_not_plainly_small(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = raw_mail(LATE)
    with pytest.raises(TakesTime):
        read(raw, at_once=True)
    asked, child = [], safe_reading._read_in_child

    def spy(raw: bytes, where: Where) -> safe_reading.Reading | None:
        asked.append(where)
        return child(raw, where)

    monkeypatch.setattr(safe_reading, "_read_in_child", spy)
    reading = read(raw)
    assert asked == [Where.LIMITED]
    monkeypatch.undo()
    assert reading.sanitized() == showing.sanitize(LATE)
    assert reading.mail == read(raw).mail


def test_where_the_html_ends_the_child_its_words_stay(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    child = safe_reading._read_in_child
    monkeypatch.setattr(
        safe_reading,
        "_read_in_child",
        lambda raw, where: None if where is Where.LIMITED else child(raw, where),
    )
    reading = read(raw_mail(LATE + "x" * html_tree.MAX_HTML_HERE))
    assert reading.mail.text.startswith("Hello  you") and not reading.mail.defects
    assert reading.sanitized().html.startswith("<pre>Hello  you")


def test_long_html_is_cleaned_where_nobody_waits() -> None:
    raw = raw_mail("<p>Hello</p>" * (html_tree.MAX_HTML_HERE // 12 + 1))
    with pytest.raises(TakesTime):
        read(raw, at_once=True)
    reading = read(raw)
    assert reading.safe is not None and reading.safe.html.startswith("<p>Hello</p>")


def test_long_html_is_not_parsed_here_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of a mail that others wait behind, and all of it once more in the child."""
    raw = raw_mail("<p>Hello</p>" * (html_tree.MAX_HTML_HERE // 12 + 1))

    def parsed_here(raw: bytes, tree: object = None) -> None:
        raise AssertionError("it was parsed in the process that serves all")

    monkeypatch.setattr(safe_reading, "parse", parsed_here)
    assert read(raw).mail.text.startswith("Hello")


def test_an_attached_mail_needs_time_as_well() -> None:
    inner = raw_mail("<p>Hello</p>" * (html_tree.MAX_HTML_HERE // 12 + 1))
    head = b"From: carol@customer.example\nSubject: Fwd: x\nContent-Type: multipart/mixed; boundary=b\n\n"
    outer = head + b"--b\n\nsee\n--b\nContent-Type: message/rfc822\n\n" + inner + b"\n--b--\n"
    with pytest.raises(TakesTime):
        read_with_attached(outer, at_once=True)
    assert read_with_attached(outer).attached == read(inner).mail


def test_what_grows_in_cleaning_is_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "MAX_SAFE", 100)
    link = '<a href="https://x.example/">y</a> '
    assert showing.sanitize(link).html.startswith("<a ")
    assert showing.sanitize(link * 3).html.startswith("<pre>y")


def test_nothing_else_has_the_parser() -> None:
    """nh3 makes cleaners in two modules; what they clean goes through the guard, as every other caller's."""
    makers, callers = set(), set()
    for room in ("app.py", "blueprints", "cli", "desk", "jobs", "mail", "models", "wire"):
        for path in [ROOT / room] if room.endswith(".py") else (ROOT / room).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Import)
                    and any(one.name.split(".")[0] == "nh3" for one in node.names)
                ) or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nh3"):
                    makers.add(name)
                elif (
                    isinstance(node, ast.Attribute)
                    and node.attr in ("clean", "clean_text")
                    and (ast.unparse(node.value) in ("nh3", "MAIL", "REPLY", "_CLEANER", "cleaner"))
                ):
                    callers.add(name)
    assert makers == {"mail/reading/html_tree.py", "mail/reading/plaintext.py", "mail/showing/allowlist.py"}
    assert callers == {"mail/reading/html_tree.py"}
