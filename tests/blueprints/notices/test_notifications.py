"""»System >> Notifications«: the switches and the preview."""

from __future__ import annotations

import re
import zlib
from base64 import urlsafe_b64encode

import pytest

from desk.agents import accounts
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.notices import previews
from desk.telling import who_hears
from desk.texts import notice_texts, requester_languages
from desk.texts.notice_table import BY_NAME, NOTICES
from models import OutboundMail, db
from tests.support.mails import arrive, mail, ticket_of


@pytest.mark.parametrize("notice", [notice.name for notice in NOTICES])
@pytest.mark.parametrize("language", ["de", "en"])
def test_every_notice_has_a_preview_in_both_languages(as_alice, notice, language):
    html = as_alice.get(f"/system/notifications?notice={notice}&text={language}").text
    about = {"de": "Kanal", "en": "Channel"}[language] if notice.startswith("channel_") else "#1042"
    assert f'<dd lang="{language}" dir="auto">{about}' in html or about == "#1042" in html


def test_an_unknown_notice_is_not_found(as_alice):
    as_alice.get("/system/notifications?notice=weather", status=404)
    as_alice.post("/system/notifications/weather", {"enabled": "1"}, status=404)


def test_a_notice_is_switched_off_and_on(as_alice):
    as_alice.post("/system/notifications/confirmation", {"enabled": "0"})
    assert not who_hears.enabled("confirmation")
    html = as_alice.post("/system/notifications/confirmation", {"enabled": "1"}, status=200, htmx=True).text
    assert who_hears.enabled("confirmation")
    assert 'hx-target="#notice-confirmation"' in html and 'aria-checked="true"' in html


def test_the_ticket_reply_is_always_on(as_alice):
    as_alice.post("/system/notifications/ticket_reply", {"enabled": "0"}, status=409)
    assert "Always on" in as_alice.get("/system/notifications").text


def test_agents_cannot_reach_it(as_bob):
    as_bob.get("/system/notifications", status=403)
    as_bob.post("/system/notifications/confirmation", {"enabled": "0"}, status=403)
    assert who_hears.enabled("confirmation")


# --- words

WORDED = [notice.name for notice in NOTICES if notice.changeable]


def written(name, **fields):
    return {"text": "en", "subject": "Ours [#{{ticket.number}}]", "body": "Hello {{ticket.number}}"} | fields


@pytest.mark.parametrize("name", WORDED)
@pytest.mark.parametrize("language", ["de", "en"])
def test_our_words_can_be_saved_as_they_are_and_say_the_same(as_alice, name, language):
    alice = accounts.agents()[0]
    before = previews.preview(name, language, alice)
    notice_texts.save(name, language, *previews.ours(name, language))
    after = previews.preview(name, language, alice)
    assert (after[0], after[1].split()) == (before[0], before[1].split())
    assert "{{" not in "".join(after[:3])


@pytest.mark.parametrize("name", WORDED)
def test_every_placeholder_of_a_notice_is_replaced(as_alice, name):
    body = "\n\n".join(f"{{{{ {one} }}}}" for one in BY_NAME[name].placeholders)
    notice_texts.save(name, "de", "{{ticket.number}}", body)
    mail = "".join(previews.preview(name, "de", accounts.agents()[0])[:3])
    assert "{{" not in mail and "1042" in mail


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"body": "Hello {{ticket.owner}}"}, "ticket.owner"),
        ({"body": "{{ 7*7 }}"}, "7*7"),
        ({"body": "{{ticket.number}"}, "two curly brackets"),
        ({"body": "{{config}}"}, "config"),
        ({"subject": "{{reply.body}}"}, "reply.body"),
        ({"subject": " "}, "Write something"),
        ({"body": ""}, "Write something"),
        ({"body": "x" * 20_001}, "too long"),
    ],
)
def test_words_that_cannot_be_sent_are_refused_with_a_sentence(as_alice, fields, words):
    html = as_alice.post("/system/notifications/confirmation/text", written("", **fields), status=422).text
    assert words in html and 'aria-invalid="true"' in html
    assert notice_texts.text_of("confirmation", "en") is None


@pytest.mark.parametrize("body", ["Dear all", "{{reply.body}} {{reply.body}}"])
def test_a_ticket_reply_contains_the_reply_once(as_alice, body):
    html = as_alice.post("/system/notifications/ticket_reply/text", written("", body=body), status=422).text
    assert "exactly once" in html


def test_words_are_saved_used_and_given_back(as_alice):
    as_alice.post(
        "/system/notifications/confirmation/text", written("", body="<b>{{ticket.number}}</b> & co")
    )
    subject, text, html, _ = previews.preview("confirmation", "en", accounts.agents()[0])
    assert (subject, text) == ("Ours [#1042]", "<b>1042</b> & co\n")
    assert "<p>&lt;b&gt;1042&lt;/b&gt; &amp; co</p>" in html
    page = as_alice.get("/system/notifications?notice=confirmation&text=en").text
    assert "&lt;b&gt;{{ticket.number}}&lt;/b&gt;" in page and "Back to our text" in page
    as_alice.post("/system/notifications/confirmation/reset", {"text": "en"})
    assert notice_texts.text_of("confirmation", "en") is None
    assert "Back to our text" not in as_alice.get("/system/notifications?notice=confirmation&text=en").text


def test_the_preview_shows_what_is_typed_and_saves_nothing(as_alice):
    path, typed = "/system/notifications/confirmation/preview", written("", body="Typed {{ticket.number}}")
    assert "Typed 1042" in as_alice.post(path, typed, status=200, htmx=True).text
    assert "Typed 1042" in as_alice.post(path, typed, status=200).text
    wrong = as_alice.post(path, written("", body="{{x}}"), status=200, htmx=True).text
    assert 'id="preview-error"' in wrong and "“x”" in wrong
    assert notice_texts.text_of("confirmation", "en") is None


def test_a_test_mail_goes_to_who_asks_for_it(as_alice):
    as_alice.post("/system/notifications/confirmation/test", written("", subject="Try"), status=200)
    (mail,) = db.session.query(OutboundMail)
    assert (mail.purpose, mail.subject) == ("test_mail", "[Test] Try [#1042]")
    assert [one.address for one in mail.recipients] == [accounts.agents()[0].email]


@pytest.mark.parametrize("what", ["text", "reset", "preview", "test", "channels"])
def test_agents_cannot_change_words(as_bob, what):
    as_bob.post(f"/system/notifications/confirmation/{what}", written(""), status=403)


@pytest.mark.parametrize("what", ["text", "reset", "preview", "test", "channels"])
def test_what_follows_from_a_trouble_has_no_words_of_its_own(as_alice, what):
    as_alice.post(f"/system/notifications/channel_trouble/{what}", written(""), status=404)


def test_a_notice_is_switched_by_channel(as_alice):
    first = channels.default()
    other = channels.create(ChannelValues(key="Sales", address=f"sales@{first.address.partition('@')[2]}"))
    assert "For these channels" in as_alice.get("/system/notifications?notice=confirmation").text
    as_alice.post("/system/notifications/confirmation/channels", {"channel": str(first.id)})
    assert who_hears.enabled("confirmation", first.id) and not who_hears.enabled("confirmation", other.id)


def frame_of(html):
    return re.search(r'<iframe[^>]*src="([^"]+)"', html)[1].replace("&amp;", "&")


def test_the_mail_is_shown_as_it_would_be_sent_while_it_is_typed(as_alice):
    """In a frame that may run and load nothing; what is not saved stands in its address."""
    path = "/system/notifications/ticket_reply/preview"
    html = as_alice.post(
        path, written("", body="Moin {{ticket.number}}\n\n{{reply.body}}"), status=200, htmx=True
    ).text
    shown = as_alice.client.get(frame_of(html))
    assert shown.status_code == 200 and "<p>Moin 1042</p>" in shown.text
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    saved = as_alice.client.get(
        frame_of(as_alice.get("/system/notifications?notice=ticket_reply&text=en").text)
    )
    assert saved.status_code == 200 and "missing items" in saved.text and "Moin" not in saved.text


def packed(text):
    return urlsafe_b64encode(zlib.compress(text.encode())).decode()


def test_a_number_that_no_ticket_has_is_said(as_alice, channel):
    number = ticket_of(arrive(channel, mail())).number
    for asked, said in ((number, False), (number + 1, True)):
        fields = written("", ticket=str(asked))
        html = as_alice.post("/system/notifications/confirmation/preview", fields, status=200, htmx=True).text
        assert (f"There is no ticket #{asked}" in html) is said and f"#{number}]" in html


@pytest.mark.parametrize(
    "words",
    [
        "x",
        "AAAA",
        "€",
        packed(""),
        packed("[1, 2]"),
        packed("{}"),
        packed("[" * 70_000),
        packed("x" * 1_000_000),
        packed('["", "{{config}}", ""]'),
    ],
)
def test_an_address_of_a_frame_that_somebody_made_up_shows_what_is_saved(as_alice, words):
    shown = as_alice.client.get(f"/system/notifications/confirmation/frame?text=en&words={words}")
    assert shown.status_code in (200, 404) and "{{" not in shown.text


def test_words_that_are_too_long_for_an_address_are_shown_as_text_until_they_are_saved(as_alice):
    noise = "".join(f"{number * 7919 % 99991} " for number in range(3000))
    body = f"{noise[:15_000]}\n\n{{{{reply.body}}}}"
    path = "/system/notifications/ticket_reply"
    html = as_alice.post(f"{path}/preview", written("", body=body), status=200, htmx=True).text
    assert "<iframe" not in html and "when it is saved" in html and "7919" in html
    as_alice.post(f"{path}/text", written("", body=body))
    html = as_alice.get("/system/notifications?notice=ticket_reply&text=en").text
    assert "7919" in as_alice.client.get(frame_of(html)).text


# --- languages of requesters


def test_a_language_is_added_worded_and_removed(as_alice):
    where = as_alice.post("/system/languages", {"locale": "fr"}).headers["Location"]
    page = as_alice.get(where).text
    assert "There is no text in this language yet" in page and "thank you for your message" in page
    fields = {"text": "fr", "subject": "Merci [#{{ticket.number}}]", "body": "Bonjour {{ticket.number}} !"}
    preview = as_alice.post("/system/notifications/confirmation/preview", fields, status=200).text
    assert "Merci [#1042]" in preview and "Remove this text" not in preview
    assert 'lang="fr"' in as_alice.client.get(frame_of(preview)).text
    as_alice.post("/system/notifications/confirmation/text", fields)
    page = as_alice.get(where).text
    assert "Remove this text" in page and "There is no text" not in page
    editor = as_alice.get("/system/notifications?notice=new_ticket&text=fr").text
    editor = editor.split('id="preview-title"')[1].split('id="languages-title"')[0]
    assert "text=en" in editor and "text=fr" not in editor, "agents read German or English"
    assert "1 text in this language is deleted" in as_alice.get("/system/languages/fr/remove").text
    as_alice.post("/system/languages/fr/remove")
    assert requester_languages.further() == () and notice_texts.text_of("confirmation", "fr") is None


@pytest.mark.parametrize("locale", ["de", "klingon", "", "../x"])
def test_what_is_no_further_language_is_neither_added_nor_removed(as_alice, locale):
    as_alice.post("/system/languages", {"locale": locale})
    assert requester_languages.further() == ()
    as_alice.get(f"/system/languages/{locale or 'fr'}/remove", status=404)


def test_the_line_above_a_quotation_is_changed_with_the_reply(as_alice):
    body = "{{reply.body}}\n\n{{quoted_history}}"
    path = "/system/notifications/ticket_reply/text"
    wrong = as_alice.post(path, written("", body=body, quote_line="{{ticket.number}}"), status=422).text
    assert "You can use: message.date, sender.name" in wrong and 'id="quote-line-error"' in wrong
    as_alice.post(path, written("", body=body, quote_line="{{sender.name}} ({{message.date}}):"))
    assert "Maria Huber (" in previews.preview("ticket_reply", "en", accounts.agents()[0])[1]


def test_added_languages_stand_where_one_is_chosen(as_alice, channel):
    number, place = ticket_of(arrive(channel, mail())).number, channel.id
    requester_languages.add("fr")
    db.session.rollback()  # the page notes afterwards that the ticket was seen
    assert '<option value="fr">français</option>' in as_alice.get(f"/system/channels/{place}").text
    page = as_alice.get(f"/tickets/{number}").text
    assert '<option value="en" selected>English</option>' in page and '<option value="fr">français' in page
    for locale, status in (("fr", 303), ("it", 400)):
        db.session.rollback()
        as_alice.post(f"/tickets/{number}/language", {"language": locale}, status=status)
    db.session.rollback()
    page = as_alice.get(f"/tickets/{number}?tab=history").text
    assert '<option value="fr" selected>français' in page and "language English → français" in page
