"""The lines of a piece of cleaned HTML, and what can be seen in it beside its words."""

from __future__ import annotations

import html
import re

TAG = re.compile(r'<(/?)([a-z0-9]+)((?:[^<>"]|"[^"]*")*)>')
_CELL_END = re.compile(r"</t[dh]>")
_LINE_END = re.compile(r"<br[^>]*>|</?(?:p|div|tr|li|blockquote|table)\b[^>]*>")
_HREF, _ALT = re.compile(r' href="([^"]*)"'), re.compile(r' alt="\s*([^"]*?)\s*"')
# Our own logo in its frame: a picture that has a cell of a table for itself.
_LOGO = re.compile(
    r"<td\b[^<>]*>(?:\s|<(?:p|div|span|b)\b[^<>]*>){0,6}(<img [^<>]*>)(?:\s|</(?:p|div|span|b)>){0,6}</td>"
)
_FILE_NAME = re.compile(r"(?i)[\w.()@%+ -]{0,120}\.(?:png|jpe?g|gif|bmp|tiff?|webp|svg|heic|ico|emz|wmz)|")
_STRUCK = {"s", "strike", "del"}
STROKE = "~"
ASIDE, ASIDE_END = "\ue000", "\ue001"  # of nobody's alphabet; they are taken out of what strangers write
_ASIDE = re.compile(f"{ASIDE}[^{ASIDE_END}]*{ASIDE_END}")
NO_ASIDES = {ord(ASIDE): None, ord(ASIDE_END): None}


def lines_of(markup: str) -> list[str]:
    text = _LINE_END.sub("\n", _CELL_END.sub(" ", markup.replace("\n", " ")))
    lines = (" ".join(html.unescape(TAG.sub("", line)).split()) for line in text.split("\n"))
    return [line for line in lines if line]


def spelled_out(markup: str) -> str:
    """The markup of a history with words for what is seen beside them: targets, the words of pictures, strokes.

    Whoever strikes out one offer has chosen the other; some programs show a sign as a picture whose words it is.
    """
    targets: list[str] = []
    logo = _LOGO.search(markup)

    def spelled(tag: re.Match[str]) -> str:
        closing, name, attributes = tag.groups()
        if name == "a" and not closing:
            found = _HREF.search(attributes)
            targets.append(found[1].strip().replace(" ", "%20") if found else "")
        elif name == "a" and targets and (target := targets.pop()):
            return f"{ASIDE}&lt;{target}&gt;{ASIDE_END}</a>"
        elif name == "img" and not (logo and logo.start(1) == tag.start()):
            found = _ALT.search(attributes)
            if found and not _FILE_NAME.fullmatch(found[1]):
                return f"{tag[0]}{ASIDE} {found[1]} {ASIDE_END}"
        elif not closing and (name in _STRUCK or "line-through" in attributes):
            return f"{tag[0]}{ASIDE}{STROKE}{ASIDE_END}"
        return tag[0]

    return TAG.sub(spelled, markup.translate(NO_ASIDES))


def without_asides(line: str) -> str:
    """A line of what `spelled_out` wrote, with its words alone."""
    return _ASIDE.sub("", line)
