"""The language of a customer: German, English, or not known. Offline and without a library,
see docs/decisions/002-language-detection.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

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


def detect(text: str, headers: Iterable[tuple[str, str]] = ()) -> Language | None:
    """The customer's language by the text without its quotes, else by Content-Language (RFC 3282).

    The words win: an English Outlook says en-US of whatever is typed into it. `headers` are those of
    `Mail` (names in lower case). None: neither says it clearly.
    """
    if language := _by_words(text):
        return language
    for name, value in headers:
        if name == "content-language" and (language := _by_header(value)):
            return language
    return None


def _by_header(value: str) -> Language | None:
    tags = [tag.strip().lower().partition("-")[0] for tag in value.split(",")]
    return next((language for language in WORDS if tags[0] == language), None)


def _by_words(text: str) -> Language | None:
    """Twice as many words as the other, and every eighth word at least: else it is a third language."""
    readable = " ".join(word for word in text[:READ].lower().split() if not _is_address(word))
    words = re.findall(r"[^\W\d_]+", readable)
    german, english = (sum(map(WORDS[language].__contains__, words)) for language in ("de", "en"))
    if max(german, english) * 8 < len(words) or german == english:
        return None
    if german >= 2 * english:
        return "de"
    return "en" if english >= 2 * german else None


def _is_address(word: str) -> bool:
    return "@" in word or "://" in word or "www." in word
