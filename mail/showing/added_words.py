"""Whether a history is the mail that we sent and nothing else, or somebody wrote between its lines.

An answer inside a history looks like the rest of it: in Outlook, which marks nothing, and in every program whose
user types within the quotation. But we know our own words. A history is ours alone if it is one stretch of them,
word after word: its beginning and its end may have been cut, between whole lines, and our signature left out.
Whatever stands there besides was added: a word, a link, any sign between two words that ours do not have there.
What could be either is taken for an answer, since a word of ours that stays open costs a look, and an answer that
is hidden costs the answer.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice, pairwise
from urllib.parse import unquote

from mail.showing.notices import is_notice

MAX_LENGTH = 200_000  # characters; what is longer is not compared, and counts as answered
MAX_COMPARED = 5  # histories of one mail; who has more headings than people write is not believed
ALIKE = 3  # words by which a place in our mail is found
MAX_STARTS = 8  # places in our mail where a history whose beginning was cut may set in
SURE = 5  # words of a line of ours that nobody happens to answer
FEW = 8  # words; that little is never called the history of another mail
MAX_REWRITTEN = 40  # links that are looked for in rewritten ones
BEFORE_TARGET = 300  # characters before the target of a link, in which its words are looked for

# What programs put into a text that they quote: our own mark, and names of files in the place of pictures.
_PUT_IN = re.compile(
    r"ref:\d+\.[a-zA-Z2-7]{26}:ref"
    r"|\[cid\s?:(?=[^\[\]\s]{0,300}\d)[^\[\]\s]{1,300}\]"
    r"|\[(?:image|inline image|bild|grafik|afbeelding|immagine|imagen|imagem|obraz)\s?:\s{0,3}"
    r"(?:[\w.()@%+ -]{1,120}\.(?:png|jpe?g|gif|bmp|tiff?|webp|svg|heic|ico|emz|wmz))?\s{0,3}\]",
    re.I,
)
# The target of a link behind its words (Gmail sets a blank before it), and Outlook's of a picture.
_TARGET = re.compile(
    r"(?:(?<=\S)|(?<=\S ))<((?:mailto:|tel:|https?://)[^<>\s]{1,2000})>|\[(https?\s?:[^\[\]\s]{1,300})\]",
    re.I,
)
_LINK = re.compile(
    r"(?:(?:https?://|www\.)[^\s<>\"]{1,2000}|(?<![\w.+'-])(?:mailto:)?[\w.+'-]{1,64}@[\w.-]{1,255})"
    r"(?<![.,;:!?)>\]'])",
    re.I,
)
_WORD = re.compile(r"[^\W_]+")
_NUMBER_OF_ITEM = re.compile(r"(?m)^[ \t\xa0>]*(\d{1,2})[.)][ \t\xa0]+\S")
_REWRITTEN = re.compile(
    r"(?i)https?://[^/]*(?:safelinks|urldefense|proofpoint|mimecast|barracuda|trendmicro|sophos)"
)
# Signs that programs write in another way, and what has no width.
_ALIKE = {ord(sign): like for signs, like in (
    ("„“”‟«»″", '"'), ("‘’‚‛‹›`´′", "'"), ("‐‑‒–−", "-"), ("—―", "--"), ("…", "..."),
) for sign in signs}  # fmt: skip
_UNSEEN = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufffc]+"
)
_QUOTE_MARKS = re.compile(r"\n[\s>]+")
_BULLET = re.compile(r"\n[ \t\r\xa0>]*([-*–•·▪◦○●§\uf0b7])\s+\Z")
_RULE = re.compile(r"(?m)^[ \t>]*([-_*=])\1{4,}[ \t\r]*$")


class Comparison:
    """The mail of ours that is answered, beside the histories in one mail of theirs; read when it is asked for."""

    def __init__(self, sent: Callable[[], str] | None) -> None:
        self._sent, self._left = sent, MAX_COMPARED

    @property
    def known(self) -> bool:
        """Whether there is anything to compare with."""
        return bool(self._text)

    def adds_words(self, history: Callable[[], str], *, marked: bool = False) -> bool | None:
        """True if the history (without its heading) says what our mail did not. None: not that mail, or not known.

        Linear in the number of words. Notices that a gateway put below everything (a disclaimer) do not count.
        What is `marked` as quoted (by `>`, by an element) may set in anywhere, below an answer in the middle of a
        line.
        """
        if not self.known:
            return None
        if not self._left or len(self._text) > MAX_LENGTH:
            return True
        self._left -= 1
        text = history()
        if len(text) > MAX_LENGTH:
            return True
        ours, there = self._lines, _Text(text)
        if not ours.text.names:
            return None
        if not there.names:
            return True if _signs("\n" + there.text) or there.links_beside(ours.text) else None
        if (stretch := _stretch(there, ours, marked)) is None:
            return True if _may_be_ours(there, ours.text) else None
        return stretch.adds_words()

    @cached_property
    def _text(self) -> str:
        sent = self._sent() if self._sent is not None else ""
        return "" if sent.isspace() else sent

    @cached_property
    def _lines(self) -> _Lines:
        return _Lines(_Text(self._text))


class _Text:
    """The words of a text; and apart from them links, which a program may write in another way."""

    def __init__(self, text: str) -> None:
        self.whole = text
        self.targets: set[str] = set()
        self.links: Counter[str] = Counter()
        bare = _TARGET.sub(self._target, _PUT_IN.sub(_blanks, text))
        self.text = _LINK.sub(self._link, bare)
        found = list(_WORD.finditer(self.text))
        self.names = [word[0].casefold() for word in found]
        self.starts = [word.start() for word in found]
        self._ends = [0, *(word.end() for word in found)]

    def _target(self, found: re.Match[str]) -> str:
        before = found.string[max(found.start() - BEFORE_TARGET, 0) : found.start()]
        if not found[1] or not _names_itself(found[1], before):
            self.targets.add(_bare_link(found[1] or found[2]))
        return _blanks(found)

    def _link(self, found: re.Match[str]) -> str:
        self.links[_bare_link(found[0])] += 1
        return _blanks(found)

    def before(self, place: int) -> str:
        """What stands between a word and the one before it; it begins with a line end where the text begins."""
        start = self.starts[place] if place < len(self.starts) else len(self.text)
        return ("" if place else "\n") + self.text[self._ends[place] : start]

    def piece(self, first: int, end: int) -> _Text:
        """The text of some of its words, with what stands before them in their line, and behind them."""
        start = self.starts[first]
        line = self.whole.rfind("\n", 0, start) + 1
        if first == 0 or self.starts[first - 1] < line:
            start = line
        return _Text(self.whole[start : self.starts[end]] if end < len(self.starts) else self.whole[start:])

    def links_beside(self, ours: _Text) -> bool:
        """Whether an address or a link stands here that `ours` does not have."""
        known = ours.links + Counter(ours.targets)
        foreign = [*(self.links - known), *(self.targets - known.keys())]
        if len(foreign) > MAX_REWRITTEN or len(known) > MAX_REWRITTEN:
            return bool(foreign)
        return not all(_REWRITTEN.match(link) and _leads_to(link, known) for link in foreign)


class _Lines:
    """Our own words, and where a history of them may begin, end or leave something out."""

    def __init__(self, ours: _Text) -> None:
        self.text, self.words = ours, ours.names
        count = len(self.words)
        line_ends = [end.start() for end in re.finditer(r"\n|\Z", ours.text)]
        self.begins = [False] * (count + 1)  # a line with this word
        self.length = [0] * count  # of the line that the word stands in, in words
        word = 0
        for end in line_ends:
            first = word
            while word < count and ours.starts[word] < end:
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
        return {place for place, start in enumerate(ours.starts) if start in numbers}

    def _signature(self, ours: _Text) -> tuple[int, int]:
        """From our signature up to what we quoted ourselves, which are left out alone or together."""
        count = len(self.words)
        dashes = re.search(r"(?m)^-- ?\r?$", ours.text)
        quoted = re.search(r"(?m)^>", ours.text[dashes.end() :]) if dashes else None
        if dashes is None:
            return count, count
        first = _place(ours.starts, dashes.start())
        if quoted is None:
            return first, count
        end = _place(ours.starts, dashes.end() + quoted.start())
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


class _Stretch:
    """The words there, and where in our mail each of them stands; `end`: the place below the last of them."""

    def __init__(self, there: _Text, ours: _Lines, places: list[int], end: int) -> None:
        self.there, self.ours, self.places, self.end = there, ours, places, end
        self.notice = len(places) < len(there.names)  # all that follows them

    def adds_words(self) -> bool:
        return self._adds_signs() or self._adds_links()

    def _adds_signs(self) -> bool:
        """Whether anything but blanks stands before a word, or behind the last, that ours do not have there.

        A program writes bullets of its own, or none, and does so for all items of a list.
        """
        there, ours = self.there, self.ours.text
        bullets: dict[str, set[str]] = {}
        above = -1
        for number, place in enumerate(self.places):
            found = there.before(number)
            known = ours.before(place) if 0 <= above == place - 1 else self._known(above, place)
            above = place
            if found == known and "\n" not in known:
                continue
            if "\n" in known and (bullet := _BULLET.match(known, known.rfind("\n"))):
                own = _BULLET.match(found, max(found.rfind("\n"), 0))
                kept = bullet[1] if bullet[1] in found else ""
                bullets.setdefault(bullet[1], set()).add(own[1] if own else kept)
                if own:
                    found, known = found[: own.start(1)], known[: bullet.start(1)]
            if _beside(found, known):
                return True
        below, known = there.before(len(self.places)), self._known(above, self.end)
        if self.notice:
            below = _RULE.sub("", below).rstrip(" *_-")
        return _beside(below, known) or any(len(ways) > 1 for ways in bullets.values())

    def _known(self, above: int, place: int) -> str:
        """What stands in our mail before a word and below the one above it; less where words were left out."""
        ours = self.ours.text
        if above < 0:
            return ours.before(place) if place == 0 else _below_line(ours.before(place))
        first, between = ours.before(above + 1), range(above + 1, place)
        if place == len(ours.names) and not between:
            return first
        if place < self.end and self.ours.skip.issuperset(between):
            return first + "".join(ours.before(other + 1).lstrip(".)") for other in between)
        below = _last_line(ours.before(place)) if place < self.end else ""
        return first.partition("\n")[0] + below

    def _adds_links(self) -> bool:
        ours, first = self.ours.text, self.places[0]
        whole = first == 0 and self.end == len(ours.names)
        there = self.there.piece(0, len(self.places)) if self.notice else self.there
        return there.links_beside(ours if whole else ours.piece(first, self.end))


def _stretch(there: _Text, ours: _Lines, marked: bool) -> _Stretch | None:
    """The words of ours that these are, all and in our order."""
    first = there.names[:ALIKE]
    starts = (
        place
        for place in range(len(ours.words))
        if ours.words[place] == first[0] and ours.words[place : place + len(first)] == first
    )
    likely = (start for start in starts if marked or ours.may_begin(start))
    for start in (0, *islice(likely, MAX_STARTS)):
        if (stretch := _read_from(there, ours, start)) is not None:
            return stretch
    return None


def _read_from(there: _Text, ours: _Lines, place: int) -> _Stretch | None:
    """The words there, read from `place` on, if they are ours up to a notice that a server put below all of them."""
    left_out, end = ours.closing
    places: list[int] = []
    for number, name in enumerate(there.names):
        while place in ours.skip and ours.words[place] != name:
            place += 1
        if place == left_out < end and ours.words[place] != name:
            place = end
        if place < len(ours.words) and ours.words[place] == name:
            places.append(place)
            place += 1
            continue
        below = place == len(ours.words) and number > 0
        if below and is_notice(_from_line(there.text, there.whole, there.starts[number])):
            return _Stretch(there, ours, places, place)
        return None
    return _Stretch(there, ours, places, place) if ours.may_end(place) else None


def _may_be_ours(there: _Text, ours: _Text) -> bool:
    """Whether anything tells that our mail came back: a link, two words in a row, or a third of all words."""
    words, known = there.names, ours.names
    if len(words) < FEW or there.links.keys() & ours.links.keys():
        return True
    pairs, single = set(pairwise(known)), set(known)
    return any(pair in pairs for pair in pairwise(words)) or 3 * sum(w in single for w in words) >= len(words)


def _beside(found: str, known: str) -> bool:
    """Whether a sign stands in the one that the other does not have."""
    signs = _signs(found)
    return bool(signs) and bool(Counter(signs) - Counter(_signs(known)))


def _signs(between: str) -> str:
    """What can be seen between two words, but for the marks of quotations, each sign in one way of writing it."""
    if between.isspace():
        return ""
    return _UNSEEN.sub("", _QUOTE_MARKS.sub("\n", between)).translate(_ALIKE)


def _below_line(text: str) -> str:
    """What stands below the first of its lines, if there are more."""
    return text[max(text.find("\n"), 0) :]


def _last_line(text: str) -> str:
    """What stands in the last of its lines; a line end stands for the others."""
    return text[max(text.rfind("\n"), 0) :]


def _place(starts: list[int], offset: int) -> int:
    return bisect_left(starts, offset)


def _from_line(text: str, whole: str, offset: int) -> str:
    """The rest of a text with its links, if a line begins there, else nothing."""
    begin = text.rfind("\n", 0, offset) + 1
    return whole[offset:] if not text[begin:offset].strip(" \t\r>*_-") else ""


def _blanks(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _bare_link(link: str) -> str:
    bare = link.casefold().rstrip(".,;:!?)>]'\"")
    if _REWRITTEN.match(bare):
        return bare
    return bare.removeprefix("mailto:").partition("?")[0] if "@" in bare and "//" not in bare else _path(bare)


def _path(link: str) -> str:
    return link.partition("://")[2].removeprefix("www.").rstrip("/") or link.removeprefix("www.").rstrip("/")


def _names_itself(target: str, before: str) -> bool:
    """Whether a program made a link of the words before it: an address, a name of a machine, a number of a phone."""
    if target[:4].casefold() == "tel:":
        number, said = (re.sub(r"\D", "", written) for written in (target, before[-40:]))
        return len(number) >= 4 and said.endswith(number[-min(len(number), 7) :])
    words = before.split()
    return bool(words) and _bare_link(target) == _bare_link(words[-1].strip("<>()[]{}\"'*_„“”«»,;:."))


def _leads_to(rewritten: str, links: Iterable[str]) -> bool:
    """Whether one of the links stands in another; Proofpoint has signs of its own for `%` and `/`."""
    targets = unquote(rewritten), unquote(rewritten.replace("-", "%").replace("_", "/"))
    return any(link in target for link in links for target in targets)
