"""What an agent reads of a mail on the ticket's page: links that can be clicked, and a subject of its own."""

from __future__ import annotations

import json
import re

import pytest

from desk.sending import replies
from desk.sending.replies import Written
from models import Message, Status, db
from tests.support.mails import arrive, mail, ticket_of


def page_of(client, ticket):
    number = ticket.number
    db.session.rollback()
    return client.get(f"/tickets/{number}").get_data(as_text=True)


def test_links_of_a_plain_text_can_be_clicked(as_bob, channel):
    words = "Siehe https://shop.example/a?b=1&c=2, oder info@shop.example, danke.\n> alt: www.shop.example\n"
    page = page_of(as_bob, ticket_of(arrive(channel, mail(text=words))))
    link = r'<a href="([^"]+)" rel="nofollow noopener noreferrer" target="_blank">'
    found = re.findall(link, page)
    assert "https://shop.example/a?b=1&amp;c=2" in found and "https://www.shop.example" in found
    assert '<a href="mailto:info@shop.example">info@shop.example</a>,' in page


@pytest.mark.parametrize(
    "words",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        'https://x.example/"onclick=alert(1)',
        "<https://x.example/<b>>",
    ],
)
def test_nothing_else_becomes_a_link_or_an_element(as_bob, channel, words):
    page = page_of(as_bob, ticket_of(arrive(channel, mail(text=words))))
    assert not re.search(r'href="(?:javascript|data):', page)
    assert "onclick=alert" not in re.sub(r'"[^"]*"|&#34;onclick=alert', "", page) and "<b>" not in page


def test_a_new_subject_is_shown_at_its_message(as_bob, channel):
    first = ticket_of(arrive(channel, mail(subject="Lieferung", text="One.")))
    number = first.number
    same, other = f"AW: Re: lieferung [#{number}]", f"Re: Reklamation Auftrag 77 [#{number}]"
    for count, subject in enumerate((same, other)):
        again = arrive(
            channel,
            mail(
                subject=subject,
                text="Two.",
                message_id=f"<{count}@customer.example>",
                references="<1@customer.example>",
            ),
        )
        assert ticket_of(again).number == number
    page = page_of(as_bob, first)
    assert page.count("Reklamation Auftrag 77</strong>") == 1
    assert "lieferung</strong>" not in page.lower()


BY_GMAIL = "Carol hat über Gmail reagiert\n<https://www.google.com/gmail/about/?utm_source=gmail-in-product>"


def reaction_to(message_id: str, sign: str = "🙏", words: str = BY_GMAIL) -> bytes:
    """As Gmail sends it: the sign in a part of its own, and in words for others."""
    part = json.dumps({"emoji": sign, "version": 1})
    return (
        f"From: Carol <carol@customer.example>\nSubject: Re: Delivery\nMessage-ID: <{abs(hash(sign))}@customer.example>\n"
        f"In-Reply-To: {message_id}\nReferences: {message_id}\nContent-Type: multipart/alternative; boundary=b\n\n"
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{sign}\n\n{words}\n"
        f"--b\nContent-Type: text/vnd.google.email-reaction+json; charset=utf-8\n\n{part}\n--b--\n"
    ).encode()


def test_a_sign_stands_at_the_mail_and_opens_nothing(as_bob, channel, bob):
    ticket = ticket_of(arrive(channel, mail()))
    sent = replies.send_reply(ticket, bob, Written("Gern geschehen.")).message
    ticket.status = Status.RESOLVED
    db.session.commit()
    row = arrive(channel, reaction_to(sent.message_id))
    assert (row.outcome, row.reason, ticket_of(row).status) == ("quiet", "reaction", Status.RESOLVED)
    assert db.session.get(Message, sent.id + 1).attachments == []
    page = page_of(as_bob, ticket)
    sheet = page[page.index(f'id="message-{sent.id}"') :]
    sheet = sheet[: sheet.index("</article>")]
    assert "🙏 Carol" in sheet and page.count("<article") == 2
    fold = sheet[sheet.index('<details class="fold">') :]
    assert "Show the text" in fold and "Carol hat über Gmail reagiert" in fold[: fold.index("</details>")]
    alone = ticket_of(arrive(channel, reaction_to("<none@customer.example>", "👍")))
    assert "Carol hat über Gmail reagiert" in page_of(as_bob, alone)


def test_who_adds_words_to_a_sign_has_answered(as_bob, channel, bob):
    ticket = ticket_of(arrive(channel, mail()))
    sent = replies.send_reply(ticket, bob, Written("Gern geschehen.")).message
    ticket.status = Status.RESOLVED
    db.session.commit()
    row = arrive(channel, reaction_to(sent.message_id, words=f"Bitte Auftrag stornieren.\n\n{BY_GMAIL}"))
    assert (row.outcome, row.reason, ticket_of(row).status) == ("reply", "person", Status.OPEN)
    page = page_of(as_bob, ticket)
    assert "Bitte Auftrag stornieren." in page and "by a sign" not in page


@pytest.mark.parametrize("sign", ["call 0900 123", "<b>", "", "x" * 100])
def test_words_are_no_sign(as_bob, channel, sign):
    row = arrive(channel, reaction_to("<none@customer.example>", sign))
    assert row.reason != "reaction"


def test_the_person_behind_a_list_is_shown_with_it(as_bob, channel):
    channel.forwarded_from = "liste@lists.example.org"
    db.session.commit()
    through = mail(
        "Max Muster über Liste <liste@lists.example.org>",
        list_post="<mailto:liste@lists.example.org>",
        reply_to="max@example.net",
    )
    page = page_of(as_bob, ticket_of(arrive(channel, through)))
    assert re.search(
        r'address">max@example\.net</span>.*?through.*?address">liste@lists\.example\.org</span>', page
    )
    assert "Max Muster über Liste" not in page and "Max Muster" in as_bob.get("/tickets").text
    assert ">through<" not in page_of(as_bob, ticket_of(arrive(channel, mail())))
