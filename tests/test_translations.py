"""The catalogues are whole: every text of the code, translated, with the same placeholders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = sorted((ROOT / "translations").glob("*/LC_MESSAGES/messages.po"))
# Those that `make messages` passes besides Babel's own.
KEYWORDS = {"_l": None, "lazy_gettext": None, "lazy_ngettext": (1, 2), "lazy_pgettext": ((1, "c"), 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")


def language(path: Path) -> str:
    return path.parent.parent.name


@pytest.fixture(scope="module")
def texts() -> dict[tuple[str | None, str], str]:
    """Every text in code and templates: (context, English) and the file that has it."""
    with (ROOT / "babel.cfg").open() as config:
        method_map, options_map = parse_mapping_cfg(config)
    found = extract_from_dir(
        ROOT,
        method_map,
        options_map,
        keywords={**DEFAULT_KEYWORDS, **KEYWORDS},
        directory_filter=lambda path: (
            Path(path).name not in {".venv", ".git", "node_modules", "tests", "data"}
        ),
    )
    return {
        (context, text[0] if isinstance(text, tuple) else text): filename
        for filename, _line, text, _comments, context in found
    }


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language(path))


def test_there_is_german():
    assert "de" in {language(path) for path in CATALOGUES}


def test_texts_in_the_code_are_english(texts):
    german = re.compile(r"[äöüÄÖÜß»«]|\b(nicht|bitte|Sie|Ihre?|wird|wurde)\b")
    assert {text for _, text in texts if german.search(text)} == set()


@pytest.mark.parametrize("path", CATALOGUES, ids=language)
def test_the_catalogue_has_every_text_and_no_other(path, texts):
    known = {(message.context, singular(message.id)) for message in read(path) if message.id}
    missing = [
        f"{filename}: {text}" for (context, text), filename in texts.items() if (context, text) not in known
    ]
    assert missing == [], "run “make messages” and translate"
    assert known - texts.keys() == set(), "run “make messages”"


@pytest.mark.parametrize("path", CATALOGUES, ids=language)
def test_nothing_is_untranslated_fuzzy_or_obsolete(path):
    catalogue = read(path)
    assert [message.id for message in catalogue if message.id and not all(strings(message.string))] == []
    assert [message.id for message in catalogue if message.id and message.fuzzy] == []
    assert list(catalogue.obsolete) == []


@pytest.mark.parametrize("path", CATALOGUES, ids=language)
def test_translations_keep_the_placeholders(path):
    """A lost placeholder loses a name on the screen; an invented one is an error 500."""
    wrong = []
    for message in read(path):
        if message.id:
            allowed = {frozenset(PLACEHOLDER.findall(text)) for text in strings(message.id)}
            wrong += [
                text for text in strings(message.string) if set(PLACEHOLDER.findall(text)) not in allowed
            ]
    assert wrong == []


def singular(text: str | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else text[0]


def strings(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)
