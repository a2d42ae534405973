"""A sign in place of an answer: how Gmail sends »reacted with 👍« (Google, "Email reactions format", 2023).

Beside the sign, for programs that do not know it, stands a text that Gmail writes itself. Only that text may be taken
for nothing new: whoever adds a word or a file has answered, whatever else their mail holds.
"""

from __future__ import annotations

import json
import re
import unicodedata

from mail.reading.charsets import scrub
from mail.reading.plaintext import MAX_HTML, text_of
from mail.showing.headings import is_attribution
from mail.types import Part

REACTION = "text/vnd.google.email-reaction+json"
LONGEST = 20  # code points; families and flags are put together of many
READ = 1_000  # octets

_OF_SIGNS = {"So", "Sk", "Sm", "Mn", "Me"}  # skin tones are Sk, variation selectors Mn, letters of flags So
_SHOWN = {"So", "Sm"}  # without one of them there is nothing to see
_JOINER = "\u200d"
_TAGS = range(0xE0020, 0xE0080)  # the flags of England, Scotland, Wales
_KEYCAP = re.compile("[0-9#*]\ufe0f?\u20e3")

# »Karla Kunde reacted via Gmail <https://www.google.com/gmail/about/…>«, in the language of their mailbox.
MAX_SENTENCE = 60  # characters beside the name
MAX_ATTRIBUTION = 600  # characters
_LINK = re.compile(r"[<(]?https?://(?:www\.)?google\.com/gmail/about/?(?:\?[^\s<>()]{0,400})?[>)]?(?!\S)")
_REACTED = re.compile(
    r"react|r[eé]a[gkc]|reaț|reakc|réagál|riasp|odzva|tepki|ifade|αντ[έί]δρ|реаг|реакц|リアクション|反応|反应|反應|回应|回應|반응"
    r"|공감|הגיב|תגוב|تفاعل|รีแอ|phản ứng|bày tỏ|प्रतिक्रि|bereaksi",
    re.I,
)
_OTHER_SENTENCES = re.compile(r"[.!?;:,…](?=\s|\Z)|\d")


def reaction_in(data: bytes) -> str:
    """The emoji of the part, or an empty string where it says something else. Never raises."""
    try:
        sign = json.loads(data[:READ])["emoji"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return sign if isinstance(sign, str) and 0 < len(sign) <= LONGEST and _is_sign(sign) else ""


def _is_sign(sign: str) -> bool:
    """Letters and digits would be words of a stranger in a place where nobody expects any."""
    others = _KEYCAP.sub("", sign)
    if sign != scrub(sign) or not all(_belongs_to_signs(letter) for letter in others):
        return False
    return others != sign or any(unicodedata.category(letter) in _SHOWN for letter in others)


def _belongs_to_signs(letter: str) -> bool:
    if letter.isascii():
        return False
    return unicodedata.category(letter) in _OF_SIGNS or letter == _JOINER or ord(letter) in _TAGS


def sign_or_files(
    part: Part | None, files: list[Part], name: str, text: str, markup: str
) -> tuple[str, list[Part]]:
    """The sign of a mail that says nothing else, or an empty string; and the mail's files.

    `part` is the one with the sign: a file like any other where neither a sign nor the words show what it says.
    `name`: what From calls the writer.
    """
    if part is None:
        return "", files
    sign = reaction_in(part.data)
    if sign and not files and _says_no_more(sign, name, text, markup):
        return sign, files
    return "", files if sign and sign in text else [*files, part]


def _says_no_more(sign: str, name: str, text: str, markup: str) -> bool:
    """Whether each of the forms is what Gmail writes around the sign."""
    if not _is_gmails(sign, name, text):
        return False
    if not markup:
        return True
    has_picture = "<img" in markup.partition("<blockquote")[0].lower()
    return len(markup) <= MAX_HTML and not has_picture and _is_gmails(sign, name, text_of(markup))


def _is_gmails(sign: str, name: str, text: str) -> bool:
    """The sign, a sentence with Gmail's link, a quotation with who wrote it; each of them may be missing."""
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
    if paragraphs and _bare(paragraphs[0]) == _bare(sign):
        del paragraphs[0]
    if paragraphs and _is_sentence(paragraphs[0], name):
        del paragraphs[0]
    lines = [line.strip() for part in paragraphs for line in part.split("\n")]
    quoted = next((number for number, line in enumerate(lines) if line.startswith(">")), len(lines))
    if not all(line.startswith(">") for line in lines[quoted:]):
        return False
    above = " ".join(lines[:quoted])
    return not above or (quoted < len(lines) and _is_attribution(above, paragraphs[0]))


def _bare(sign: str) -> str:
    return sign.strip().replace("\ufe0f", "")


def _is_sentence(paragraph: str, name: str) -> bool:
    words = " ".join(paragraph.split())
    link = _LINK.search(words)
    if link is None:
        return False
    said = " ".join((words[: link.start()] + words[link.end() :]).split())
    name = " ".join(name.split())
    if name not in said:
        return False
    said = said.replace(name, "", 1).strip().removesuffix(".")
    return (
        len(said) <= MAX_SENTENCE
        and "gmail" in said.lower()
        and _REACTED.search(said) is not None
        and _OTHER_SENTENCES.search(said) is None
    )


def _is_attribution(above: str, paragraph: str) -> bool:
    """One line of a program, which may have been broken; not a paragraph of the writer's above it."""
    one = " ".join(paragraph.split("\n>")[0].split())
    return above == one and len(above) <= MAX_ATTRIBUTION and is_attribution(above)
