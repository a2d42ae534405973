"""Whether a history is the mail that we sent and nothing else, or somebody wrote between its lines.

An answer inside a history looks like the rest of it: in Outlook, which marks nothing, and in every program whose
user types within the quotation. But we know our own words. A history is ours alone if it is one stretch of them,
word after word: its beginning and its end may have been cut, between whole lines, and our signature left out.
Whatever stands there besides was added. What could be either is taken for an answer, since a word of ours that
stays open costs a look, and an answer that is hidden costs the answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, pairwise
from urllib.parse import unquote

from mail.showing.signatures import is_notice

MAX_LENGTH = 200_000  # characters; what is longer is not compared, and counts as answered
ALIKE = 3  # words by which a place in our mail is found
MAX_STARTS = 8  # places in our mail where a history whose beginning was cut may set in
SURE = 5  # words of a line of ours that nobody happens to answer
FEW = 8  # words; that little is never called the history of another mail
MAX_REWRITTEN = 40  # links that are looked for in rewritten ones

# What programs put into a text that they quote: our own mark, pictures, and the target of a link behind its words.
_PUT_IN = re.compile(
    r"ref:\d+\.[a-zA-Z2-7]{26}:ref"
    r"|\[(?:cid|https?)\s?:[^\[\]\s]{1,300}\]"
    r"|\[(?:image|inline image|bild|grafik|afbeelding|immagine|imagen|imagem|obraz)\s?:[^\[\]\n]{0,200}\]"
    r"|(?<=\S)<(?:mailto:|tel:|https?://)[^<>\s]{1,2000}>",
    re.I,
)
_POINTED = re.compile(r"(?i)(?<=\S )<((?:mailto:|https?://)[^<>\s]{1,2000})>")  # Gmail sets a blank before it
_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]{1,2000}|(?<![\w.+'-])(?:mailto:)?[\w.+'-]{1,64}@[\w.-]{1,255}", re.I
)
_SIGN = re.compile(r"[?!+=%€$£&✓…]|[\u2190-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
_WORD = re.compile(r"[^\W_]+")
_NUMBER_OF_ITEM = re.compile(r"(?m)^[\s>]*(\d{1,2})[.)]\s+\S")
_REWRITTEN = re.compile(
    r"(?i)https?://[^/]*(?:safelinks|urldefense|proofpoint|mimecast|barracuda|trendmicro|sophos)"
)


def adds_words(history: str, sent: str, *, marked: bool = False) -> bool | None:
    """True if the history (without its heading) says what the mail `sent` did not. None: not that mail.

    Linear in the number of words. Notices that a gateway put below everything (a disclaimer) do not count.
    What is `marked` as quoted (by `>`, by an element) may set in anywhere, below an answer in the middle of a line.
    """
    if not sent or sent.isspace():
        return None
    if len(history) > MAX_LENGTH or len(sent) > MAX_LENGTH:
        return True
    there, ours = _Text(history), _Text(sent)
    if not ours.words:
        return None
    if not there.words:
        return True if there.signs_beside(ours) else None
    if (stretch := _stretch(there, _Lines(ours), marked)) is not None:
        return there.signs_beside(ours if stretch == (0, len(ours.words)) else ours.piece(*stretch))
    return True if _may_be_ours(there, ours) else None


@dataclass(slots=True)
class _Word:
    name: str  # in lower case
    start: int  # where it stands


class _Text:
    """The words of a text; and apart from them what a program may write in another way: links, and signs."""

    def __init__(self, text: str) -> None:
        self.whole = text
        bare = _PUT_IN.sub(_blanks, text)
        self.targets = {_bare_link(link[1]) for link in _POINTED.finditer(bare)}
        bare = _POINTED.sub(_blanks, bare)
        self.links = Counter(_bare_link(link[0]) for link in _LINK.finditer(bare))
        self.text = _LINK.sub(_blanks, bare)
        self.words = _words(self.text)
        self.signs = Counter(_SIGN.findall(self.text))

    def piece(self, first: int, end: int) -> _Text:
        """The text of some of its words, with what stands before them in their line, and behind them."""
        start = self.words[first].start
        line = self.whole.rfind("\n", 0, start) + 1
        if first == 0 or self.words[first - 1].start < line:
            start = line
        return _Text(
            self.whole[start : self.words[end].start] if end < len(self.words) else self.whole[start:]
        )

    def signs_beside(self, ours: _Text) -> bool:
        """Whether a sign, an address or a link stands here that `ours` does not have."""
        if self.signs - ours.signs:
            return True
        known = ours.links + Counter(ours.targets)
        foreign = [*(self.links - known), *(self.targets - known.keys())]
        if len(foreign) > MAX_REWRITTEN or len(known) > MAX_REWRITTEN:
            return bool(foreign)
        return not all(_REWRITTEN.match(link) and _leads_to(link, known) for link in foreign)


class _Lines:
    """Our own words, and where a history of them may begin, end or leave something out."""

    def __init__(self, ours: _Text) -> None:
        self.words = _names(ours)
        count = len(self.words)
        line_ends = [end.start() for end in re.finditer(r"\n|\Z", ours.text)]
        self.begins = [False] * (count + 1)  # a line with this word
        self.length = [0] * count  # of the line that the word stands in, in words
        word = 0
        for end in line_ends:
            first = word
            while word < count and ours.words[word].start < end:
                word += 1
            if word > first:
                self.begins[first] = True
                self.length[first:word] = [word - first] * (word - first)
        self.begins[count] = True
        self.skip = self._items(ours)
        self.quoted = count  # where what we quoted ourselves begins
        self.closing = self._signature(ours)

    def _items(self, ours: _Text) -> set[int]:
        """The numbers of a list: in HTML the program draws them."""
        numbers = {found.start(1) for found in _NUMBER_OF_ITEM.finditer(ours.text)}
        return {place for place, word in enumerate(ours.words) if word.start in numbers}

    def _signature(self, ours: _Text) -> tuple[int, int]:
        """From our signature up to what we quoted ourselves, which are left out alone or together."""
        count = len(self.words)
        dashes = re.search(r"(?m)^-- ?\r?$", ours.text)
        quoted = re.search(r"(?m)^>", ours.text[dashes.end() :]) if dashes else None
        if dashes is None:
            return count, count
        first = _place(ours.words, dashes.start())
        if quoted is None:
            return first, count
        end = _place(ours.words, dashes.end() + quoted.start())
        while end > first and not self.begins[end]:
            end -= 1
        self.quoted = end
        attribution = end - 1
        while attribution > first and not self.begins[attribution]:
            attribution -= 1
        return first, max(attribution, first)

    def may_begin(self, place: int) -> bool:
        if place == 0 or place in self.closing or place == self.quoted:
            return True
        return self.begins[place] and self.length[place] >= SURE

    def may_end(self, place: int) -> bool:
        """Whether our words may have been cut before `place`."""
        while place in self.skip:
            place += 1
        if place in (len(self.words), *self.closing):
            return True
        return self.begins[place] and self.length[place - 1] >= SURE


def _stretch(there: _Text, ours: _Lines, marked: bool) -> tuple[int, int] | None:
    """The words of ours that these are, all and in our order: the first and the one below the last."""
    first = _names(there)[:ALIKE]
    starts = (
        place
        for place in range(len(ours.words))
        if ours.words[place] == first[0] and ours.words[place : place + len(first)] == first
    )
    likely = (start for start in starts if marked or ours.may_begin(start))
    for start in (0, *islice(likely, MAX_STARTS)):
        if (end := _end_of(there, ours, start)) is not None:
            return start, end
    return None


def _end_of(there: _Text, ours: _Lines, place: int) -> int | None:
    """Where the words there end, read from `place` on, if they are ours up to a notice that a server put below."""
    left_out, end = ours.closing
    for number, word in enumerate(there.words):
        while place in ours.skip and ours.words[place] != word.name:
            place += 1
        if place == left_out < end and ours.words[place] != word.name:
            place = end
        if place < len(ours.words) and ours.words[place] == word.name:
            place += 1
            continue
        notice = number > 0 and ours.may_end(place) and is_notice(_from_line(there.text, word.start))
        return place if notice else None
    return place if ours.may_end(place) else None


def _may_be_ours(there: _Text, ours: _Text) -> bool:
    """Whether anything tells that our mail came back: a link, two words in a row, or a third of all words."""
    words, known = _names(there), _names(ours)
    if len(words) < FEW or there.links.keys() & ours.links.keys():
        return True
    pairs, single = set(pairwise(known)), set(known)
    return any(pair in pairs for pair in pairwise(words)) or 3 * sum(w in single for w in words) >= len(words)


def _words(text: str) -> list[_Word]:
    return [_Word(word[0].casefold(), word.start()) for word in _WORD.finditer(text)]


def _names(text: _Text) -> list[str]:
    return [word.name for word in text.words]


def _place(words: list[_Word], offset: int) -> int:
    return next((place for place, word in enumerate(words) if word.start >= offset), len(words))


def _from_line(text: str, offset: int) -> str:
    """The rest of a text, if a line begins there, else nothing."""
    begin = text.rfind("\n", 0, offset) + 1
    return text[offset:] if not text[begin:offset].strip(" \t\r>*_-") else ""


def _blanks(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _bare_link(link: str) -> str:
    bare = link.casefold().rstrip(".,;:!?)>]'\"")
    if _REWRITTEN.match(bare):
        return bare
    return bare.removeprefix("mailto:").partition("?")[0] if "@" in bare and "//" not in bare else _path(bare)


def _path(link: str) -> str:
    return link.partition("://")[2].removeprefix("www.").rstrip("/") or link.removeprefix("www.").rstrip("/")


def _leads_to(rewritten: str, links: Iterable[str]) -> bool:
    target = unquote(rewritten)
    return any(link in target for link in links)
