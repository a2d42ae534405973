"""Attributions and header blocks as programs write them, in the languages of Europe; and what people write."""

from __future__ import annotations

import html

import pytest

from mail.showing.clean import clean_html, fold_text
from mail.showing.forwarded_mail import read_forward
from mail.showing.headings import attribution_end, is_attribution, is_forward_line
from mail.showing.quotes import is_forward
from mail.showing.signatures import is_footer
from mail.types import Address, Mail
from tests.support.answer_forms import ADDRESS, NAME
from tests.support.answer_words import WRITTEN

LANGUAGES = sorted(WRITTEN)
MORE = """
Name {a} escreveu (segunda, 23/11/2026 à(s) 10:00):
Am Montag, 23. November 2026 um 10:00:00 MEZ hat Name {a} Folgendes geschrieben:
El lunes, 23 de noviembre de 2026, 10:00:00 CET, Name {a} escribió:
W dniu poniedziałek, 23 listopada 2026 10:00:00 CET użytkownik Name {a} napisał:
måndag 23 november 2026 10:00:00 CET skrev Name {a}:
23 Kasım 2026 Pazartesi 10:00:00 GMT+3 tarihinde Name {a} şunu yazdı:
---- On Mon, 23 Nov 2026 10:00:00 +0100 Name {a} wrote ----
 ---- Am Mo., 23 Nov. 2026 10:00:00 +0100 Name {a} schrieb ---
On Monday, November 23rd, 2026 at 10:00 AM, Name {a} wrote:
On Mon, Nov 23, 2026 at 10:00:00AM +0100, Name wrote:
On Mon, 23 Nov 2026, Name wrote:
Am Montag, dem 23.11.2026 um 10:00 +0100 schrieb Name:
Name schreef op 2026-11-23 10:00:
Name писал 2026-11-23 10:00:
2026-11-23 10:00 időpontban Name ezt írta:
Zitat von Name {a}:
Quoting Name {a}:
Понедельник, 23 ноября 2026, 10:00 +03:00 от Name {a}:
23.11.2026, 10:00, "Name" {a}:
Dnia 23 listopada 2026 10:00 Name {a} napisał(a):
Name {a} hat am 24.11.2026 10:12 MEZ geschrieben:
In message <1042.abc@acme.example> you write:
In message <1042.abc@acme.example>, Name writes:
"Name (Acme)" {a} wrote:
"""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("program", ["gmail", "apple", "thunderbird"])
def test_attributions_of_each_language(program: str, language: str) -> None:
    line = getattr(WRITTEN[language], program).format(n=NAME, a=ADDRESS)
    assert is_attribution(line)
    assert not is_attribution(line.rstrip(":") + " und mehr.")
    assert not is_attribution(f"Danke!\n{line}"), "a greeting above it is no part of it"


@pytest.mark.parametrize("line", MORE.strip("\n").split("\n"))
def test_attributions_of_other_programs(line: str) -> None:
    assert is_attribution(line.format(a=f"<{ADDRESS}>"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_attributions_are_broken_over_lines_also_within_the_brackets(language: str) -> None:
    line = WRITTEN[language].gmail.format(n="Acme GmbH Kundendienst Wien", a=ADDRESS)
    bracket = "<" if "<" in line else "("
    head, _, rest = line.partition(bracket)
    assert is_attribution(f"{head}{bracket}\n{rest}" if bracket == "<" else f"{head}\n({rest}")
    if bracket == "<":
        assert is_attribution(f"{head}<{rest[:20]}\n{rest[20:]}")


@pytest.mark.parametrize(
    "words",
    [
        "Am 3.3. um 10:00 schrieb ich Ihnen:",
        "Den 3. mars kl 10:00 skrev jag:",
        "W dniu 3.3.2026 napisałem do Państwa:",
        "LG Carol\nAm 24.11.2026 um 10:12 schrieb Acme <s@acme.example>:",
        "Ja, an <max@kunde.example>\nAm 23.11.2026 um 10:00 schrieb Acme <s@acme.example>:",
        "Liefern Sie am 23.11.2026 um 10:00 an <max@kunde.example>:",
        "Er schrieb:",
        "Meine Kundennummer lautet:",
    ],
)
def test_what_people_tell_is_no_attribution(words: str) -> None:
    assert not is_attribution(words)


def test_a_name_alone_is_one_above_quotes_only() -> None:
    lines = ["Muster writes:", "> Ja"]
    assert attribution_end(lines, 0, quoted_below=True) == 1 and attribution_end(lines, 0) is None
    for words in ("He writes:", "My boss wrote:", "She wrote:", "the shop writes:"):
        assert attribution_end([words, "> Ja"], 0, quoted_below=True) is None
    folded = fold_text(
        "Das ist meine Antwort.\n\nMuster writes:\n> Das machen wir gerne.\n>\n> -- \n> Alice\n"
    )
    assert folded.visible == "Das ist meine Antwort.\n\n"


def _block(language: str, start: str = "", end: str = "") -> str:
    values = (f"{NAME} <{ADDRESS}>", "23.11.2026 10:00", "Carol Käfer <carol@kunde.example>", "Ersatzteile")
    labels = WRITTEN[language].outlook
    return "\n".join(f"{start}{label}:{end} {value}" for label, value in zip(labels, values, strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("above", ["", "_" * 32 + "\n", "-----{original}-----\n"])
def test_blocks_of_fields_begin_a_history(above: str, language: str) -> None:
    above = above.format(original=WRITTEN[language].original)
    for block in (_block(language), _block(language, "*", "*")):
        history = f"{above}{block}\n\nGuten Tag,\n\nalles ist da.\n"
        assert fold_text(f"Danke!\n\n{history}").quoted == history


@pytest.mark.parametrize("language", LANGUAGES)
def test_blocks_of_fields_begin_a_history_in_html(language: str) -> None:
    lines = [f"<b>{html.escape(line)}</b>" for line in _block(language).split("\n")]
    ruled = '<div style="border:none;border-top:solid #E1E1E1 1.0pt">{}</div>'
    for form in (ruled, "<div>{}</div>", '<hr><div id="divRplyFwdMsg">{}</div>'):
        page = f"<div><p>Danke!</p>{form.format('<br>'.join(lines))}<p>alles ist da.</p></div>"
        before, _, after = clean_html(page, {}).html.partition("<details")
        assert "Danke!" in before and "alles ist da" in after, form


@pytest.mark.parametrize("language", LANGUAGES)
def test_blocks_of_fields_name_the_author_of_what_is_passed_on(language: str) -> None:
    mail = Mail(
        sender=Address("Bob", "bob@acme.example"), subject="Fwd: x", text=f"{_block(language)}\n\nText\n"
    )
    found = read_forward(mail)
    assert found is not None and found.author == Address(NAME, ADDRESS)
    assert (found.subject, found.text.strip()) == ("Ersatzteile", "Text")


def test_a_field_that_comes_again_belongs_to_what_was_written() -> None:
    """Lines of an answer below the block, and fields in what we had written, are no more of the block."""
    ours = "Date: 3.12.\nSubject: offer\n\nWhich of them?"
    block = _block("en")
    assert fold_text(f"Hello\n\n{block}\n{ours}", sent=lambda: ours).quoted
    assert not fold_text(f"Hello\n\n{block}\nthe second\n{ours}", sent=lambda: ours).quoted


@pytest.mark.parametrize(
    "line",
    [
        "---------- Forwarded message ---------", "-------- Weitergeleitete Nachricht --------", "-------- Doorgestuurd bericht --------",
        "-------- Messaggio Inoltrato --------", "-------- Mensaje reenviado --------", "-------- Mensagem encaminhada --------",
        "-------- Přeposlaná zpráva --------", "-------- Перенаправленное сообщение --------", "-------- Переслане повідомлення --------",
        "-------- Vidarebefordrat meddelande --------", "-------- Videresendt melding --------", "-------- Välitetty viesti --------",
        "-------- Továbbított üzenet --------", "-------- Προωθημένο μήνυμα --------", "Begin forwarded message:",
        "Inizio messaggio inoltrato:", "Inicio del mensaje reenviado:", "Vidarebefordrat brev:", "Początek przekazywanej wiadomości:",
    ],
)  # fmt: skip
def test_what_is_passed_on_stays_open(line: str) -> None:
    assert is_forward_line(line)
    assert (
        fold_text(f"Zur Info\n\n{line}\nFrom: Max <m@kunde.example>\nTo: Carol\nSubject: X\n\nText\n").quoted
        == ""
    )


def test_subjects_of_what_is_passed_on() -> None:
    for subject in (
        "RV: x",
        "ENC: x",
        "VB: x",
        "PD: x",
        "VL: x",
        "VS: x",
        "İLT: x",
        "ΠΡΘ: x",
        "ПЕР: x",
        "I: x",
        "TR : x",
    ):
        assert is_forward(subject), subject
    for subject in ("VS: Varaosat [#1042]", "SV: x", "Odp: x", "YNT: x", "RES: x", "Frage"):
        assert not is_forward(subject), subject


PHONES = """
Enviado desde mi smartphone Samsung Galaxy.|Envoyé depuis mon appareil Galaxy|Wysłane z mojego Galaxy|Inviato dal mio iPhone
Odesláno ze zařízení Galaxy|Отправлено с устройства Galaxy|Lähetetty Galaxy-laitteestani|Galaxy cihazımdan gönderildi
Télécharger Outlook pour iOS|Outlook voor iOS downloaden|Ottieni Outlook per iOS|Obtener Outlook para iOS|Obter o Outlook para Android
Pobierz aplikację Outlook dla systemu iOS|Získejte Outlook pro iOS|Скачать Outlook для iOS|Hämta Outlook för iOS|Hent Outlook til iOS
Skaff Outlook for Android|Hanki Outlook for iOS|Obțineți Outlook pentru iOS|iOS için Outlook'u edinin|Λήψη του Outlook για iOS
Sent from Mail for Windows|Envoyé à partir de Courrier pour Windows|Enviado desde Correo para Windows|Inviato da Posta per Windows
Отправлено из Почты Mail.ru для Android|Отправлено из мобильной Яндекс.Почты|Wysłane z Yahoo Mail na urządzeniu z Androidem
"""


@pytest.mark.parametrize(
    "line", [tongue.foot for tongue in WRITTEN.values()] + PHONES.strip().replace("\n", "|").split("|")
)
def test_lines_of_phones(line: str) -> None:
    assert is_footer(line)
    assert fold_text(f"Ja.\n\n{line}\n").visible == "Ja.\n\n"


@pytest.mark.parametrize(
    "line",
    [
        "Gesendet mit DHL am Montag", "Enviado desde mi tienda", "Inviato da Roma", "Wysłane z Warszawy", "Отправлено с завода",
        "Sendt fra min kone", "Küldve a raktárból", "gönderildi", "Lähetetty postissa", "Sent from my desk", "Verzonden met PostNL",
    ],
)  # fmt: skip
def test_what_people_send_is_no_line_of_a_phone(line: str) -> None:
    assert not is_footer(line)
