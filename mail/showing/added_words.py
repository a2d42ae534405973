"""Whether a history is the mail that we sent and nothing else, or somebody wrote between its lines.

Most programs mark what they quote; Outlook and a few others do not, and there an answer inside the history
looks like the rest of it. But we know our own words: what stands there besides them was added.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from mail.showing.signatures import is_disclaimer

MAX_WORDS = 5000
WINDOW = 60  # words of ours that may be missing in one place
ENOUGH = 0.6  # of our words; below, it is the history of another mail

_NOT_WRITTEN = (
    re.compile(  # what programs add to words: addresses, targets of links, names of pictures, our marker
        r"ref:\d+\.[a-zA-Z2-7]{26}:ref|https?://\S+|mailto:\S+|<[^<>\n]{1,300}>|\[[^\[\]\n]{1,300}\]|\S+@\S+"
    )
)
_WORD = re.compile(r"[^\W_]+")


def adds_words(history: str, sent: str) -> bool | None:
    """True if the history (without its heading) says what the mail `sent` did not. None: not that mail.

    Linear in the number of words. Words that a gateway put below everything (a disclaimer) do not count.
    """
    there, ours = _words(history), _words(sent)
    if not ours or len(there) > MAX_WORDS or len(ours) > MAX_WORDS:
        return None
    places: dict[str, list[int]] = {}
    for place, (word, _) in enumerate(ours):
        places.setdefault(word, []).append(place)
    reached, found, added, last = 0, 0, [], 0
    for word, offset in there:
        known = places.get(word, [])
        at = bisect_left(known, reached)
        if at < len(known) and known[at] - reached <= WINDOW:
            reached, found, last = known[at] + 1, found + 1, offset
        else:
            added.append(offset)
    if found < ENOUGH * len(ours):
        return None
    if added and added[0] > last and is_disclaimer(_NOT_WRITTEN.sub(" ", history)[last:]):
        return False
    return bool(added)


def _words(text: str) -> list[tuple[str, int]]:
    bare = _NOT_WRITTEN.sub(" ", text)
    return [(word[0].casefold(), word.start()) for word in _WORD.finditer(bare)]
