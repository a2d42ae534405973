"""How mail programs quote a mail that is answered, as far as it matters to folding: for `answers`.

A program gets what we sent and what the customer wrote where, and answers with the text and the HTML of their mail
(either may be missing). Modelled on the mails of these programs; nothing is copied from real ones.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.answer_words import Written

SIGN = "\u2060"  # stands in the second form of an answer where words of the customer begin and end; it has no width
NAME, ADDRESS = "Acme GmbH", "support-acme+1042-abcdefghijklmnopqrstuvwxyz@acme.example"


@dataclass(frozen=True)
class Sent:
    """Our mail: the lines of the answer itself, of the signature, and what it quotes of the customer."""

    body: list[str]
    signature: list[str]
    attribution: str
    quoted: list[str]
    marker: str = "ref:1042.abcdefghijklmnopqrstuvwxyz:ref"

    @property
    def text(self) -> str:
        older = [self.attribution, *(f"> {line}".rstrip() for line in self.quoted)]
        return "\n".join([*self.body, "", "-- ", *self.signature, "", *older, "", self.marker, ""])


@dataclass
class Answer:
    """What the customer did. `inside[k]`: the answers below line k of our body (-1: above the first).

    `way`: the answer has a line of its own that is no part of the quotation (`split`), a line within it (`within`), or
    stands at the end (`end`) or in the `middle` of our line. `keep` lines of our body were left (None: all of the mail).
    `last`: below all of our words, still inside the quotation.
    """

    above: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    inside: dict[int, list[str]] = field(default_factory=dict)
    last: list[str] = field(default_factory=list)
    way: str = "split"
    red: bool = False
    keep: int | None = None


Lines = list[tuple[str, bool]]  # a line, and whether it stands outside of the quotation


def lines_of(sent: Sent, answer: Answer) -> Lines:
    found: Lines = [(line, answer.way == "split") for line in answer.inside.get(-1, [])]
    for number, line in enumerate(sent.body[: answer.keep]):
        new = answer.inside.get(number, [])
        if new and answer.way == "end":
            found.append((" ".join([line, *new]), False))
        elif new and answer.way == "middle":
            words = line.split(" ")
            half = (len(words) + 1) // 2
            found += [(" ".join(words[:half]), False), *((words_, True) for words_ in new)]
            if words[half:]:
                found.append((" ".join(words[half:]), False))
        else:
            found += [(line, False), *((words, answer.way == "split") for words in new)]
    if answer.keep is None:
        found += [(line, False) for line in ("", "-- ", *sent.signature, "", sent.attribution)]
        found += [(f"> {line}".rstrip(), False) for line in sent.quoted]
        found += [("", False), (sent.marker, False)]
    return found + [(line, False) for line in answer.last]


# --- plain text


def _signs(lines: Lines, wrap: int = 0, sign: str = "> ") -> str:
    """Behind `>`, as programs do; some break lines that grow too long."""
    shown: list[str] = []
    for line, outside in lines:
        if outside:
            shown += ["", line, ""]
            continue
        depth = sign.strip() + (" " if not line.startswith(">") else "")
        shown += [(depth + part).rstrip() for part in _wrapped(line, wrap)]
    return "\n".join(shown)


def _wrapped(line: str, wrap: int) -> list[str]:
    """The line in pieces of at most `wrap` characters; those that have no width do not count."""
    parts = [""]
    for word in line.split(" "):
        whole = f"{parts[-1]} {word}" if parts[-1] else word
        if wrap and parts[-1] and len(whole.replace(SIGN, "")) > wrap:
            parts.append(word)
        else:
            parts[-1] = whole
    return parts


def _marked(
    head: str, wrap: int = 0, within: bool = False
) -> Callable[[Sent, Answer, Written], tuple[str, str]]:
    def program(sent: Sent, answer: Answer, tongue: Written) -> tuple[str, str]:
        title = head_of(tongue, head)
        if wrap and len(title) > wrap:  # Gmail breaks behind the bracket
            title = title.replace(" <", " <\n", 1) if "<" in title else title
        quoted = _signs(lines_of(sent, answer), wrap)
        if within:
            title, quoted = "", f"> {title}\n>\n{quoted}"
        parts = ["\n".join(answer.above), title + ("\n" if title else "") + quoted, "\n".join(answer.below)]
        return "\n\n".join(part for part in parts if part.strip()) + "\n", ""

    return program


def head_of(tongue: Written, head: str) -> str:
    written = getattr(tongue, head, None) or head
    return str(written).format(n=NAME, a=ADDRESS)


def _block(tongue: Written, bold: str = "") -> list[str]:
    sender, sent, to, subject = tongue.outlook
    return [
        f"{bold}{sender}:{bold} {NAME} <{ADDRESS}>",
        f"{bold}{sent}:{bold} 23.11.2026 10:00",
        f"{bold}{to}:{bold} Carol Käfer <carol@kunde.example>",
        f"{bold}{subject}:{bold} AW: Ersatzteile [#1042]",
    ]


def _bare(first: str, bold: str = "") -> Callable[[Sent, Answer, Written], tuple[str, str]]:
    def program(sent: Sent, answer: Answer, tongue: Written) -> tuple[str, str]:
        title = [first.format(original=tongue.original)] if first else []
        history = [line for line, _ in lines_of(sent, answer)]
        lines = [*answer.above, "", *title, *_block(tongue, bold), "", *history, "", *answer.below]
        return "\n".join(lines) + "\n", ""

    return program


# --- HTML

FRAME = (
    '<table role="presentation" class="post-page" width="100%" style="background:#ffffff"><tr><td style="padding:16px 12px">'
    '<table role="presentation" width="100%" style="max-width:600px"><tr><td height="4" bgcolor="#ffcb05">&nbsp;</td></tr>'
    '<tr><td class="post-text" style="padding:16px 0 0;font-size:15px">',
    "</td></tr></table></td></tr></table>",
)


def _piece(words: str, red: bool) -> str:
    shown = html.escape(words, quote=False)
    return f'<span style="color:red">{shown}</span>' if red else shown


def _framed(sent: Sent, answer: Answer, cut: tuple[str, str]) -> str:
    """Our HTML as programs keep it; `cut` closes and opens the quotation around an answer outside of it."""
    lines = lines_of(sent, answer)
    theirs = {words for new in answer.inside.values() for words in new}
    whole = answer.keep is None
    count = len(lines) - len(answer.last) - (len(sent.signature) + len(sent.quoted) + 6 if whole else 0)
    parts, fresh = [FRAME[0] + '<div style="white-space:pre-wrap">'], True
    for line, outside in lines[:count]:
        if outside:
            parts.append("</div>" + FRAME[1] + cut[0] + f"<div>{_piece(line, answer.red)}</div>" + cut[1])
            parts.append(FRAME[0] + '<div style="white-space:pre-wrap">')
            fresh = True
            continue
        parts.append(("" if fresh else "<br>") + _coloured(line, theirs, answer.red))
        fresh = False
    parts.append("</div>")
    if whole:
        older = "<br>".join(html.escape(line, quote=False) for line in sent.quoted)
        parts.append(f'<p style="margin:24px 0 0">-- <br>{"<br>".join(map(html.escape, sent.signature))}</p>')
        parts.append(
            f'<div class="gmail_quote"><p>{html.escape(sent.attribution)}</p><blockquote type="cite">{older}</blockquote></div>'
        )
        parts.append(f'<div style="display:none;font-size:1px">{sent.marker}</div>')
    parts += [f"<p>{_piece(line, answer.red)}</p>" for line in answer.last]
    return "".join(parts) + FRAME[1]


def _coloured(line: str, theirs: set[str], red: bool) -> str:
    for words in theirs:
        if line.endswith(words):
            return html.escape(line[: -len(words)], quote=False) + _piece(words, red)
    return html.escape(line, quote=False)


def _paragraphs(lines: list[str], tag: str = "div") -> str:
    return "".join(f"<{tag}>{html.escape(line, quote=False) or '<br>'}</{tag}>" for line in lines)


def _element(
    before: str, after: str, head: str, cut: tuple[str, str]
) -> Callable[[Sent, Answer, Written], tuple[str, str]]:
    """A program that puts our HTML as it is into an element; `before` has the line above as `{head}`."""

    def program(sent: Sent, answer: Answer, tongue: Written) -> tuple[str, str]:
        title = html.escape(head_of(tongue, head), quote=False)
        page = _paragraphs(answer.above) + before.format(head=title, block="<br>".join(_labels(tongue)))
        return "", page + _framed(sent, answer, cut) + after + _paragraphs(answer.below)

    return program


def _labels(tongue: Written) -> list[str]:
    found = []
    for line in _block(tongue):
        label, _, value = line.partition(":")
        found.append(f"<b>{label}:</b> {html.escape(value.strip(), quote=False)}")
    return found


def _word(before: str) -> Callable[[Sent, Answer, Written], tuple[str, str]]:
    """Outlook on Windows writes each of our lines as a paragraph of its own, below its block."""

    def program(sent: Sent, answer: Answer, tongue: Written) -> tuple[str, str]:
        theirs = {words for new in answer.inside.values() for words in new} | set(answer.last)
        lines = [line.removeprefix("> ") for line, _ in lines_of(sent, answer) if line != sent.marker]
        shown = "".join(
            f"<p class=MsoNormal>{_coloured(line, theirs, answer.red) or '&nbsp;'}<o:p></o:p></p>"
            for line in lines
        )
        block = before.format(block="<br>".join(_labels(tongue)), original=tongue.original)
        above, below = _paragraphs(answer.above, "p"), _paragraphs(answer.below, "p")
        return "", f"<html><body><div class=WordSection1>{above}{block}{shown}{below}</div></body></html>"

    return program


def _both(
    text: Callable[..., tuple[str, str]], page: Callable[..., tuple[str, str]]
) -> Callable[..., tuple[str, str]]:
    def program(sent: Sent, answer: Answer, tongue: Written) -> tuple[str, str]:
        return text(sent, answer, tongue)[0], page(sent, answer, tongue)[1]

    return program


_RULED = '<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class=MsoNormal>{block}</p></div></div>'
_APPEND = '<div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><font face="Calibri">{block}</font><div>&nbsp;</div></div><div>'
_ZMAIL = '<div class="zmail_extra_hr" style="border-top:1px solid #ccc;height:0"></div><div class="zmail_extra"><br><div id="Zm-_Id_-Sgn1">---- {head} ---<br></div><br><blockquote id="blockquote_zmail" style="margin:0">'
_SAMSUNG = "<div><br></div><div>-------- {{original}} --------</div><div>{{block}}</div><div><br></div>"
_GMAIL = ('<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{head}<br></div>'
          '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid">')  # fmt: skip
_CUT = ('</blockquote>', '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex">')  # fmt: skip
_CITE = ("</blockquote>", '<blockquote type="cite">')
_NONE = ("", "")

gmail_page = _element(_GMAIL, "</blockquote></div>", "gmail", _CUT)
outlook_page = _word(_RULED)

# How it is called: what it does, whether it marks what it quotes, and whether its HTML can be told apart around an answer.
PROGRAMS: dict[str, tuple[Callable[[Sent, Answer, Written], tuple[str, str]], str]] = {
    "thunderbird text": (_marked("thunderbird", 72), "text"),
    "mutt": (_marked("On Mon, Nov 23, 2026 at 10:00:00AM +0100, {n} wrote:"), "text"),
    "alpine": (_marked("On Mon, 23 Nov 2026, {n} wrote:", 74), "text"),
    "claws": (_marked("On Mon, 23 Nov 2026 10:00:00 +0100\n{n} <{a}> wrote:"), "text"),
    "nmh": (_marked("{n} writes:"), "text"),
    "s-nail": (_marked("{n} wrote in\n <1042.abcdef@acme.example>:"), "text"),
    "gmail text": (_marked("gmail", 74), "text"),
    "apple text": (_marked("apple", within=True), "text"),
    "zoho text": (_marked("---- On Mon, 23 Nov 2026 10:00:00 +0100 {n} <{a}> wrote ---"), "text"),
    "outlook text": (_bare(""), "bare"),
    "outlook old text": (_bare("-----{original}-----"), "bare"),
    "outlook ruled text": (_bare("_" * 32), "bare"),
    "outlook starred text": (_bare("", "*"), "bare"),
    "gmail": (_both(_marked("gmail", 74), gmail_page), "html"),
    "gmail page": (gmail_page, "html"),
    "thunderbird": (_element('<div class="moz-cite-prefix">{head}<br></div><blockquote type="cite">', "</blockquote>", "thunderbird", _CITE), "html"),
    "apple": (_element('<div><br><blockquote type="cite"><div>{head}</div><br>', "</blockquote></div>", "apple", _CITE), "html"),
    "zoho": (_element(_ZMAIL, "</blockquote></div>", "gmail", ("</blockquote>", "<blockquote>")), "html"),
    "yandex": (_element("<div>{head}</div><blockquote>", "</blockquote>", "apple", ("</blockquote>", "<blockquote>")), "html"),
    "gmx": (_element('<div name="quote" style="margin:10px;border-left:2px solid"><div style="margin:0 0 10px 0">{block}</div><div name="quoted-content">', "</div></div>", "", _NONE), "page"),
    "outlook": (outlook_page, "page"),
    "outlook both": (_both(_bare(""), outlook_page), "page"),
    "outlook new": (_element(_APPEND, "</div>", "", _NONE), "page"),
    "outlook phone": (_element(_APPEND.replace('<div id="appendonsend"></div>', '<div id="ms-outlook-mobile-body-separator-line"><br></div>'), "</div>", "", _NONE), "page"),
    "samsung": (_word("<p>-------- {original} --------</p><p>{block}</p>"), "page"),
    "yahoo": (_element('<div class="ydp1yahoo_quoted"><div><div>{head}</div><div><br></div><div>', "</div></div></div>", "gmail", _NONE), "page"),
}  # fmt: skip
