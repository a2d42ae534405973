"""HTML from strangers made safe, text made readable. Nothing else may hand mail HTML to a template.

The allow-list is the first wall; the sandboxed frame with its own policy, in which mail HTML is shown,
is the second. Neither relies on the other.
"""

from __future__ import annotations

import binascii
import html as entities
import re
from collections.abc import Mapping
from hashlib import blake2s
from urllib.parse import unquote

import nh3
from markupsafe import Markup

from mail import quoted_html
from mail.plaintext import text_of, too_deep
from mail.quotes import fold_text
from mail.types import SafeHtml

__all__ = ["clean_html", "clean_reply_html", "fold_text", "markup", "show_remote", "snippet", "text_of"]

MAX_HTML = 2_000_000  # characters; a quarter of a second

_TAGS = {
    "a", "abbr", "acronym", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br",
    "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em",
    "figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i",
    "img", "ins", "kbd", "li", "main", "mark", "nav", "ol", "p", "pre", "q", "s", "samp", "section",
    "small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "tr", "tt", "u", "ul", "var", "wbr",
}  # fmt: skip
_WITHOUT_CONTENT = {
    "script", "style", "title", "template", "noscript", "textarea", "select", "svg", "math", "iframe",
    "object", "noframes", "noembed", "xmp", "audio", "video", "canvas",
}  # fmt: skip
_CELL = {"align", "valign", "width", "height", "bgcolor", "colspan", "rowspan", "nowrap"}
_ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title", "align"},
    "a": {"href"},
    "blockquote": {"class", "type"},
    "col": {"span", "width", "align"},
    "div": {"class", "id", "name"},
    "font": {"color", "face", "size"},
    "hr": {"width", "size", "color", "noshade"},
    "img": {"src", "alt", "width", "height"},
    "li": {"value"},
    "ol": {"start", "type", "reversed"},
    "table": {"width", "height", "bgcolor", "border", "cellpadding", "cellspacing", "summary"},
    "td": _CELL,
    "th": _CELL | {"scope"},
    "tr": {"valign", "bgcolor", "height"},
    "ul": {"type"},
}
_SIDES = ("", "-top", "-right", "-bottom", "-left")
_STYLES = {
    "background-color", "border-collapse", "border-radius", "border-spacing", "clear", "color",
    "direction", "display", "float", "font", "font-family", "font-size", "font-style", "font-variant",
    "font-weight", "height", "letter-spacing", "line-height", "list-style-type", "max-height",
    "max-width", "min-height", "min-width", "overflow-wrap", "table-layout", "text-align",
    "text-decoration", "text-indent", "text-transform", "vertical-align", "white-space", "width",
    "word-break", "word-wrap",
}  # fmt: skip
_STYLES |= {box + side for box in ("border", "margin", "padding") for side in _SIDES}
_STYLES |= {f"border{side}-{what}" for side in _SIDES for what in ("color", "style", "width")}
_REL = "noopener noreferrer nofollow"
# Values that load something or that hide it from this list behind an escape.
_LOADS = re.compile(r"(?i)url\s*\(|image-set|image\s*\(|expression|-moz-binding|src\s*\(|\\|@|<")
_LINK = re.compile(r"(?i)(?:https?://|mailto:|tel:)")
_REMOTE = re.compile(r"(?i)(?:https?:)?//[^\s]")
_DATA_IMAGE = re.compile(r"(?i)data:image/(?:png|jpe?g|gif|webp)\s*;\s*base64,\s*([A-Za-z0-9+/]{16})")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_BLANKED = re.compile(r'(<img(?:[^<>"]|"[^"]*")*?) data-remote-src="(https?://[^"]*)"')
_SPACES = re.compile(r"\s+")
# What mail programs call the elements of their quotes.
_QUOTE_NAMES = {
    ("div", "class"): {
        "gmail_quote": "container",
        "gmail_quote_container": "container",
        "protonmail_quote": "container",
        "yahoo_quoted": "container",
        "moz-cite-prefix": "prefix",
    },
    ("div", "id"): {"divrplyfwdmsg": "header"},
    ("div", "name"): {"quote": "cite"},  # GMX and WEB.DE
    ("blockquote", "class"): {"gmail_quote": "cite", "protonmail_quote": "cite"},
    ("blockquote", "type"): {"cite": "cite"},
}

_REPLY_TAGS = {
    "p", "div", "br", "strong", "b", "em", "i", "u", "del", "ul", "ol", "li", "blockquote", "pre",
    "code", "a", "h1",
}  # fmt: skip
_REPLY = nh3.Cleaner(
    tags=_REPLY_TAGS,
    attributes={"a": {"href"}},
    clean_content_tags=_WITHOUT_CONTENT,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel=_REL,
)


def clean_html(html: str, cids: Mapping[str, str]) -> SafeHtml:
    """Mail HTML by allow-list, its trailing history folded, its remote images blanked and counted.

    `cids` maps Content-IDs (no brackets) to URLs of ours; other `cid:` images lose their source.
    Reads at most `MAX_HTML` characters. HTML that nests absurdly deep is shown as its text.
    """
    html = html[:MAX_HTML]
    if too_deep(html):
        return SafeHtml(f"<pre>{entities.escape(text_of(html), quote=False)}</pre>")
    mark = _mark(html)
    cleaned = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_WITHOUT_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=_Filter(mark, cids),
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel=_REL,
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    cleaned, blanked = re.subn(rf' src="{mark}([^"]*)"', r' data-remote-src="\1"', cleaned)
    folded = quoted_html.fold(cleaned, mark)
    return SafeHtml(re.sub(rf' (?:class|id|name|type)="{mark}-[a-z]+"', "", folded), blanked)


def show_remote(html: str) -> str:
    """The output of `clean_html` with its blanked images back in place, http and https only."""
    return _BLANKED.sub(r'\1 src="\2"', html)


def snippet(text: str, limit: int = 140) -> str:
    """The beginning of what was newly written, on one line of at most `limit` characters, for lists."""
    visible = _SPACES.sub(" ", fold_text(text[:20_000]).visible[: limit * 20]).strip()
    if len(visible) <= limit:
        return visible
    cut = visible[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit // 2 else cut).rstrip(" ,;:") + "…"


def markup(safe: str) -> Markup:
    """Tell the templates that a string is safe. The only place that does.

    Give it nothing but what `clean_html`, `show_remote` or `clean_reply_html` returned.
    """
    return Markup(safe)


def clean_reply_html(html: str) -> str:
    """What an agent's editor (Trix) may send; all else is stripped, words are kept."""
    html = html[:MAX_HTML]
    if too_deep(html):
        return f"<pre>{entities.escape(text_of(html), quote=False)}</pre>"
    return _REPLY.clean(html)


class _Filter:
    """Attribute by attribute: what the parser's list cannot say."""

    def __init__(self, mark: str, cids: Mapping[str, str]) -> None:
        self.mark = mark
        self.cids = cids

    def __call__(self, tag: str, attribute: str, value: str) -> str | None:
        if attribute == "style":
            return _style(value)
        if attribute == "src":
            return self._image(value.strip())
        if attribute == "href":
            return value if _LINK.match(value.strip()) else None
        names = _QUOTE_NAMES.get((tag, attribute))
        if names is not None:
            kind = next((names[word] for word in value.lower().split() if word in names), "")
            return f"{self.mark}-{kind}" if kind else None
        return value

    def _image(self, source: str) -> str | None:
        if source[:4].lower() == "cid:":
            return self.cids.get(unquote(source[4:])) or self.cids.get(source[4:])
        if _REMOTE.match(source):
            return self.mark + ("https:" + source if source.startswith("//") else source)
        return source if _is_picture(source) else None


def _mark(html: str) -> str:
    """A word that cannot stand in this HTML, since it is made of all of it; names what we put in."""
    return "m" + blake2s(html.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _style(value: str) -> str | None:
    if _LOADS.search(value):
        value = ";".join(declaration for declaration in value.split(";") if not _LOADS.search(declaration))
    return value or None


def _is_picture(source: str) -> bool:
    """A `data:` image whose bytes say that it is one; never SVG."""
    match = _DATA_IMAGE.match(source)
    if match is None:
        return False
    start = binascii.a2b_base64(match[1])
    return start.startswith(_MAGIC) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")
