"""A link for a password is known again whatever a gateway, a mail program or a mail server made of it."""

from __future__ import annotations

import quopri
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from email.message import EmailMessage
from html import escape
from textwrap import fill
from urllib.parse import quote

import pytest

from mail.judging import private_links
from mail.reading.parse import parse
from mail.types import Mail, Part

OURS = "https://help.example.com:8443/desk/password/"
LINK = OURS + "Ab-cD_ef0123456789-_ghijklmnopqrstuvwxyzABCDEF0"
OTHER = OURS.replace("/password/", "/tickets/") + "1042"
LINES = "Hello,\n\nchoose a password:\n\n{}\n\nIt works once.\n"


def proofpoint(url: str) -> str:
    """urldefense v2: percent-encoded with "-" in place of "%", and "_" in place of "/"."""
    coded = quote(url, safe="/:").replace("-", "-2D").replace("_", "-5F").replace("%", "-")
    return (
        f"https://urldefense.proofpoint.com/v2/url?u={coded.replace(':', '-3A').replace('/', '_')}&d=DwMFaQ"
    )


def safelinks(url: str) -> str:
    return (
        f"https://eur01.safelinks.protection.outlook.com/?url={quote(url, safe='')}&data=05%7C02&reserved=0"
    )


REWRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent-encoded": lambda url: f"https://linkprotect.cudasvc.com/url?a={quote(url, safe='')}&c=E,1",
    "lower case": lambda url: f"https://gateway.example/?u={quote(url, safe='').lower()}",
    "path only": lambda url: url.replace("/password/", "%2Fpassword%2F"),
    "SafeLinks": safelinks,
    "Proofpoint v1": lambda url: f"https://urldefense.proofpoint.com/v1/url?u={quote(url, safe='')}&k=x",
    "Proofpoint v2": proofpoint,
    "Proofpoint v3": lambda url: f"https://urldefense.com/v3/__{url}__;!!NABC!xyz$",
    "Proofpoint in SafeLinks": lambda url: safelinks(proofpoint(url)),
    "SafeLinks three times": lambda url: safelinks(safelinks(safelinks(url))),
    "Cisco": lambda url: f"https://secure-web.cisco.com/1x-y/{quote(url, safe='')}",
    "Sophos": lambda url: (
        "https://eu.protection.sophos.com/?d=example.com&u=" + urlsafe_b64encode(url.encode()).decode()
    ),
    "without a scheme": lambda url: url.removeprefix("https://"),
    "defanged": lambda url: url.replace("https", "hxxps").replace(".", "[.]"),
    "entities": lambda url: url.replace("/", "&#x2F;").replace(":", "&#58;"),
    "entities of entities": lambda url: escape(escape(safelinks(url))),
    "quoted and broken": lambda url: "> > " + url[:30] + "\n> > " + url[30:],
    "broken in the word": lambda url: url.replace("password", "pass\r\nword"),
    "broken in the host": lambda url: url.replace("example", "exam\nple"),
    "upper case": lambda url: url.replace("https://help.example.com", "HTTPS://HELP.EXAMPLE.COM"),
    "soft places to break": lambda url: url.replace("/", "/<wbr>").replace("-", "-\u200b"),
    "quoted-printable": lambda url: quopri.encodestring(LINES.format(safelinks(url)).encode()).decode(),
    "base64": lambda url: (
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n"
        + fill(b64encode(LINES.format(url).encode()).decode(), 76)
    ),
}


@pytest.mark.parametrize("how", REWRITTEN)
@pytest.mark.parametrize("where", ["text", "html", "file"])
def test_a_link_is_known_in_each_form(how: str, where: str) -> None:
    for link, is_private in ((LINK, True), (OTHER, False)):
        text = LINES.format(REWRITTEN[how](link))
        mail = {
            "text": Mail(text=text),
            "html": Mail(html=f'<p>password</p><a href="{text.partition("Hello,")[2]}">here</a>'),
            "file": Mail(attachments=(Part("returned.eml", "message/rfc822", text.encode()),)),
        }[where]
        assert private_links.holds(mail, OURS) is is_private


def original(encoding: str) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["Message-ID"] = "A new password", "<p0.abc@help.example.com>"
    mail.set_content(LINES.format(LINK), cte=encoding)
    mail.add_alternative(f'<p><a href="{LINK}">Choose</a></p>', subtype="html", cte=encoding)
    mail.add_attachment(b"\x89PNG" * 500, "image", "png", filename="logo.png")
    return mail


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("form", ["attached", "attached twice", "source in the text"])
def test_what_a_mail_server_returns_is_looked_into(encoding: str, form: str) -> None:
    returned = EmailMessage()
    returned["From"], returned["Subject"] = "MAILER-DAEMON@mx.example", "failure notice"
    source = original(encoding)
    if form == "source in the text":  # as qmail does
        returned.set_content(
            "Hi. This is the qmail-send program.\n\n--- Below this line\n\n" + source.as_string()
        )
    else:
        returned.set_content("could not be delivered")
        if form == "attached twice":
            outer = EmailMessage()
            outer.set_content("see below")
            outer.add_attachment(source)
            source = outer
        returned.add_attachment(source)
    assert private_links.holds(parse(returned.as_bytes()), OURS)


def test_the_mails_inside_are_named() -> None:
    mail = Mail(attachments=(Part("a.eml", "message/rfc822", original("7bit").as_bytes()),))
    assert private_links.attached_ids(mail) == ["<p0.abc@help.example.com>"]


@pytest.mark.parametrize(
    "text",
    ["I forgot my password, please help.", "https://help.example.com:8443/desk/password", OTHER, "",
     "https://other.example/password/" + LINK[-43:], "password/ " * 50_000, "%25" * 100_000, "base64\n\n" * 50_000,
     "base64\r\n\r\n" * 100_000],
)  # fmt: skip
def test_other_mails_hold_none_and_cost_little(text: str) -> None:
    began = time.process_time()
    assert not private_links.holds(
        Mail(text=text, html=text, attachments=(Part("a.txt", "text/plain", text.encode()),)), OURS
    )
    assert time.process_time() - began < 3
