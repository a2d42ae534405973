"""Placeholders such as {{ticket.number}} in texts that administrators write: a fixed list, filled by name.

Nothing is evaluated: a name is looked up, or it stays as it was typed. No template language stands between a
text in a form and a mail.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
# What stands around a value says nothing when the value is empty: what leads
# to it, »Your request: {{ticket.subject}}«,
# and a pair that encloses it, »Your request ({{ticket.subject}})«.
_PAIRS = ("()", "[]", "„“", "„”", "“”", "»«", "«»", "‚‘", "‘’", "›‹", "‹›", '""', "''")
_AROUND = re.compile(r"((?:[ \t]*[:–-])?[ \t]*)([(\[„“»«‚‘›‹\"']?)\{\{([^{}]*)\}\}([)\]“”«»‘’‹›\"']?)")
_LINK = re.compile(r"(https?://[^\s<>\"]+[^\s<>\".,;:!?)])")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")


def names(text: str) -> list[str]:
    """The names in a text, in order."""
    return [name.strip() for name in _PLACEHOLDER.findall(text)]


def broken(text: str) -> bool:
    """Whether braces are left over that somebody meant as a placeholder."""
    rest = _PLACEHOLDER.sub("", text)
    return "{{" in rest or "}}" in rest


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its values; a value is never read again, whatever braces stand in it."""

    def value(found: re.Match[str]) -> str:
        led, opened, name, closed = found.groups()
        known = values.get(name.strip())
        if known is None:
            return found[0]
        if known:
            return f"{led}{opened}{known}{closed}"
        if opened + closed in _PAIRS:
            return ""
        return f"{led}{opened}{closed}" if opened else closed

    return _AROUND.sub(value, text)


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a line: words, the address of a page, or the end of the line."""

    text: str = ""
    link: bool = False
    ends_line: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A paragraph of runs, or a `block`: the name of a value that is paragraphs of its own."""

    runs: tuple[Run, ...] = ()
    block: str = ""


def pieces(text: str, values: Mapping[str, str], blocks: Collection[str]) -> list[Piece]:
    """The filled text as a template for HTML shows it; it escapes each run."""
    found, rest = [], 0
    for placeholder in _PLACEHOLDER.finditer(text):
        if (name := placeholder[1].strip()) in blocks:
            found += [*_paragraphs(text[rest : placeholder.start()], values), Piece(block=name)]
            rest = placeholder.end()
    return found + _paragraphs(text[rest:], values)


def _paragraphs(text: str, values: Mapping[str, str]) -> list[Piece]:
    parts = (fill(part, values).strip() for part in _PARAGRAPHS.split(text.strip()))
    return [Piece(_runs(part)) for part in parts if part]


def _runs(text: str) -> tuple[Run, ...]:
    runs: list[Run] = []
    for line in text.split("\n"):
        runs += [Run(part, link=bool(number % 2)) for number, part in enumerate(_LINK.split(line)) if part]
        runs.append(Run(ends_line=True))
    return tuple(runs[:-1])
