from __future__ import annotations

import pytest

from mail.reading.language import detect


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Guten Tag,\n\nmeine Bestellung ist nicht angekommen.\n\nMit freundlichen Grüßen\nCarol", "de"),
        ("Bitte um Rückruf", "de"),
        ("Rechnung", "de"),
        ("Danke!", "de"),
        ("Hallo zusammen, bitte den Server rebooten, error 500 on login", "de"),
        ("Hello, my order did not arrive", "en"),
        ("invoice please", "en"),
        ("Hi team,\nthe login page is broken", "en"),
        ("Thanks", "en"),
        ("Bonjour, ma commande n'est pas arrivée. Pouvez-vous m'aider s'il vous plaît ?", None),
        ("Hej, min ordre er ikke kommet frem, og jeg har ventet i flere dage på den", None),
        ("Goedemiddag, mijn bestelling is niet aangekomen. Kunt u mij helpen?", None),
        ("Buongiorno, vorrei sapere quando arriva il mio ordine", None),
        ("https://the.shop.test/and/you 12345", None),
        ("", None),
    ],
)
def test_by_words(text: str, expected: str | None) -> None:
    assert detect(text) == expected


@pytest.mark.parametrize(
    ("text", "header", "expected"),
    [
        ("#4711?", "de-DE", "de"),
        ("#4711?", "EN, de", "en"),
        ("#4711?", "fr-FR", None),
        ("Guten Tag, bitte um Hilfe", "en-US", "de"),  # a German in an English Outlook
    ],
)
def test_the_header_decides_where_the_words_do_not(text: str, header: str, expected: str | None) -> None:
    assert detect(text, [("subject", "x"), ("content-language", header)]) == expected


@pytest.mark.parametrize(
    ("text", "further", "expected"),
    [
        ("Bonjour, ma commande n'est pas arrivée. Pouvez-vous m'aider s'il vous plaît ?", ("fr",), "fr"),
        ("Bonjour, ma commande n'est pas arrivée. Pouvez-vous m'aider s'il vous plaît ?", ("it",), None),
        ("Hei, tilaukseni ei ole saapunut, ja olen odottanut sitä jo monta päivää", ("fi", "et"), "fi"),
        ("Hei, bestillingen min har ikke kommet fram, og jeg har ventet i flere dager på den", ("nb",), "nb"),
        ("שלום, ההזמנה שלי עדיין לא הגיעה. אפשר לבדוק בבקשה מה קרה?", ("he",), "he"),
        ("Dzień dobry, nie otrzymałem jeszcze przesyłki", ("pl", "cs"), "pl"),
        # Short texts, of which the library is sure and wrong: the words are asked first, or nobody.
        ("Bitte um Rückruf", ("is",), "de"),
        ("invoice please", ("sr",), "en"),
        ("Drucker kaputt", ("nb",), None),
        (
            "Guten Tag, bitte senden Sie mir die Rechnung noch einmal, die letzte ist nicht angekommen.",
            ("nl", "da"),
            "de",
        ),
        (
            "Goedemiddag, is mijn bestelling al verzonden? Ik hoor graag van u, want het is dringend.",
            ("nl",),
            "nl",
        ),
        ("half a character \ud83d and words that nobody knows anywhere", ("fr",), "en"),
        ("", ("fr",), None),
    ],
)
def test_languages_that_were_added(text: str, further: tuple[str, ...], expected: str | None) -> None:
    assert detect(text, (), further) == expected


def test_the_header_counts_for_what_was_added() -> None:
    assert detect("#4711?", [("content-language", "fr-FR")], ("fr",)) == "fr"
