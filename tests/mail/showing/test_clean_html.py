"""What may come out of strangers' HTML, and what must not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from mail.showing.clean import clean_html, clean_reply_html, markup, show_remote, text_of
from mail.types import SafeHtml

PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
REL = 'rel="noopener noreferrer nofollow"'


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>Hallo<script>alert(1)</script></p>", "<p>Hallo</p>"),
        ("<style>p{color:red}</style><title>x</title><p>a</p>", "<p>a</p>"),
        ("<p onclick=alert(1) id=x class=y>a</p>", "<p>a</p>"),
        ("<form action=/x><input name=a><button>b</button></form>c", "bc"),
        ("<svg><a xlink:href='javascript:1'>x</a></svg><math><mi>y</mi></math>z", "z"),
        ("<iframe src=https://x.example></iframe><object data=x></object><embed src=x>a", "a"),
        (
            "<base href=https://x.example><meta http-equiv=refresh content=0><link rel=stylesheet href=x>a",
            "a",
        ),
        ("<p style='color:red;position:fixed;top:0;z-index:9'>a</p>", '<p style="color:red">a</p>'),
        ("<p style='color:red;list-style-image:url(https://x.example)'>a</p>", '<p style="color:red">a</p>'),
        ("<p style='color:red;height:100vh;min-height:50svh'>a</p>", '<p style="color:red">a</p>'),
        ("<p style='color:red;width:attr(x)'>a</p>", '<p style="color:red">a</p>'),
        ("<p style='background-color:u\\72l(x);color:red'>a</p>", '<p style="color:red">a</p>'),
        ("<td background=https://x.example/a.png>a</td>", "a"),
        ("<img srcset='/a 2x' onerror=x alt=Logo>", '<img alt="Logo">'),
        ("<img src='javascript:alert(1)'>", "<img>"),
        ("<img src='data:image/svg+xml;base64,PHN2Zz48L3N2Zz48YQ=='>", "<img>"),
        ("<img src='data:image/png;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+'>", "<img>"),
        (f"<img src='{PNG}'>", f'<img src="{PNG}">'),
        ("<details><summary>x</summary>y</details>", "xy"),
        ("<!--[if mso]><p>nur Outlook</p><![endif]-->a", "a"),
    ],
)
def test_only_what_is_allowed_comes_through(html: str, expected: str) -> None:
    assert clean_html(html, {}).html == expected


@pytest.mark.parametrize(
    "href", ["https://x.example/?a=1", "http://x.example", "mailto:a@x.example", "tel:+49301"]
)
def test_links_open_outside_and_tell_nobody(href: str) -> None:
    shown = clean_html(f"<a href='{href}' target=_self rel=opener>hier</a>", {}).html
    assert (f'href="{href}"' in shown, 'target="_blank"' in shown, REL in shown) == (True, True, True)
    assert "_self" not in shown and "opener" not in shown.replace(REL, "")


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", " java\tscript:alert(1)", "/login", "#top", "data:text/html,x", "vbscript:x"],
)
def test_other_links_lead_nowhere(href: str) -> None:
    assert "href" not in clean_html(f"<a href='{href}'>a</a>", {}).html


def test_remote_images_wait_until_asked_for() -> None:
    html = '<img src="https://x.example/a.png?b=1&amp;c=2" alt="A"><img src="//x.example/b.gif"><img src="HTTP://x.example/c">'
    safe = clean_html(html, {})
    assert safe.remote_images == 3
    assert " src=" not in safe.html
    shown = show_remote(safe.html)
    assert re.findall(r' src="([^"]*)"', shown) == [
        "https://x.example/a.png?b=1&amp;c=2",
        "https://x.example/b.gif",
        "http://x.example/c",
    ]
    assert "data-remote-src" not in shown


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<img srcset='https://x.example/a 1x, https://x.example/b 2x'>", ' src="https://x.example/a"'),
        ("<img src=https://x.example/a srcset='https://x.example/b 2x'>", ' src="https://x.example/a"'),
        ("<table background=//x.example/a><tr><td>b</table>", ' background="https://x.example/a"'),
        ("<table><tr><td background=http://x.example/a>b</table>", ' background="http://x.example/a"'),
        (
            "<table><tr><td style=\"color:red;background:#fff url('https://x.example/a;b.png?c=1&d') repeat\">a</table>",
            '<td background="https://x.example/a;b.png?c=1&amp;d"'
            ' style="color:red;background:#fff none repeat;background-image:revert-layer"',
        ),
        (
            "<table style='background-image:url(//x.example/a)'><tr><td>a</table>",
            '<table background="https://x.example/a" style="background-image:revert-layer"',
        ),
    ],
)
def test_backgrounds_and_sets_of_sources_wait_too(html: str, shown: str) -> None:
    safe = clean_html(html, {})
    assert safe.remote_images == 1
    assert not re.search(r" (src|srcset|background)=|url\(", safe.html)
    assert shown in show_remote(safe.html)


def test_no_style_loads_a_picture_not_even_when_asked() -> None:
    """Chromium sends a Referer with it, whatever the policy of the page."""
    for tag in ("div", "p", "span", "a", "h1", "li"):
        safe = clean_html(f"<{tag} style='color:red;background:url(https://x.example/a)'>a</{tag}>", {})
        assert safe.remote_images == 0 and "x.example" not in safe.html
        assert "color:red" in safe.html
    both = "<table><tr><td background='//x.example/a' style='background:url(//x.example/b)'>c</table>"
    shown = show_remote(clean_html(both, {}).html)
    assert shown.index("x.example/b") < shown.index("x.example/a"), "the style won over the attribute"
    assert "url(" not in shown


def test_what_was_stored_before_shows_no_background_outside_of_tables() -> None:
    stored = '<div style="color:red" data-remote-style="https://x.example/a">a</div>'
    assert show_remote(stored) == stored


@pytest.mark.parametrize(
    "address", ["javascript:1", 'https://x"onerror=1', "https://x)};y", "file:///x", "https://x\\"]
)
def test_a_forged_note_of_a_background_shows_nothing(address: str) -> None:
    html = f"<p style='color:red;font-family:poststelle-background-{address.encode().hex()}'>a</p>"
    safe = clean_html(html, {})
    assert safe == SafeHtml('<p style="color:red">a</p>')


def test_only_what_was_blanked_is_shown_again() -> None:
    words = '<p>data-remote-src="https://x.example"</p><img data-remote-src="https://x.example/a" alt=\'a data-remote-src="https://x"\'>'
    safe = clean_html(words, {})
    assert safe.remote_images == 0
    assert " src=" not in show_remote(safe.html)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("cid:logo@x", '<img src="/attachments/7?a=1&amp;b=2">'),
        ("CID:logo%40x", '<img src="/attachments/7?a=1&amp;b=2">'),
        ("cid:other@x", "<img>"),
        ("cid:", "<img>"),
    ],
)
def test_inline_pictures_come_from_the_same_mail_only(source: str, expected: str) -> None:
    assert clean_html(f"<img src='{source}'>", {"logo@x": "/attachments/7?a=1&b=2"}).html == expected


@pytest.mark.parametrize(
    "html",
    [
        "<p title=' src=\"poststelle-remote:x'>a</p>",
        "<div class='poststelle-quote-cite'>a</div>",
        "<img alt='\"><script>alert(1)</script>' src='cid:\"><script>'>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
        "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
        "<div class=gmail_quote><blockquote>a</blockquote><table><div class=gmail_quote>",
    ],
)
def test_nothing_that_runs_survives_the_marks_and_the_folding(html: str) -> None:
    for words in (html, f"Neu.{html}"):
        assert _tags(clean_html(words, {}).html).isdisjoint({"script", "style", "svg", "noscript"})
        assert not re.search(r"<[^>]*\son\w+=", re.sub(r'"[^"]*"', '""', clean_html(words, {}).html))


_PIECES = [
    "<div class=gmail_quote>", "<blockquote type=cite>", "</blockquote>", "</div>", "<table><tr><td>", "</table>",
    "<p>", "Text", "<div id=divRplyFwdMsg>", "<b>Von:</b> a<br><b>An:</b> b<br><b>Betreff:</b> c", "<hr>", "<li>",
    "<img src=cid:a>", "<div style='border-top:solid red'>", "&nbsp;", "<a href=https://x.example>",
]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=25))
def test_folding_adds_one_whole_element_and_hides_no_word(pieces: list[str]) -> None:
    html = "".join(pieces)
    shown = clean_html(html, {}).html
    assert shown.count("<details") == shown.count("</details>") <= 1
    words = text_of(shown.replace("<summary>…</summary>", ""))
    assert "".join(words.split()) == "".join(text_of(html).split())


GMAIL = (
    '<div dir="ltr">Danke!</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">'
    "Am Mo., 23. Nov. 2026 um 10:00 Uhr schrieb Support &lt;s@firma.example&gt;:<br></div>"
    '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex">Alt</blockquote></div>'
)
OUTLOOK = (
    '<div><p>Danke!</p><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p><b>Von:</b> Support'
    "<br><b>Gesendet:</b> Montag<br><b>An:</b> Carol<br><b>Betreff:</b> Frage</p></div><p>Alt</p><p>Älter</p></div>"
)
OUTLOOK_WRAPPED = OUTLOOK.replace('<div style="border', '<div><div style="border').replace(
    "</p></div><p>Alt", "</p></div></div><p>Alt"
)
OUTLOOK_WEB = (
    '<div>Thanks!</div><hr><div id="divRplyFwdMsg"><b>From:</b> Support<br><b>Sent:</b> Monday<br><b>To:</b> Carol<br>'
    "<b>Subject:</b> Question</div><div>Alt</div>"
)
APPLE = "<div>Merci !<br><blockquote type='cite'><div>Le 23 nov. 2026 à 10:00, Support a écrit :</div><br>Alt</blockquote></div>"
THUNDERBIRD = "<p>Danke!</p><div class='moz-cite-prefix'>Am 23.11.26 um 10:00 schrieb Support:</div><blockquote type='cite'>Alt</blockquote>"
GMX = "<div><div>Danke!</div><div name='quote' style='border-left:2px solid'><div><b>Gesendet:</b> Montag</div>Alt</div></div>"


@pytest.mark.parametrize(
    ("html", "new"),
    [
        pytest.param(GMAIL, "Danke!", id="gmail"),
        pytest.param(OUTLOOK, "Danke!", id="outlook"),
        pytest.param(OUTLOOK_WRAPPED, "Danke!", id="outlook wrapped"),
        pytest.param(OUTLOOK_WEB, "Thanks!", id="outlook web"),
        pytest.param(APPLE, "Merci !", id="apple"),
        pytest.param(THUNDERBIRD, "Danke!", id="thunderbird"),
        pytest.param(GMX, "Danke!", id="gmx"),
    ],
)
def test_trailing_history_is_folded(html: str, new: str) -> None:
    shown = clean_html(html, {}).html
    before, _, folded = shown.partition('<details class="quote"><summary>…</summary>')
    assert text_of(before).strip("-\n") == new
    assert "Alt" in folded and "poststelle-" not in shown


@pytest.mark.parametrize(
    "html",
    [
        pytest.param(
            GMAIL.replace("</blockquote>", "</blockquote><div>Meine Antwort</div>"), id="answer below inside"
        ),
        pytest.param(GMAIL + "<p>Meine Antwort</p>", id="answer below"),
        pytest.param(GMAIL.replace("Danke!", ""), id="nothing above"),
        pytest.param(APPLE + "<p>Antwort unten</p>", id="answer under the quote"),
        pytest.param(OUTLOOK.replace("Danke!", "Siehe unten in rot."), id="answers between the lines"),
        pytest.param(
            "<p>a</p><div style='border-top:solid 1pt'>Von: mir</div><p>b</p>", id="a rule is no header"
        ),
        pytest.param(
            "<p>Zur Info</p><div class='gmail_quote'><div class='gmail_attr'>---------- Forwarded message ---------<br>"
            "Von: Max<br></div><p>Das Weitergeleitete</p></div>",
            id="forwarded by gmail",
        ),
        pytest.param(THUNDERBIRD.replace("Danke!", ""), id="nothing above but the line of thunderbird"),
        pytest.param(
            GMAIL.replace(
                "Alt</blockquote>", "Alt</blockquote>Antwort<blockquote class=gmail_quote>Rest</blockquote>"
            ),
            id="answer between two quotes",
        ),
    ],
)
def test_when_unsure_nothing_is_folded(html: str) -> None:
    assert "<details" not in clean_html(html, {}).html


def test_of_several_quotes_only_the_last_unanswered_is_folded() -> None:
    quote = "<blockquote type=cite>{}</blockquote>"
    shown = clean_html(f"{quote.format('Frage 1')}<p>Antwort 1</p>{quote.format('Rest')}", {}).html
    assert shown.index("Frage 1") < shown.index("Antwort 1") < shown.index("<details") < shown.index("Rest")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            "<div>Hallo <strong>Carol</strong><br><br><em>Gruß</em></div>",
            "<div>Hallo <strong>Carol</strong><br><br><em>Gruß</em></div>",
        ),
        ("<ul><li>a</li></ul><pre>b</pre><h1>c</h1><blockquote>d</blockquote>",) * 2,
        ("<a href='https://x.example'>x</a>", f'<a href="https://x.example" {REL}>x</a>'),
        ("<a href='javascript:1'>x</a><a href='/x'>y</a>", f"<a {REL}>x</a><a {REL}>y</a>"),
        ("<p style='color:red' class=x>a<img src=https://x.example/a><script>b</script></p>", "<p>a</p>"),
        ("<h2>a</h2><table><tr><td>b</td></tr></table>", "ab"),
    ],
)
def test_an_agents_editor_sends_only_simple_things(html: str, expected: str) -> None:
    assert clean_reply_html(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>Guten Tag,</p><p>a&nbsp;b &lt;c&gt;</p>", "Guten Tag,\n\na b <c>"),
        ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
        ("1. Punkt - mit * und _ und [x]", "1. Punkt - mit * und _ und [x]"),
        ("<ol><li>a</li><li>b<ul><li>c</li></ul></li></ol>d", "1. a\n2. b\n  - c\n\nd"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("a<blockquote>b<blockquote>c</blockquote></blockquote>d", "a\n\n> b\n>\n> > c\n\nd"),
        ("<a href='https://x.example/a'>hier</a>", "hier (https://x.example/a)"),
        (
            "<a href='https://x.example/'>x.example</a> <a href='mailto:a@x.example'>a@x.example</a>",
            "x.example a@x.example",
        ),
        ("<a href='https://x.example/a'><img src=x></a>", ""),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<style>x</style><script>y</script><!-- z -->a", "a"),
        ("", ""),
    ],
)
def test_text_reads_as_a_person_would_type_it(html: str, expected: str) -> None:
    assert text_of(html) == expected


def test_markup_is_for_templates() -> None:
    assert isinstance(markup("<p>a</p>"), Markup)


def _tags(html: str) -> set[str]:
    return set(re.findall(r"<([a-z0-9]+)", re.sub(r'"[^"]*"', '""', html)))
