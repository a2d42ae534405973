"""A sign is one only where nothing else is said: words and files of a customer are never behind it."""

from __future__ import annotations

import json

import pytest

from mail.judging.rules import judge
from mail.reactions import reaction_in
from mail.reading.parse import parse
from mail.types import Facts, Mail

LINK = "https://www.google.com/gmail/about/?utm_source=gmail-in-product&utm_campaign=emojireactionemail#app"
SENTENCE = f"Carol Doe reacted via Gmail\n<{LINK}>"
QUOTED = (
    "On Mon, Nov 23, 2026 at 9:00 AM Acme <\nsupport@acme.example> wrote:\n\n> You are welcome.\n>\n> Bob\n"
)
FILE = '--b\nContent-Type: image/png\nContent-Disposition: attachment; filename="bill.png"\n\nPNG\n'


def html_of(words: str = "Carol Doe reacted via", after: str = "", above: str = "") -> str:
    quoted = "<blockquote>You are welcome.<img src='https://acme.example/logo.png'></blockquote>"
    return (
        f'{above}<div><p style="font-size:50px">🙏</p><p>{words} <a href="{LINK}">Gmail</a>{after}</p></div><br>'
        f'<div class="gmail_quote"><div>On Mon, Nov 23, 2026 at 9:00 AM Acme &lt;<a href="mailto:support@acme.example">'
        f"support@acme.example</a>&gt; wrote:<br></div>{quoted}</div>"
    )


def raw(
    text: str = "", markup: str = "", sign: str = "🙏", files: str = "", name: str = "Carol Doe"
) -> bytes:
    def part(kind: str, words: str) -> str:
        return f"--a\nContent-Type: {kind}; charset=utf-8\n\n{words}\n" if words else ""

    return (
        f"From: {name} <carol@customer.example>\nSubject: Re: Delivery\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=a\n\n"
        f"{part('text/plain', text)}"
        f"{part('text/vnd.google.email-reaction+json', json.dumps({'emoji': sign, 'version': 1}))}"
        f"{part('text/html', markup)}--a--\n{files}--b--\n"
    ).encode()


def is_quiet(mail: Mail) -> bool:
    return judge(mail, Facts(), None).reason == "reaction"


@pytest.mark.parametrize(
    ("text", "markup", "name"),
    [
        (f"🙏\n\n{SENTENCE}\n\n{QUOTED}", html_of(), "Carol Doe"),
        (f"🙏\n\n{SENTENCE}\n\n{QUOTED}".replace("\n", "\r\n"), "", "Carol Doe"),
        (f"🙏\n\n{SENTENCE}\n", "", "Carol Doe"),
        ("🙏", "", "Carol Doe"),
        ("", "", "Carol Doe"),
        (
            f"🙏\n\nCarol Doe hat über Gmail reagiert\n<{LINK}>\n\nAm Mo., 23. Nov. 2026 um 09:00 Uhr schrieb Acme <\n"
            "support@acme.example>:\n\n> Gern geschehen.\n",
            html_of("Carol Doe hat über", " reagiert"),
            "Carol Doe",
        ),
        (f"🙏\n\nCarol Doe a réagi via Gmail\n<{LINK}>", html_of("Carol Doe a réagi via"), "Carol Doe"),
        (f"🙏\n\nCarol Doe ha reaccionado a través de Gmail\n<{LINK}>", "", "Carol Doe"),
        (f"🙏\n\nCarol Doe ha reagito tramite Gmail\n<{LINK}>", "", "Carol Doe"),
        (f"🙏\n\nCarol Doe さんが Gmail でリアクションしました\n<{LINK}>", "", "Carol Doe"),
        (f"🙏\n\nDr. Carol Doe 3rd reacted via Gmail\n<{LINK}>", "", "Dr. Carol Doe 3rd"),
    ],
)
def test_what_gmail_writes_around_a_sign_is_no_answer(text: str, markup: str, name: str) -> None:
    mail = parse(raw(text, markup, name=name))
    assert mail.reaction == "🙏" and not mail.attachments and is_quiet(mail)


@pytest.mark.parametrize(
    ("text", "markup", "files"),
    [
        ("🙏\n\nPlease cancel order 4711.", "", ""),
        ("Please cancel order 4711.", "", ""),
        (f"🙏 but cancel 4711\n\n{SENTENCE}\n\n{QUOTED}", "", ""),
        (f"🙏\n\nPlease cancel 4711.\n\n{SENTENCE}\n\n{QUOTED}", "", ""),
        (f"🙏\n\nPlease cancel 4711.\n{SENTENCE}\n\n{QUOTED}", "", ""),
        (f"🙏\n\n{SENTENCE}\n\nPlease cancel 4711.\n\n{QUOTED}", "", ""),
        (f"🙏\n\n{SENTENCE}\n\nPlease cancel 4711.\n{QUOTED}", "", ""),
        (f"🙏\n\n{SENTENCE}\n\n{QUOTED}\nPlease cancel 4711.", "", ""),
        (f"🙏\n\n{SENTENCE}\n\n{QUOTED.replace('> Bob', 'No: 4711')}", "", ""),
        (f"🙏\n\nCarol Doe wants 4711 cancelled, reacted via Gmail\n<{LINK}>\n\n{QUOTED}", "", ""),
        (f"🙏\n\nCarol Doe reacted via Gmail\n<https://evil.example/4711>\n\n{QUOTED}", "", ""),
        (f"🙏\n\n{SENTENCE}\n\n{QUOTED}", html_of(above="<p>Please cancel 4711.</p>"), ""),
        (f"🙏\n\n{SENTENCE}\n\n{QUOTED}", html_of() + "<p>Please cancel 4711.</p>", ""),
        (f"🙏\n\n{SENTENCE}\n\n{QUOTED}", html_of(above="<img src='https://x.example/4711.png'>"), ""),
        ("", "<p>Please cancel 4711.</p>", ""),
    ],
)
def test_any_other_word_is_an_answer_with_all_its_words(text: str, markup: str, files: str) -> None:
    mail = parse(raw(text, markup, files=files))
    assert mail.reaction == "" and judge(mail, Facts(), None).reason == "person"
    assert "4711" in mail.text + mail.html
    if text:
        assert mail.text == text.strip()


def test_a_file_is_an_answer() -> None:
    mail = parse(raw(f"🙏\n\n{SENTENCE}\n\n{QUOTED}", html_of(), files=FILE))
    assert mail.reaction == "" and [part.name for part in mail.attachments] == ["bill.png"]
    assert judge(mail, Facts(), None).reason == "person"


@pytest.mark.parametrize("sign", ["👍", "👍🏽", "❤️", "👨‍👩‍👧‍👦", "🇦🇹", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "3️⃣", "*⃣", "↔️", "🏳️‍🌈"])  # fmt: skip
def test_signs(sign: str) -> None:
    assert reaction_in(json.dumps({"emoji": sign}).encode()) == sign


@pytest.mark.parametrize(
    "sign",
    [
        "\ud83d", "👍\ud83d", "\x00", "👍\x00", "👍\u202e", "👍\u2066", "1234567", "3", "٣", "call 0900", "<", "$€", "\u200d", "\ufe0f",
        "\u0301\u0301", "👍\n", "👍 ", "👍\ufeff", "\ue000", "", "👍" * 21,
    ],
)  # fmt: skip
def test_what_is_no_sign_is_kept_as_a_file(sign: str) -> None:
    assert reaction_in(json.dumps({"emoji": sign}).encode()) == ""
    mail = parse(raw("Hello", sign=sign))
    assert not mail.reaction and [part.type for part in mail.attachments] == [
        "text/vnd.google.email-reaction+json"
    ]
    mail.text.encode()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"emoji": 5}', b"\xff", b"[" * 1000, b'{"emoji": ["\xf0"]}']
)
def test_other_json_is_no_sign(data: bytes) -> None:
    assert reaction_in(data) == ""
