"""The language of a customer: German, English, one of those that somebody added, or not known. Offline,
see docs/decisions/002-language-detection.md."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Literal

Language = Literal["de", "en"]

READ = 4_000  # characters; the beginning of a mail tells enough

# Frequent words that the other language, and its neighbours as far as possible, do not have.
GERMAN = """
    aber als am anfrage angebot auch auf aus bei bestellung bin bitte bräuchte da danke das dass dem den der
    des die diese dieser doch ein eine einem einen einer es euch euer frage für geehrte geehrter grüß grüße
    grüßen guten haben habe hallo hat hilfe ich ihnen ihr ihre ihrer im ist kann keine können könnten liebe
    mein meine meinem meinen mich mir mit morgen nach nicht noch nur oder rechnung rückfrage schon sehr seit
    sich sie sind tag über um und uns unsere unser vielen vom von vor warum wegen wenn werden wie wir wird
    wurde zum zur zu
"""
ENGLISH = """
    about after all also and any anyone are at be because been before but by can cannot could dear did do
    does for from get good have hello help hi how if invoice is issue it just kind know let like morning my
    need not of or order our please problem question regards should since some sorry thank thanks that the
    their them there they this to us was what when where which why will with working would you your
"""
WORDS: dict[Language, frozenset[str]] = {"de": frozenset(GERMAN.split()), "en": frozenset(ENGLISH.split())}


# Letters: a shorter text is no sample of a language, a longer one says more than the words in our lists.
SAMPLE, PARAGRAPH = 20, 60
# What the library calls otherwise.
CALLED = {"iw": "he", "no": "nb"}


def detect(text: str, headers: Iterable[tuple[str, str]] = (), further: Collection[str] = ()) -> str | None:
    """The customer's language by the text without its quotes, else by Content-Language (RFC 3282).

    The words win: an English Outlook says en-US of whatever is typed into it. `headers` are those of
    `Mail` (names in lower case), `further` the codes of languages beside German and English that may be
    answered. None: neither says it clearly.
    """
    letters = sum(map(str.isalpha, text[:READ])) if further else 0
    for question in (_by_paragraph, _by_words) if letters >= PARAGRAPH else (_by_words, _by_paragraph):
        if language := question(text, further if letters >= SAMPLE else ()):
            return language
    for name, value in headers:
        if name == "content-language" and (language := _by_header(value, further)):
            return language
    return None


def _by_header(value: str, further: Collection[str]) -> str | None:
    tags = [tag.strip().lower().partition("-")[0] for tag in value.split(",")]
    return tags[0] if tags[0] in WORDS or tags[0] in further else None


def _by_paragraph(text: str, further: Collection[str]) -> str | None:
    """One of the further languages, if a library that cannot be told which to choose from is sure of it."""
    if not further:
        return None
    found = _identifier().FindLanguage(text=_readable(text))
    language = CALLED.get(found.language, found.language)
    return language if found.is_reliable and language in further else None


@cache
def _identifier() -> Any:
    from gcld3 import NNetLanguageIdentifier  # only who added a language needs it

    return NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=READ)


def _by_words(text: str, _further: Collection[str]) -> str | None:
    """Twice as many words as the other, and every eighth word at least: else it is a third language."""
    words = re.findall(r"[^\W\d_]+", _readable(text).lower())
    german, english = (sum(map(WORDS[language].__contains__, words)) for language in ("de", "en"))
    if max(german, english) * 8 < len(words) or german == english:
        return None
    if german >= 2 * english:
        return "de"
    return "en" if english >= 2 * german else None


def _readable(text: str) -> str:
    whole = text[:READ].encode("utf-8", "replace").decode()  # half characters that a mail may contain
    return " ".join(word for word in whole.split() if not _is_address(word))


def _is_address(word: str) -> bool:
    return "@" in word or "://" in word or "www." in word
