"""Every mail that we write: how it is built, what it wears, and that an answer to it folds as before."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from html.parser import HTMLParser

import pytest

from config import ROOT
from desk import files
from desk.channels import channels
from desk.notices import previews
from desk.sending import mail_rendering, replies
from desk.texts import mail_designs, notice_texts
from desk.texts.notice_table import BY_NAME
from desk.tools.scenes.files import png
from mail.showing.clean import fold_text
from mail.types import Address, Outgoing
from mail.writing.compose import compose
from mail.writing.pictures import ink_on, luminance, read_picture
from models import NoticeItem, OutboundMail, db, now
from tests.support.mails import arrive, mail, ticket_of

SIGNATURE = "Acme Service\nVienna, {{channel.address}}"
FOOTER = "{{company.name}}\nFN 123456 a, Commercial Court Vienna"
WRITTEN = sorted(path.parent.name for path in ROOT.glob("templates/mail/*/body.html"))


@pytest.fixture
def designed(channel):
    mail_designs.change(mail_designs.default(), mail_designs.DesignValues(
        "Standard", accent="#0b3d91", signature=SIGNATURE, footer=FOOTER, logo=png(120, 40), logo_alt="Acme logo",
    ))  # fmt: skip
    return channel


class Marks(HTMLParser):
    """Every start tag of a document with its attributes, and what stands in <style>."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.style = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "style":
            self.style += data

    def named(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def notice_of(name, alice, locale="de"):
    """A mail as it would be sent; those that no preview shows with what they need."""
    if name in BY_NAME:
        return previews.preview(name, locale, alice)
    item = NoticeItem(notice="new_ticket", ticket=previews.newest_ticket())
    return mail_rendering.render(
        name, locale, agent=alice, url="https://desk.example/x", items=[item] * 50, more=3
    )


def test_nothing_that_we_write_is_left_out():
    assert {"ticket_reply", "confirmation", "several", "invitation", "channel_trouble"} <= set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_every_mail_is_built_for_all_programs(designed, alice, name):
    arrive(designed, mail(subject="Hello"))
    rendered = notice_of(name, alice)
    marks = Marks(rendered.html)
    assert len(marks.named("style")) == 1 and not marks.named("link") and not marks.named("script")
    assert re.fullmatch(r"\s*@media \(prefers-color-scheme: dark\) \{.*\}\s*", marks.style, re.S)
    assert marks.named("table") and all(table["role"] == "presentation" for table in marks.named("table"))
    assert all(
        re.search(r'role="presentation"', table) for table in re.findall(r"<table[^>]*>", rendered.html)
    )
    assert [image["alt"] for image in marks.named("img")] == ["Acme logo"]
    assert [image["src"] for image in marks.named("img")] == [
        f"cid:{part.content_id}" for part in rendered.pictures
    ]
    for tag, attributes in marks.tags:
        loaded = [attributes.get(name) or "" for name in ("src", "background", "data", "poster", "srcset")]
        assert not re.search(r"https?:|//", "".join(loaded)), tag
        assert "url(" not in (attributes.get("style") or "") and "@import" not in marks.style
        assert tag == "a" or "href" not in attributes
    assert marks.named("html")[0]["lang"] == "de"
    assert "max-width:600px" in rendered.html and "<!--[if mso]>" in rendered.html
    assert "FN 123456 a" in rendered.html and "FN 123456 a" in rendered.text
    raw = compose(Outgoing(
        sender=Address("Acme", "support@acme.example"), to=(Address("", "carol@customer.example"),),
        subject=rendered.subject, text=rendered.text, html=rendered.html, message_id="<1@acme.example>", date=now(),
        attachments=rendered.pictures,
    ))  # fmt: skip
    assert len(raw) < 100_000
    kinds = [part.get_content_type() for part in message_from_bytes(raw, policy=policy.default).walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]


def test_the_largest_logo_still_leaves_a_mail_below_the_limit(designed, alice):
    logo = png(20, 20) + b"\0" * (mail_designs.LARGEST_LOGO - len(png(20, 20)))
    mail_designs.change(
        mail_designs.default(),
        mail_designs.DesignValues("Standard", signature="x" * 2000, footer="x" * 2000, logo=logo),
    )
    ticket = ticket_of(arrive(designed, mail()))
    replies.send_reply(ticket, alice, replies.Written(text="Good day.\n" * 100))
    sent = db.session.query(OutboundMail).filter_by(purpose="ticket_reply").one()
    assert len(files.content(sent.sha256)) < 100_000


def test_a_reply_has_the_design_of_its_channel_and_its_bytes_stay(designed, alice):
    other = mail_designs.create(mail_designs.DesignValues("Shop", signature="The shop"))
    ticket = ticket_of(arrive(designed, mail()))
    designed.design_id = other.id
    db.session.commit()
    replies.send_reply(ticket, alice, replies.Written(text="Good day."))
    sent = db.session.query(OutboundMail).filter_by(purpose="ticket_reply").one()
    raw = files.content(sent.sha256)
    text = message_from_bytes(raw, policy=policy.default).get_body(("plain",)).get_content().replace("\r", "")
    assert "-- \nAlice Admin\nThe shop\n" in text and "FN 123456" not in text
    mail_designs.delete(other)
    assert files.content(sent.sha256) == raw
    assert mail_rendering.render(
        "assigned", "en", ticket=ticket, agent=alice, actor="Bob"
    ).pictures  # the default one


def test_footer_stands_above_the_history_in_our_words_and_in_others(designed, alice):
    ticket = ticket_of(arrive(designed, mail(text="What about it?")))
    ours = previews.preview("ticket_reply", "en", alice, ticket)
    notice_texts.save("ticket_reply", "en", *previews.ours("ticket_reply", "en"))
    theirs = previews.preview("ticket_reply", "en", alice, ticket)
    notice_texts.save("ticket_reply", "en", "", "{{reply.body}}\n\n{{channel.signature}}")
    short = previews.preview("ticket_reply", "en", alice, ticket)
    for rendered in (ours, theirs):
        for body in (rendered.text, rendered.html):
            assert body.count("FN 123456 a") == 1
            assert body.index("Acme Service") < body.index("FN 123456 a") < body.index("What about it?")
    assert ours.text.split() == theirs.text.split()
    assert "\n\n-- \nAcme GmbH\nFN 123456 a" in short.text and short.html.count("FN 123456 a") == 1


def test_an_answer_that_quotes_our_mail_is_folded(designed, alice):
    ticket = ticket_of(arrive(designed, mail(text="What about it?")))
    rendered = previews.preview("ticket_reply", "en", alice, ticket)
    quoted = "".join(f"> {line}\n" for line in rendered.text.splitlines())
    folded = fold_text(f"Thank you!\n\nOn 1 May 2026, Acme wrote:\n{quoted}")
    assert folded.visible.strip() == "Thank you!" and "FN 123456 a" in folded.quoted


def test_without_anything_the_company_signs(channel, alice):
    design = mail_designs.of_channel(channels.default())
    assert (design.signature, design.footer, design.logo) == ("Acme GmbH", "", None)


@pytest.mark.parametrize(
    "colour", ["#000000", "#ffffff", "#ffcb05", "#777777", "#0b3d91", "#ff0000", "#757575"]
)
def test_words_on_the_colour_are_readable(colour):
    one, other = sorted((luminance(colour), luminance(ink_on(colour))))
    assert (other + 0.05) / (one + 0.05) >= 4.5


@pytest.mark.parametrize(("data", "found"), [
    (png(30, 20), ("image/png", 30, 20)),
    (b"GIF89a\x1e\0\x14\0\0\0\0;", ("image/gif", 30, 20)),
    (b"GIF89a\x1e\0\x14\0", None),
    (b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x0b\x08\0\x14\0\x1e\xff\xd9", ("image/jpeg", 30, 20)),
    (b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x0b\x08\0\x14\0\x1e", None),
    (b"\xff\xd8\xff\xe0\0\0", None),
    (b"\xff\xd8\xff\xe0", None),
    (b"RIFF\0\0\0\0WEBPVP8 ", None),
    (b"<svg/>", None),
    (png(30, 20)[:20], None),
    (b"GIF89a\0\0\0\0", None),
    (b"", None),
])  # fmt: skip
def test_a_picture_is_what_its_bytes_say(data, found):
    picture = read_picture(data)
    assert (picture and (picture.type, picture.width, picture.height)) == found


def test_a_wide_logo_is_lower_than_was_chosen(designed):
    mail_designs.change(
        mail_designs.default(), mail_designs.DesignValues("Standard", logo=png(300, 10), logo_height=40)
    )
    design = mail_designs.of_agents(designed)
    assert (design.logo_width, design.logo_height) == (560, 19)
