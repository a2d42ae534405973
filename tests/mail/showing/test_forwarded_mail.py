"""Who wrote the mail that a colleague passed on, in the words of each mail program and language."""

from __future__ import annotations

import pytest

from mail.showing.forwarded_mail import read_forward, says_forwarded
from mail.types import Address, Mail

BOB = Address("Bob", "bob@acme.example")
CAROL = "carol@customer.example"

BLOCKS = {
    "outlook-de": "Bitte kümmern.\n\n________________________________\nVon: Carol Huber <carol@customer.example>\n"
    "Gesendet: Montag, 2. November 2026 09:00\nAn: Bob <bob@acme.example>\nBetreff: Lieferung\n\nGuten Tag",
    "outlook-old-de": "-----Ursprüngliche Nachricht-----\nVon: Carol Huber [mailto:carol@customer.example] \n"
    "Gesendet: Montag, 2. November 2026 09:00\nAn: Bob\nBetreff: Lieferung\n\nGuten Tag",
    "outlook-en": "Please see below.\n\nFrom: Carol Huber <carol@customer.example>\n"
    "Sent: Monday, November 2, 2026 9:00 AM\nTo: Bob <bob@acme.example>\nSubject: Delivery\n\nHello",
    "outlook-fr": "-----Message d'origine-----\nDe : Carol Huber <carol@customer.example>\n"
    "Envoyé : lundi 2 novembre 2026 09:00\nÀ : Bob\nObjet : Livraison\n\nBonjour",
    "outlook-bold": "*Von:* Carol Huber <carol@customer.example>\n*Gesendet:* Montag\n*An:* Bob\n*Betreff:* x\n\nText",
    "gmail-de": "---------- Forwarded message ---------\nVon: Carol Huber <carol@customer.example>\n"
    "Date: Mo., 2. Nov. 2026 um 09:00 Uhr\nSubject: Lieferung\nTo: <bob@acme.example>\n\n\nGuten Tag",
    "gmail-fr": "---------- Forwarded message ---------\nDe : Carol Huber <carol@customer.example>\n"
    "Date: lun. 2 nov. 2026 à 09:00\nSubject: Livraison\nTo: <bob@acme.example>\n\nBonjour",
    "apple-de": "Siehe unten.\n\nAnfang der weitergeleiteten Nachricht:\n\nVon: Carol Huber <carol@customer.example>\n"
    "Betreff: Lieferung\nDatum: 2. November 2026 um 09:00:00 MEZ\nAn: bob@acme.example\n\nGuten Tag",
    "apple-en": "Begin forwarded message:\n\nFrom: Carol Huber <carol@customer.example>\nSubject: Delivery\n"
    "Date: 2 November 2026 at 09:00:00 CET\nTo: bob@acme.example\n\nHello",
    "apple-fr": "Début du message réexpédié :\n\nDe: Carol Huber <carol@customer.example>\nObjet: Livraison\n"
    "Date: 2 novembre 2026 à 09:00:00 UTC+1\nÀ: bob@acme.example\n\nBonjour",
    "thunderbird-de": "-------- Weitergeleitete Nachricht --------\nBetreff: \tLieferung\nDatum: \tMon, 2 Nov 2026\n"
    "Von: \tCarol Huber <carol@customer.example>\nAn: \tbob@acme.example\n\n\nGuten Tag",
    "thunderbird-en": "-------- Forwarded Message --------\nSubject: \tDelivery\nDate: \tMon, 2 Nov 2026 09:00\n"
    "From: \tCarol Huber <carol@customer.example>\nTo: \tbob@acme.example\n\nHello",
    "thunderbird-fr": "-------- Message transféré --------\nSujet : \tLivraison\nDate : \tMon, 2 Nov 2026\n"
    "De : \tCarol Huber <carol@customer.example>\nPour : \tbob@acme.example\n\nBonjour",
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("subject", ["WG: Lieferung", "Fwd: Delivery", "FW: Delivery", "TR : Livraison"])
def test_the_first_author_is_found(name, subject):
    found = read_forward(Mail(sender=BOB, subject=subject, text=BLOCKS[name]))
    assert found is not None and (found.author.name, found.author.address) == ("Carol Huber", CAROL)


def test_an_attached_mail_has_an_author():
    inside = Mail(sender=Address("Carol", CAROL), subject="Delivery")
    for mail in (Mail(sender=BOB, subject="Fwd: Delivery", text="See attached."), Mail(sender=BOB, text="")):
        found = read_forward(mail, inside)
        assert found is not None and (found.author.address, found.subject) == (CAROL, "Delivery")
    assert read_forward(Mail(sender=BOB, subject="AW: x", text="long " * 100), inside) is None


@pytest.mark.parametrize(
    "mail",
    [
        Mail(sender=BOB, subject="Delivery", text="From: here to there, nothing came."),
        Mail(sender=BOB, subject="AW: Lieferung", text=BLOCKS["outlook-de"]),  # an answer with its history
        Mail(sender=BOB, subject="Re: Delivery", text=BLOCKS["gmail-de"]),
        Mail(sender=BOB, subject="WG: Lieferung", text="Bitte kümmern."),
        Mail(sender=BOB, subject="WG: x", text="Von: niemand\nBetreff: x\n"),
        Mail(sender=BOB, subject="WG: x", text="Von: Carol <carol@customer.example>\n\nHallo"),  # one field alone
        Mail(sender=Address("", CAROL), subject="WG: x", text=BLOCKS["outlook-de"]),  # her own mail
        Mail(sender=BOB, subject="Delivery", text="> ---------- Forwarded message ---------\n> Von: a <a@b.c>"),
        Mail(sender=BOB),
    ],
)  # fmt: skip
def test_no_forward_is_invented(mail):
    assert read_forward(mail) is None


@pytest.mark.parametrize(
    ("subject", "text", "says"),
    [
        ("WG: x", "", True),
        ("[EXTERN] Fwd: x", "", True),
        ("Wg[2]: x", "", True),
        ("x", "---------- Forwarded message ---------\n", True),
        ("AW: WG: x", "", False),
        ("Wegen: x", "", False),
        ("x", "", False),
    ],
)
def test_whether_a_mail_calls_itself_forwarded(subject, text, says):
    assert says_forwarded(Mail(subject=subject, text=text)) is says


def test_the_first_mails_own_words_are_known():
    found = read_forward(Mail(sender=BOB, subject="WG: x", text=BLOCKS["outlook-de"]))
    assert found is not None and found.text.strip() == "Guten Tag"
