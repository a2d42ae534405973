"""Whether somebody wrote between our own lines: what could be an answer is one, what came back as it left is not."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from mail.showing import added_words
from mail.showing.added_words import Comparison
from mail.showing.clean import clean_html


def adds_words(history: str, sent: str, *, marked: bool = False) -> bool | None:
    return Comparison(lambda: sent).adds_words(lambda: history, marked=marked)


BODY = [
    "Guten Tag Frau Käfer,", "", "vielen Dank für Ihre Anfrage zum Gerät.", "Wie lautet die Seriennummer des Gerätes?",
    "Möchten Sie den Umtausch oder die Rückzahlung?", "1. Wann haben Sie es gekauft?", "2. Wo steht das Gerät jetzt?", "",
    "Unterlagen: https://acme.example/rueckgabe oder an lager@acme.example", "", "Viele Grüße", "Alice Amt",
]  # fmt: skip
SIGNATURE = ["", "-- ", "Alice Amt", "Acme GmbH"]
OLDER = [
    "",
    "Am 20. November 2026 um 10:15 schrieb Carol Käfer:",
    "> Das Gerät geht nicht.",
    "> Was kann ich tun?",
]
LINES = [*BODY, *SIGNATURE, *OLDER, "", "ref:1042.abcdefghijklmnopqrstuvwxyz:ref"]
SENT = "\n".join(LINES)

# Half of them say nothing that we had not said ourselves.
ANSWERS = [
    "Die Nummer ist 4711.", "4711", "Ja", "die Rückzahlung", "Umtausch", "Gerät", "Alice Amt", "Das Gerät geht nicht.", "nein",
    "Im Mai, die Rechnung haben Sie schon", "carol@kunde.example", "https://kunde.example/foto", "[ja]", "<4711>", "✓", "👍", "?",
    "lager@acme.example", "https://acme.example/rueckgabe", "Viele Grüße", "Frau Käfer, Hauptstr. 5", "2. Mai", "x", "Wann haben Sie es gekauft?",
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_seen_wherever_it_stands(answer: str) -> None:
    for place in range(len(LINES) - 1):
        line = LINES[place]
        for new in ([line, answer], [f"{line} {answer}"], [answer, line]):
            history = "\n".join([*LINES[:place], *new, *LINES[place + 1 :]])
            assert adds_words(history, SENT) is True, (place, new)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_seen_in_what_was_cut(answer: str) -> None:
    """Our signature, what we quoted, the end or the beginning may be missing."""
    for begin, end in ((0, 12), (0, 16), (2, 12), (3, 7), (5, 7), (0, 5)):
        kept = LINES[begin:end]
        for place in range(len(kept)):
            if not kept[place] or kept[place + 1 : place + 2] == [answer]:
                continue
            history = "\n".join([*kept[: place + 1], answer, *kept[place + 1 :]])
            assert adds_words(history, SENT) is True, history


def _wrapped(lines: list[str]) -> str:
    return "\n".join(line.replace(" Sie ", "\n> Sie ") for line in lines)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(SENT, id="as it left"),
        pytest.param("\n".join(f"> {line}" for line in LINES), id="behind signs"),
        pytest.param(_wrapped(LINES), id="lines broken anew"),
        pytest.param("\n".join(line for line in LINES if line), id="without blank lines"),
        pytest.param("\n".join(BODY), id="our signature and the older history cut"),
        pytest.param("\n".join([*BODY, *SIGNATURE]), id="the older history cut"),
        pytest.param("\n".join([*BODY, *OLDER]), id="our signature alone left out"),
        pytest.param("\n".join(LINES[2:]), id="our greeting cut"),
        pytest.param("\n".join(BODY[:4]), id="cut below a whole line"),
        pytest.param(SENT.replace("1. Wann", "Wann").replace("2. Wo", "Wo"), id="numbers that the program draws"),
        pytest.param(
            SENT.replace("lager@acme.example", "lager@acme.example<mailto:lager@acme.example>"), id="a target"
        ),
        pytest.param(
            SENT.replace("https://acme.example/rueckgabe", "https://eur01.safelinks.example.com/?url=https%3A%2F%2Facme.example%2Frueckgabe&data=05"),
            id="a link that a gateway rewrote",
        ),
        pytest.param("[cid:image001.png@01DA]\n" + SENT, id="a picture"),
        pytest.param(SENT.replace("ref:1042.abcdefghijklmnopqrstuvwxyz:ref", ""), id="without our mark"),
        pytest.param(SENT + "\n\nDiese E-Mail ist vertraulich.\nSie ist nur für den Empfänger.\n", id="a notice below"),
        pytest.param(SENT.upper(), id="in capitals"),
    ],
)  # fmt: skip
def test_our_own_words_alone_are_no_answer(history: str) -> None:
    assert adds_words(history, SENT) is False


@pytest.mark.parametrize(
    "below",
    ["Bitte vertraulich behandeln.", "4711\n\nDiese E-Mail ist vertraulich.", "Diese E-Mail ist vertraulich.\n\nJa, gern."],
)  # fmt: skip
def test_a_notice_hides_no_words_beside_it(below: str) -> None:
    assert adds_words(f"{SENT}\n\n{below}\n", SENT) is True


def test_words_that_are_missing_in_the_middle_may_be_an_answer() -> None:
    """Whoever strikes out the one offer has chosen the other."""
    offers = SENT.replace("1. Wann", "- ein neues Gerät\n- das Geld\n1. Wann")
    assert adds_words(offers.replace("- das Geld\n", ""), offers) is True


def test_an_end_of_few_words_may_be_an_answer() -> None:
    asked = "Was möchten Sie?\nUmtausch\nRückzahlung\n\nViele Grüße\nAlice"
    assert adds_words("Was möchten Sie?\nUmtausch", asked) is True


def test_the_history_of_another_mail_is_told_apart() -> None:
    other = "Ein ganz anderer Text, den wir nicht geschrieben haben, von der Spedition."
    assert adds_words(other, SENT) is None
    assert adds_words("Kommt am Freitag.", SENT) is True  # too little to tell
    assert adds_words(SENT, "") is None and adds_words("", SENT) is None


def test_one_piece_of_ours_tells_that_the_rest_is_an_answer() -> None:
    long = "Nein, bitte keinesfalls vor Freitag, denn bis dahin bin ich verreist und niemand öffnet."
    for piece in ("die Seriennummer", "https://acme.example/rueckgabe", "lager@acme.example"):
        assert adds_words(f"{piece} {long}", SENT) is True


def test_what_is_marked_may_set_in_within_a_line() -> None:
    rest = " ".join(BODY[3].split()[3:]) + "\n" + "\n".join(LINES[4:])
    assert adds_words(rest, SENT, marked=True) is False
    assert adds_words(rest + "\nJa", SENT, marked=True) is True


def test_what_is_endless_counts_as_answered() -> None:
    assert adds_words("a " * added_words.MAX_LENGTH, "a " * added_words.MAX_LENGTH) is True


def _steps(history: str, sent: str) -> int:
    """Lines of the module that are run."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal count
        if frame.f_code.co_filename != added_words.__file__:
            return None
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        adds_words(history, sent)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    ("history", "sent"),
    [
        pytest.param("a b ", "a b ", id="the same words again and again"),
        pytest.param("a a a b ", "a a a a ", id="nearly the same"),
        pytest.param("a\n", "a a a a a\n", id="many places to begin"),
        pytest.param("1. a\n", "1. a\n", id="many numbers"),
        pytest.param("a@b.example ", "a@b.example www.b.example ", id="many links"),
        pytest.param("-- \na\n> b\n", "-- \na\n> b\n", id="many signatures"),
    ],
)
def test_the_work_grows_with_the_length_and_no_faster(history: str, sent: str) -> None:
    small, large = (_steps("x " + history * n, sent * n + "x") for n in (400, 1600))
    assert large <= 4.4 * small + 200


# --- answers that are signs, targets and pictures

OPTIONS = [
    "Guten Tag,", "", "which of these shall we send to you by post?", "Option A: the paper", "Option B: the card, see https://acme.example/card",
    "Option C: nothing at all of these", "", "Many greetings from all of us", "Alice",
]  # fmt: skip
OFFERED = "\n".join([*OPTIONS, *SIGNATURE, *OLDER])
MARKS = [
    "<---", "<--", "<-", "-->", "=>", "*", "**", "#", "^^^", "~", "×", "--", "-", ":)", "§", "...", "…", ".", "/", "|", "•", "@",
    "？", "！", "؟", "¿", "‼️", "⁉️", "⸮", "¥", "₹", "₽", "°", "¬", "[ ]", "( )", "{}", "_", "____", '"', "»", ";)", "👍🏽", "☐", "❌",
    "[image: I take this one please, Carol]", "[Bild: nein danke]", "[cid:nein-danke]", "[https://my.example/photo-of-the-damage]",
]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
def test_a_sign_beside_our_words_is_an_answer(mark: str) -> None:
    for place, line in enumerate(OPTIONS):
        if not line:
            continue
        for new in ([f"{line} {mark}"], [line, mark], [line, "", mark, ""], [f"{mark} {line}"]):
            for kept in ([*OPTIONS[:place], *new, *OPTIONS[place + 1 :]], [*OPTIONS[:place], *new]):
                for tail in ([*SIGNATURE, *OLDER], OLDER, []) if len(kept) >= len(OPTIONS) else ([],):
                    history = "\n".join([*kept, *tail])
                    assert adds_words(history, OFFERED) is not False, (place, new, tail)
                    assert adds_words(history, OFFERED, marked=True) is not False, (place, new, tail)


@pytest.mark.parametrize("mark", ["?", "!!!", "?!", ".", "...", "…", ")", "👍", "<---"])
def test_a_sign_directly_behind_our_words_is_an_answer(mark: str) -> None:
    for words in ("https://acme.example/card", "the paper"):
        assert adds_words(OFFERED.replace(words, words + mark), OFFERED) is True


@pytest.mark.parametrize(
    "target",
    ["<https://my.example/photo-of-the-damage>", " <https://my.example/photo>", "<mailto:carol@kunde.example>", "<tel:+4315550101>"],
)  # fmt: skip
def test_a_target_that_is_not_ours_is_an_answer(target: str) -> None:
    assert adds_words(OFFERED.replace("the paper", "the paper" + target), OFFERED) is True


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Für „Ihren“ Kunden – ja … und’s", 'Für "Ihren" Kunden - ja ... und\'s'),
        ("Bitte nur acme.example besuchen", "Bitte nur acme.example<http://acme.example/> besuchen"),
        ("Telefon +43 1 555 0101 von uns", "Telefon +43 1 555 0101<tel:+4315550101> von uns"),
        ("Telefon 01 555 0101 von uns", "Telefon 01 555 0101<tel:+4315550101> von uns"),
        ("Das Bild von uns", "Das Bild [image: image001.png] von uns"),
        ("Das Bild von uns", "Das Bild [cid:image001.png@01DA] von uns"),
        ("Soft\xadware und mehr\u200b von uns", "Soft\xadware und mehr von uns"),
        (
            "Mehr: https://acme.example/karte?a=b bei uns",
            "Mehr: https://urldefense.proofpoint.com/v2/url?u=https-3A__acme.example_karte-3Fa-3Db&d=Dw bei uns",
        ),
    ],
)
def test_what_programs_write_in_another_way_is_ours(ours: str, theirs: str) -> None:
    sent = OFFERED.replace("Option C", f"{ours}\nOption C")
    assert adds_words(sent.replace(ours, theirs), sent) is False


@pytest.mark.parametrize("bullet", ["* ", "• ", "   - ", "·\t", "§\t", ""])
def test_bullets_are_those_of_programs_if_all_are_alike(bullet: str) -> None:
    sent = OFFERED.replace("Option", "- Option")
    assert adds_words(sent.replace("- Option", f"{bullet}Option"), sent) is False
    if bullet.strip() not in ("", "-"):
        assert adds_words(sent.replace("- Option B", f"{bullet}Option B"), sent) is True
        unlisted = sent.replace("- Option", "Option")
        assert adds_words(unlisted.replace("Option B", f"{bullet}Option B"), sent) is True


# --- notices


@pytest.mark.parametrize(
    "below",
    [
        "Diese Nachricht war unklar, ich kuendige hiermit den Vertrag.",
        "Diese Nachricht ist vertraulich, ich kündige hiermit.",
        "This message was not clear, please call me",
        "This mail of yours is unclear: please call me at once +43 1 555",
        "Disclaimer: no I do not want any of these, cancel all",
        "Scanned by me and sent back signed: I cancel.",
        "This message is confidential. No.",
        "This message is confidential. 👍",
        "This message is confidential 4711",
        "This message is confidential: https://kunde.example/foto",
        "Diese E-Mail ist vertraulich.\n\nBitte löschen.",
    ],
)
def test_an_answer_that_begins_like_a_notice_is_none(below: str) -> None:
    for history in (SENT, "\n".join(BODY[:4]), "\n".join(BODY), SENT.split("\nref:")[0]):
        assert adds_words(f"{history}\n\n{below}\n", SENT) is True


@pytest.mark.parametrize(
    "notice",
    [
        "Diese E-Mail ist vertraulich.\nSie ist nur für den Empfänger.",
        "_______________\nDiese E-Mail kann vertrauliche und rechtlich geschützte Informationen enthalten. Wenn Sie nicht der richtige"
        " Adressat sind oder diese E-Mail irrtümlich erhalten haben, informieren Sie bitte sofort den Absender und vernichten Sie diese Mail.",
        "This e-mail may contain confidential and/or privileged information. If you are not the intended recipient (or have received this"
        " e-mail in error) please notify the sender immediately and destroy this e-mail.",
        "Please consider the environment before printing this e-mail.",
        "Scanned by MailScanner",
        "Virus-free. www.avast.com",
    ],
)  # fmt: skip
def test_a_notice_counts_below_the_end_of_our_mail_alone(notice: str) -> None:
    assert adds_words(f"{SENT}\n\n{notice}\n", SENT) is False
    for cut in (BODY[:4], BODY):
        assert adds_words("\n".join(cut) + f"\n\n{notice}\n", SENT) is True


@pytest.mark.parametrize(
    "answered",
    [
        ("Option A: the paper", "<s>Option A: the paper</s>"),
        ("Option A: the paper", "<strike>Option A: the paper</strike>"),
        ("Option A: the paper", 'Option A: <span style="text-decoration:line-through">the paper</span>'),
        ("the paper", 'the paper <img src="cid:1" alt="👍">'),
        ("the paper", 'the paper <img src="cid:1" alt="this one">'),
        ("the paper", '<a href="https://my.example/photo">the paper</a>'),
    ],
)
def test_what_html_shows_beside_words_is_an_answer(answered: tuple[str, str]) -> None:
    quoted = "<br>".join(OPTIONS).replace(
        "https://acme.example/card", '<a href="https://acme.example/card">https://acme.example/card</a>'
    )
    quoted = f'<table><tr><td><img src="cid:logo" alt="Acme GmbH" width="9"></td></tr></table><div>{quoted}<img src="cid:2" alt="image001.png"></div>'
    page = '<p>Hallo</p><blockquote type="cite">{}</blockquote>'
    assert "<details" in clean_html(page.format(quoted), {}, sent=lambda: "\n".join(OPTIONS)).html
    assert (
        "<details"
        not in clean_html(page.format(quoted.replace(*answered)), {}, sent=lambda: "\n".join(OPTIONS)).html
    )
