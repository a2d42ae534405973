"""What HTML from strangers may contain, and what an agent's editor may send: the lists, as two cleaners."""

from __future__ import annotations

import binascii
import re

import nh3

from mail.showing.quoted_html import MARK as QUOTE_MARK

# A cleaner can change the value of an attribute but not its name, so it leaves these for
# `mail.showing.clean`.
REMOTE_MARK = "poststelle-remote:"
# The address of a background, in hexadecimal, as the last font of a style: the only place that may hold a word.
# Noted for the parts of a table alone. They can have it as an attribute, which loads without saying who we are;
# what a style loads carries our address in Chromium, whatever the Referrer-Policy (tried with 156).
STYLE_MARK = "poststelle-background-"
CID_MARK = "poststelle-cid:"

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
_CELL = {"align", "valign", "width", "height", "bgcolor", "background", "colspan", "rowspan", "nowrap"}
_ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title", "align"},
    "a": {"href"},
    "blockquote": {"class", "type"},
    "col": {"span", "width", "align"},
    "div": {"class", "id", "name"},
    "font": {"color", "face", "size"},
    "hr": {"width", "size", "color", "noshade"},
    "img": {"src", "srcset", "alt", "width", "height"},
    "li": {"value"},
    "ol": {"start", "type", "reversed"},
    "p": {"class"},
    "span": {"class"},
    "table": {"width", "height", "bgcolor", "background", "border", "cellpadding", "cellspacing", "summary"},
    "td": _CELL,
    "th": _CELL | {"scope"},
    "tr": {"valign", "bgcolor", "background", "height"},
    "ul": {"type"},
}
WITH_BACKGROUND = ("table", "thead", "tbody", "tfoot", "tr", "td", "th")
_SIDES = ("", "-top", "-right", "-bottom", "-left")
_STYLES = {
    "background", "background-color", "border-collapse", "border-radius", "border-spacing", "clear", "color",
    "direction", "display", "float", "font", "font-family", "font-size", "font-style", "font-variant",
    "font-weight", "height", "letter-spacing", "line-height", "list-style-type", "max-height",
    "max-width", "min-height", "min-width", "overflow-wrap", "table-layout", "text-align",
    "text-decoration", "text-indent", "text-transform", "vertical-align", "white-space", "width",
    "word-break", "word-wrap",
}  # fmt: skip
_STYLES |= {box + side for box in ("border", "margin", "padding") for side in _SIDES}
_STYLES |= {f"border{side}-{what}" for side in _SIDES for what in ("color", "style", "width")}
_REL = "noopener noreferrer nofollow"
# Values that load something, or that hide it from this list behind an escape or a comment.
_LOADS = re.compile(
    r"(?i)url\s*\(|image-set|image\s*\(|element\s*\(|paint\s*\(|attr\s*\(|var\s*\(|env\s*\(|expression|-moz-binding"
    r"|src\s*\(|\\|@|<|/\*"
    # The frame is as high as its mail: heights that follow the frame's would grow for ever.
    r"|\d\s*(?:[sld]?v[hb]|vmin|vmax)\b"
)
_ADDRESS = re.compile(r"(?i)url\s*\(\s*(?:\"[^\"]*\"|'[^']*'|[^)\"']*)\s*\)")
_BACKGROUND = re.compile(
    r"(?i)(?:^|;)\s*background(?:-image)?\s*:[^;]{0,200}?url\s*\(\s*[\"']?\s*((?:https?:)?//[^\s\"'()\\<>]{1,1000})"
)
WORD = "MsoNormal"
_LINK = re.compile(r"(?i)(?:https?://|mailto:|tel:)")
_REMOTE = re.compile(r"(?i)(?:https?:)?//[^\s]")
_DATA_IMAGE = re.compile(r"(?i)data:image/(?:png|jpe?g|gif|webp)\s*;\s*base64,\s*([A-Za-z0-9+/]{16})")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
# What mail programs call the elements of their quotes and signatures.
_QUOTE_NAMES = {
    ("div", "class"): {
        "gmail_signature": "signature",
        "moz-signature": "signature",
        "k9mail-signature": "signature",
        "protonmail_signature_block": "signature",
        "gmail_quote": "container",
        "gmail_quote_container": "container",
        "protonmail_quote": "container",
        "zmail_extra": "container",
        "yahoo_quoted": "container",
        "moz-cite-prefix": "prefix",
    },
    ("div", "id"): {
        "divrplyfwdmsg": "header",
        "signature": "signature",  # Outlook on the web, Roundcube
        "ms-outlook-mobile-signature": "signature",
        "composer_signature": "signature",  # Samsung
        "applemailsignature": "signature",
        "ymail_android_signature": "signature",
    },
    ("span", "class"): {"gmail_signature_prefix": "signature"},
    ("div", "name"): {"quote": "cite"},  # GMX and WEB.DE
    ("blockquote", "class"): {"gmail_quote": "cite", "protonmail_quote": "cite", "tutanota_quote": "cite"},
    ("blockquote", "type"): {"cite": "cite"},
}


def _attribute(tag: str, attribute: str, value: str) -> str | None:
    """What the list of attributes cannot say; None drops the attribute."""
    if attribute == "style":
        return _style(tag, value)
    if attribute == "src":
        return _image(value.strip())
    if attribute in ("background", "srcset"):
        return _remote(value.strip().split(" ", 1)[0].rstrip(","))
    if attribute == "href":
        return value if _LINK.match(value.strip()) else None
    if (tag, attribute) == (
        "p",
        "class",
    ):  # Word's paragraphs have no margins; the style sheet that says so is gone
        return WORD if value.startswith("Mso") or value == "elementToProof" else None
    names = _QUOTE_NAMES.get((tag, attribute))
    if names is None:
        return value
    kind = next((names[word] for word in value.lower().split() if word in names), "")
    if not kind and value.endswith("yahoo_quoted"):  # with a prefix that differs in each mail
        kind = "container"
    return QUOTE_MARK + kind if kind else None


def _image(source: str) -> str | None:
    if source[:4].lower() == "cid:":
        return CID_MARK + source[4:]
    return _remote(source) or (source if _is_picture(source) else None)


def _remote(source: str) -> str | None:
    if not _REMOTE.match(source):
        return None
    scheme, _, rest = source.partition("//")
    return f"{REMOTE_MARK}{scheme.lower() or 'https:'}//{rest}"


def _style(tag: str, value: str) -> str | None:
    """Without what loads; a remote background is noted where it can be shown, so that a click does."""
    if not _LOADS.search(value):
        return value or None
    background = _BACKGROUND.search(value) if tag in WITH_BACKGROUND else None
    value = _ADDRESS.sub("none", value)
    kept = [declaration for declaration in value.split(";") if not _LOADS.search(declaration)]
    remote = _remote(background[1]) if background else None
    if remote:
        kept.append(f"font-family:{STYLE_MARK}{remote.removeprefix(REMOTE_MARK).encode().hex()}")
    return ";".join(kept) or None


def _is_picture(source: str) -> bool:
    """A `data:` image whose bytes say that it is one; never SVG."""
    match = _DATA_IMAGE.match(source)
    if match is None:
        return False
    start = binascii.a2b_base64(match[1])
    return start.startswith(_MAGIC) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


MAIL = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=_WITHOUT_CONTENT,
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    filter_style_properties=_STYLES,
    url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    link_rel=_REL,
    set_tag_attribute_values={"a": {"target": "_blank"}},
)
_REPLY_TAGS = {
    "p", "div", "br", "strong", "b", "em", "i", "u", "del", "ul", "ol", "li", "blockquote", "pre",
    "code", "a", "h1",
}  # fmt: skip
REPLY = nh3.Cleaner(
    tags=_REPLY_TAGS,
    attributes={"a": {"href"}},
    clean_content_tags=_WITHOUT_CONTENT,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel=_REL,
)
