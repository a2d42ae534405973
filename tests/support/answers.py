"""`make answers MAILS=folder`: thousands of answers to mails of ours, and what is hidden of them.

Places × programs × languages, with words taken from our own text on purpose. Half of what we sent is drawn from the
bodies of the mails below MAILS. A word of an answer outside of what is shown is a fault; a history that could have been
folded and stays open is counted, by style. Ends with 1 when a bound does not hold.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from mail.reading.parse import parse
from mail.showing.clean import clean_html, fold_text, text_of
from tests.support.answer_forms import PROGRAMS, SIGN, Answer, Sent
from tests.support.answer_words import WRITTEN, Written

COUNT = 2_500
FOLDED, FOLDED_IN_EACH = 0.90, 0.80
FOLD = re.compile(r'<details class="quote"><summary>…</summary>|</details>')
OWN_BODIES = Path(__file__).parents[1] / "mails"

OURS = [
    "Guten Tag Frau Käfer,\n\nvielen Dank für Ihre Nachricht. Damit wir Ihnen helfen können, brauchen wir noch einige Angaben "
    "von Ihnen.\nWie lautet die Seriennummer des Gerätes?\nWann haben Sie das Gerät gekauft?\nWelche Fehlermeldung wird angezeigt, "
    "und seit wann tritt der Fehler auf?\nSobald wir die Angaben haben, melden wir uns bei Ihnen.\n\nMit freundlichen Grüßen\nAlice Amt",
    "Hallo Frau Käfer,\n\nbitte teilen Sie uns mit:\n- Ihre Kundennummer\n- die Lieferadresse\n- ob die Ware noch originalverpackt "
    "ist\n\nViele Grüße\nAlice",
    "Guten Tag Frau Käfer,\n\nbitte nennen Sie uns\n1. die Auftragsnummer,\n2. das Lieferdatum.\n\nMöchten Sie den Umtausch oder die "
    "Rückzahlung des Kaufpreises? Eine Rückzahlung dauert etwa zehn Tage, ein Umtausch zwei Wochen.\n\nViele Grüße\nAlice",
    "Dear Ms Carter,\n\nthank you for your message. Which of these would suit you?\n* a refund\n* a replacement by Friday\n* a "
    "voucher\n\nPlease tell us also where the parcel shall be collected, and between which hours somebody is at home.\n\nKind regards\nAlice",
    "Bonjour,\n\nnous avons bien reçu votre demande. Pouvez-vous nous indiquer le numéro de série et la date d'achat ?\nLe "
    "remboursement est effectué sous dix jours ; plus d'informations sur https://acme.example/retour.\n\nCordialement\nAlice",
]  # fmt: skip
QUOTED = [
    "Guten Tag, mein Gerät geht seit gestern nicht mehr an.",
    "Was kann ich tun? Mit freundlichen Grüßen Carol Käfer",
]
GREETING = {"de": "Guten Tag,", "en": "Hello,"}
ORDINARY = [  # words that once kept a history open
    ["Guten Tag,", "", "siehe Anhang.", "", "Gruß", "Carol"],
    ["Hello,", "", "I see, thank you. That is below what I expected.", "", "Best", "Carol"],
    ["Hier die Fotos des Gerätes:"],
    ["See you on Monday,", "Carol"],
]
BELOW = ["Guten Tag,", "", "siehe unten, meine Antworten stehen im Text.", "", "Gruß", "Carol"]
CARD = ["-- ", "Carol Käfer", "Kunde GmbH", "Tel. +43 1 555 0101"]


@dataclass
class Case:
    """One answer: its style, the program, the language; and which part of the history may be folded."""

    style: str
    program: str
    language: str
    sent: Sent
    answer: Answer
    folds: str  # "history": all of it; "rest": what trails the last answer; "": nothing has to


@dataclass
class Score:
    answers: int = 0
    hidden: list[str] = field(default_factory=list)
    known: Counter[str] = field(default_factory=Counter)
    folded: Counter[str] = field(default_factory=Counter)
    open: list[str] = field(default_factory=list)


def main(folder: str, count: int = COUNT, seed: int = 1) -> int:
    score = run(Path(folder) if folder else OWN_BODIES, count, seed)
    for line in score.hidden[:40]:
        print(f"hidden: {line}")
    for line in score.open[:20]:
        print(f"open: {line}")
    print(f"\n{score.answers} answers; with words outside of what is shown: {len(score.hidden)} (at most 0)")
    failed = bool(score.hidden)
    for style, known in sorted(score.known.items()):
        share = score.folded[style] / known
        bound = FOLDED if style == "all" else 0 if ":" in style else FOLDED_IN_EACH
        failed = failed or share < bound
        print(
            f"folded, {style}: {score.folded[style]} of {known}, {share:.1%}"
            + (f" (at least {bound:.0%})" if bound else "")
        )
    return 1 if failed else 0


def run(folder: Path, count: int, seed: int = 1) -> Score:
    score = Score()
    for case in generated(folder, count, seed):
        judge(case, score)
    return score


# --- what is answered, and how


def bodies(folder: Path) -> list[str]:
    """What people wrote in the mails below a folder: new words alone, of a usual length."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".json", ".md"):
            words = fold_text(parse(path.read_bytes()).text).visible.strip()
            if 60 <= len(words) <= 4_000 and not any(
                line.startswith((">", "--")) for line in words.split("\n")
            ):
                found.append(words)
    return found


def generated(folder: Path, count: int, seed: int) -> Iterator[Case]:
    choose = random.Random(seed)
    real = bodies(folder)
    languages = list(WRITTEN)
    styles = list(STYLES)
    for number in range(count):
        body = choose.choice(real) if number % 2 and real else OURS[choose.randrange(len(OURS))]
        sent = Sent(
            body.split("\n"),
            ["Alice Amt", "Acme GmbH"],
            "Am 22. November 2026 um 09:00 schrieb Carol Käfer:",
            QUOTED,
        )
        style = styles[number % len(styles)]
        language = choose.choice(("de", "en", *languages))
        kinds, make = STYLES[style]
        program = choose.choice([name for name, (_, kind) in PROGRAMS.items() if kind in kinds])
        answer, folds = make(choose, sent, WRITTEN[language], PROGRAMS[program][1])
        while PROGRAMS[program][1] != "text" and _is_ours_word_for_word(sent, answer):
            answer, folds = make(choose, sent, WRITTEN[language], PROGRAMS[program][1])
        yield Case(style, program, language, sent, answer, folds)


def _is_ours_word_for_word(sent: Sent, answer: Answer) -> bool:
    """Whether an answer repeats the very words that follow in our mail, or follow in what was left of it.

    Where a program marks no quotation, that mail is ours word for word, and nobody could tell the answer.
    """
    for place, lines in answer.inside.items():
        said, following = " ".join(lines).split(), " ".join(sent.body[place + 1 :]).split()
        if following[: len(said)] == said:
            return True
    return False


def _words(choose: random.Random, sent: Sent, tongue: Written) -> str:
    """An answer as people write it, often with words that stand in our mail, or nothing but such words."""
    found = [word for line in sent.body for word in line.split() if len(word) < 40 and word[0] != ">"]
    ours = [word for word in found if re.search(r"[^\W_]", word)]
    place = choose.randrange(len(ours))
    phrase = " ".join(ours[place : place + choose.randint(1, 6)])
    mixed = " ".join(choose.choice(ours) for _ in range(choose.randint(1, 4)))
    kind = choose.randrange(8)
    own = choose.choice(tongue.answers)
    if kind < 3:
        return own
    return {
        3: phrase, 4: f"{mixed} 4711", 5: mixed, 6: f"{own} {phrase}",
        7: choose.choice(["4711", "ja", "ok", "✓", "max.muster@kunde.example", "https://kunde.example/foto/7", "[ja]", "<4711>", "x", "👍", "-> ja", "???"]),
    }[kind]  # fmt: skip


def _above(choose, sent, tongue, kind):
    return Answer(above=_letter(choose, sent, tongue)), "history"


def _letter(choose: random.Random, sent: Sent, tongue: Written) -> list[str]:
    return [_words(choose, sent, tongue), "", choose.choice(tongue.answers), "", "Carol"]


def _ordinary(choose, sent, tongue, kind):
    return Answer(above=list(choose.choice(ORDINARY))), "history"


def _card(choose, sent, tongue, kind):
    return Answer(above=[*_letter(choose, sent, tongue), "", *CARD]), "history"


def _phone(choose, sent, tongue, kind):
    return Answer(above=[*_letter(choose, sent, tongue), "", tongue.foot]), "history"


def _signature_cut(choose, sent, tongue, kind):
    return Answer(above=_letter(choose, sent, tongue), keep=len(sent.body)), "history"


def _cut(choose, sent, tongue, kind):
    """Whoever shortens a quotation does so below a sentence, not behind two words of it."""
    ends = [n + 1 for n, line in enumerate(sent.body) if len(re.findall(r"[^\W_]+", line)) >= 5]
    return Answer(
        above=_letter(choose, sent, tongue), keep=choose.choice(ends or [len(sent.body)])
    ), "history"


def _below(choose, sent, tongue, kind):
    return Answer(below=_letter(choose, sent, tongue)), "history" if kind in ("text", "html") else ""


def _below_card(choose, sent, tongue, kind):
    return Answer(below=[*_letter(choose, sent, tongue), "", *CARD]), "history" if kind in (
        "text",
        "html",
    ) else ""


def _places(choose: random.Random, sent: Sent) -> list[int]:
    filled = [number for number, line in enumerate(sent.body) if line.strip()]
    return sorted(choose.sample(filled, min(len(filled), choose.randint(1, 3))))


def _inside(way: str, red: bool = False, above: list[str] | None = None):
    def make(choose, sent, tongue, kind):
        inside = {place: [_words(choose, sent, tongue)] for place in _places(choose, sent)}
        head = [GREETING["de"]] if above is None else above
        rest = "rest" if kind in ("text", "html") and way in ("split", "middle") else ""
        return Answer(above=head, inside=inside, way=way, red=red), rest

    return make


def _first(choose, sent, tongue, kind):
    return Answer(
        above=[GREETING["en"]],
        inside={-1: [_words(choose, sent, tongue)]},
        way=choose.choice(("split", "within")),
    ), ""


def _last(choose, sent, tongue, kind):
    return Answer(above=[GREETING["en"]], last=[_words(choose, sent, tongue)]), ""


def _cut_inside(choose, sent, tongue, kind):
    places = _places(choose, sent)
    inside = {place: [_words(choose, sent, tongue)] for place in places}
    way = choose.choice(("split", "within", "end") if kind != "text" else ("split", "end"))
    return Answer(above=[GREETING["de"]], inside=inside, way=way, keep=max(places) + choose.randint(1, 3)), ""


ALL = ("text", "bare", "html", "page")
TYPED = ("bare", "html", "page")  # where a line typed into a quotation looks like the rest of it
STYLES = {
    "above": (ALL, _above),
    "above, with ordinary words": (ALL, _ordinary),
    "above, own signature": (ALL, _card),
    "above, a phone's line": (ALL, _phone),
    "above, our signature cut": (ALL, _signature_cut),
    "above, quotation cut": (ALL, _cut),
    "below": (ALL, _below),
    "below, own signature": (ALL, _below_card),
    "between, lines of its own": (ALL, _inside("split")),
    "between, within the quotation": (TYPED, _inside("within")),
    "between, in red": (("html", "page"), _inside("within", red=True)),
    "between, announced": (ALL, _inside("split", above=BELOW)),
    "between, nothing above": (ALL, _inside("split", above=[])),
    "at the ends of our lines": (ALL, _inside("end")),
    "at the ends, in red": (("html", "page"), _inside("end", red=True)),
    "inside a paragraph": (("text", "bare", "html"), _inside("middle")),
    "above our first line": (ALL, _first),
    "below our last line": (TYPED, _last),
    "between, quotation cut": (ALL, _cut_inside),
}


# --- what became of it


def judge(case: Case, score: Score) -> None:
    plain, signed = _raw(case, ""), _raw(case, SIGN)
    mail, marked = parse(plain), parse(signed)
    name = f"{case.style}: {case.program}, {case.language}"
    text = parse(_raw_sent(case.sent)).text
    assert marked.text.replace(SIGN, "") == mail.text, name
    score.answers += 1
    forms = [("text", *_of_text(mail.text, marked.text, text))]
    if mail.html:
        forms.append(("html", *_of_html(mail.html, marked.html, text, name)))
    for form, shown, hidden in forms:
        if SIGN in hidden:
            lost = re.findall(f"{SIGN}([^{SIGN}]*)", hidden)
            score.hidden.append(f"{name}, {form}: {lost[::2]}")
        if not case.folds or (case.folds == "rest" and form == "text" and mail.html):
            continue
        folded = _is_folded(case, shown, hidden)
        for key in ("all", case.style, f"program: {case.program}", f"language: {case.language}"):
            score.known[key] += 1
            score.folded[key] += folded
        if not folded:
            score.open.append(f"{name}, {form}: {shown[-300:]!r}")


def _of_text(plain: str, marked: str, sent: str) -> tuple[str, str]:
    """What is shown and what is hidden of the text with signs in it, folded as the one without."""
    folded = fold_text(plain, sent=lambda: sent)
    cuts, seen = {folded.opening: 0, len(folded.visible): 0}, 0
    for place, letter in enumerate(marked):
        if letter != SIGN:
            if seen in cuts:
                cuts[seen] = place
            seen += 1
    for cut in cuts:
        if cut >= seen:
            cuts[cut] = len(marked)
    opening = _before_signs(marked, cuts[folded.opening]) if folded.opening else 0
    end = _before_signs(marked, cuts[len(folded.visible)])
    return marked[opening:end], marked[:opening] + "\n" + marked[end:]


def _before_signs(marked: str, cut: int) -> int:
    """A sign with which words begin is on the side of these words."""
    while cut and marked[cut - 1] == SIGN and _opens(marked, cut - 1):
        cut -= 1
    return cut


def _opens(marked: str, place: int) -> bool:
    return marked.count(SIGN, 0, place) % 2 == 0


def _of_html(plain: str, marked: str, sent: str, name: str) -> tuple[str, str]:
    """As `_of_text`. The signs are foreign words, with which a page may fold more of ours, never less of theirs."""
    shown, hidden = halves(clean_html(plain, {}, sent=lambda: sent).html)
    signed = halves(clean_html(marked, {}, sent=lambda: sent).html)
    stripped = tuple(half.replace(SIGN, "") for half in signed)
    assert stripped == (shown, hidden) or hidden in stripped[1], name
    return signed if stripped == (shown, hidden) else (shown, signed[1] if hidden else "")


def halves(page: str) -> tuple[str, str]:
    """The words outside and inside of what is folded."""
    shown, folded, inside, position = "", "", False, 0
    for mark in FOLD.finditer(page):
        piece = page[position : mark.start()]
        shown, folded = (shown, folded + piece) if inside else (shown + piece, folded)
        inside, position = not mark[0].startswith("</"), mark.end()
    return text_of(shown + page[position:]), text_of(folded)


def _is_folded(case: Case, shown: str, hidden: str) -> bool:
    """Whether no line of ours below the last answer (of all, for an answer above or below) is shown."""
    ours = case.sent.body[: case.answer.keep]
    last = max(case.answer.inside, default=-1)
    rest = ours[last + 1 :] if case.folds == "rest" else ours
    lines = [" ".join(line.split()) for line in rest if len(line.split()) > 3]
    seen = " ".join(
        re.sub(f"{SIGN}[^{SIGN}]*{SIGN}", " ", shown).replace("\n> ", " ").replace("\n", " ").split()
    )
    return bool(hidden.strip()) and not any(line in seen for line in lines)


def _raw_sent(sent: Sent) -> bytes:
    return _mail(sent.text, "", "Re: Ersatzteile [#1042]")


def _raw(case: Case, sign: str) -> bytes:
    answer = case.answer
    signed = Answer(
        above=[_signed(line, sign) for line in answer.above if line not in CARD] + [line for line in answer.above if line in CARD],
        below=[_signed(line, sign) for line in answer.below if line not in CARD] + [line for line in answer.below if line in CARD],
        inside={place: [_signed(line, sign) for line in lines] for place, lines in answer.inside.items()},
        last=[_signed(line, sign) for line in answer.last],
        way=answer.way, red=answer.red, keep=answer.keep,
    )  # fmt: skip
    tongue = WRITTEN[case.language]
    signed.above = [
        line.replace(sign, "") if sign and line.replace(sign, "") == tongue.foot else line
        for line in signed.above
    ]
    text, page = PROGRAMS[case.program][0](case.sent, signed, tongue)
    return _mail(text, page, "AW: Ersatzteile [#1042]")


def _signed(line: str, sign: str) -> str:
    return f"{sign}{line}{sign}" if line.strip() else line


def _mail(text: str, page: str, subject: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "carol@kunde.example",
        "support@acme.example",
        subject,
    )
    if text:
        message.set_content(text)
    if page:
        (message.add_alternative if text else message.set_content)(page, subtype="html")
    return message.as_bytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "", *(int(number) for number in sys.argv[2:4])))
