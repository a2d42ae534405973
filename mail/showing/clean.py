"""HTML from strangers made safe, text made readable. Nothing else may hand mail HTML to a template.

The allow-list is the first wall; the sandboxed frame with its own policy, in which mail HTML is shown,
is the second. Neither relies on the other.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from markupsafe import Markup

from mail.reading import html_tree
from mail.reading.plaintext import text_of
from mail.showing import quoted_html
from mail.showing.allowlist import CID_MARK, MAIL, REMOTE_MARK, REPLY, STYLE_MARK, WITH_BACKGROUND
from mail.showing.quotes import fold_text, is_forward
from mail.types import SafeHtml

__all__ = [
    "clean_html",
    "clean_reply_html",
    "fold_text",
    "is_forward",
    "markup",
    "show_remote",
    "snippet",
    "text_of",
]

MAX_HTML = 2_000_000  # characters; a quarter of a second
MAX_SAFE = 2_000_000  # characters of cleaned HTML; what would be longer is shown as text
MAX_FOLDED = 1_000_000  # characters of cleaned HTML in which a trailing history is looked for

# What may load comes back only inside the tags that this module blanked: `<img … data-remote-src="https…"`.
_BLANKED = re.compile(r'(<[a-z]+(?:[^<>"]|"[^"]*")*?) data-remote-(src|background)="(https?://[^"]*)"')
_BLANKED_STYLE = re.compile(
    rf'(<(?:{"|".join(WITH_BACKGROUND)})(?= ))((?:[^<>"]|"[^"]*")*?)(?: style="([^"]*)")?'
    r' data-remote-style="(https?://[^"]*)"'
)
_BARE = re.compile(r"https?://[^\s\"'()\\<>]{1,1000}")
_MARKED = re.compile(rf' (src|background)="{REMOTE_MARK}')
_MARKED_SET = re.compile(rf'(<img(?:[^<>"]|"[^"]*")*?) srcset="{REMOTE_MARK}([^"]*)"((?:[^<>"]|"[^"]*")*>)')
_MARKED_STYLE = re.compile(rf'(?: style="|;)font-family:\s*"?{STYLE_MARK}((?:[0-9a-f]{{2}})+)"?;?"')
_SPACES = re.compile(r"\s+")
_MARKED_CID = re.compile(rf' src="{CID_MARK}([^"]*)"')
_MARKED_QUOTE = re.compile(rf' (?:class|id|name|type)="{quoted_html.MARK}[a-z]+"')


def clean_html(
    html: str, cids: Mapping[str, str], *, forwarded: bool = False, sent: Callable[[], str] | None = None
) -> SafeHtml:
    """Mail HTML by allow-list, its trailing history folded, its remote images blanked and counted.

    `cids` maps Content-IDs (no brackets) to URLs of ours; other `cid:` images lose their source.
    Of a forwarded mail (`mail.showing.quotes.is_forward`) nothing is folded; `sent` as in `fold_text`.
    Reads at most `MAX_HTML` characters. HTML that is too costly to parse is shown as its text.
    """
    return finish(sanitize(html), cids, forwarded=forwarded, sent=sent)


def sanitize(html: str) -> SafeHtml:
    """The costly half of `clean_html`: safe, but with marks of ours that `finish` takes out again."""
    html = html[:MAX_HTML]
    try:
        cleaned, blanked = _blank(html_tree.clean(MAIL, html))
    except html_tree.TooCostly:
        return SafeHtml(_preformatted(html))
    return SafeHtml(cleaned, blanked) if len(cleaned) <= MAX_SAFE else SafeHtml(_preformatted(html))


def finish(
    safe: SafeHtml, cids: Mapping[str, str], *, forwarded: bool = False, sent: Callable[[], str] | None = None
) -> SafeHtml:
    """What `sanitize` answered, with its pictures and folded, as `clean_html` says. Linear."""
    cleaned = safe.html
    if CID_MARK in cleaned:
        cleaned = _MARKED_CID.sub(lambda match: _own_source(match[1], cids), cleaned)
    if not forwarded and len(cleaned) <= MAX_FOLDED:
        cleaned = quoted_html.fold(cleaned, sent)
    if quoted_html.MARK in cleaned:
        cleaned = _MARKED_QUOTE.sub("", cleaned)
    return SafeHtml(cleaned, safe.remote_images)


def _blank(cleaned: str) -> tuple[str, int]:
    """What the cleaner marked becomes attributes that load nothing; how many there are.

    The parser writes `"` in attributes as an entity, so the marks stand for themselves or in plain words.
    """
    if REMOTE_MARK in cleaned:
        cleaned = _MARKED_SET.sub(_one_source, cleaned)
    cleaned, count = _MARKED.subn(r' data-remote-\1="', cleaned)
    if STYLE_MARK in cleaned:
        cleaned = _MARKED_STYLE.sub(_noted_background, cleaned)
        count += cleaned.count(' data-remote-style="')
    return cleaned, count


def _one_source(match: re.Match[str]) -> str:
    """A set of sources counts only where there is no single one."""
    tag = f"{match[1]}{match[3]}"
    return tag if ' src="' in tag else f'{match[1]} src="{REMOTE_MARK}{match[2]}"{match[3]}'


def _noted_background(match: re.Match[str]) -> str:
    end = '"' if match[0][0] == ";" else ""
    address = bytes.fromhex(match[1]).decode("utf-8", "replace")
    return f'{end} data-remote-style="{entities.escape(address)}"' if _BARE.fullmatch(address) else end


def show_remote(html: str) -> str:
    """The output of `clean_html` with its blanked images back in place, http and https only."""
    html = _BLANKED.sub(r'\1 \2="\3"', html)
    return _BLANKED_STYLE.sub(_with_background, html)


def _with_background(match: re.Match[str]) -> str:
    """As an attribute, which asks without a Referer; the style then reverts to it and keeps its place and size.

    It stands first: of two attributes of a name the first counts, and a style would have won over the other.
    """
    tag, others, style, address = match.groups("")
    style = f"{style};" if style else ""
    return f'{tag} background="{address}"{others} style="{style}background-image:revert-layer"'


def snippet(text: str, limit: int = 140) -> str:
    """The beginning of what was newly written, on one line of at most `limit` characters, for lists."""
    folded = fold_text(text[:20_000])
    return one_line(folded.visible[folded.opening :], limit)


def one_line(text: str, limit: int = 140) -> str:
    """The beginning of a text, at most `limit` characters, cut between words."""
    visible = _SPACES.sub(" ", text[: limit * 20]).strip()
    if len(visible) <= limit:
        return visible
    space = visible.rfind(" ", 0, limit)
    return visible[: space if space > limit // 2 else limit - 1].rstrip(" ,;:") + "…"


def markup(safe: str) -> Markup:
    """Tell the templates that a string is safe. The only place that does.

    Give it nothing but what `clean_html`, `show_remote` or `clean_reply_html` returned.
    """
    return Markup(safe)


def with_breaks(text: str) -> Markup:
    """Lines of plain text for mail programs that know no `white-space` (Outlook on Windows)."""
    return Markup("<br>").join(text.strip().splitlines())


def clean_reply_html(html: str) -> str:
    """What an agent's editor (Trix) may send; all else is stripped, words are kept."""
    html = html[:MAX_HTML]
    try:
        return html_tree.clean(REPLY, html)
    except html_tree.TooCostly:
        return _preformatted(html)


def _preformatted(html: str) -> str:
    return f"<pre>{entities.escape(text_of(html), quote=False)}</pre>"


def _own_source(content_id: str, cids: Mapping[str, str]) -> str:
    content_id = entities.unescape(content_id)
    url = cids.get(unquote(content_id)) or cids.get(content_id)
    return f' src="{entities.escape(url)}"' if url else ""
