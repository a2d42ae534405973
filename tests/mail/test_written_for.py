"""Behind a list of our own, a form or certified mail stands a person; behind a list of others the list."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from mail.reading.parse import parse
from mail.types import Mail
from mail.written_for import Arrival, as_written

LIST = "liste@lists.example.org"
OWN = Arrival(frozenset({"support-acme@poststelle.example", LIST}))
OTHERS = Arrival(frozenset({"support-acme@poststelle.example"}))
MAX = "Max Muster <max@example.net>"
WEB = Arrival(frozenset({"support-acme@poststelle.example"}), by_reply_to=True)


def read(sender: str = f"Max Muster über Liste <{LIST}>", inside: str = "", **fields: str) -> Mail:
    message = EmailMessage()
    message["From"], message["To"] = sender, f"Liste <{LIST}>"
    for name, value in {"list_post": f"<mailto:{LIST}>", **fields}.items():
        if value:
            message[name.replace("_", "-")] = value
    message.set_content("Frage zur Größe")
    if inside:
        original = EmailMessage()
        original["From"] = inside
        original.set_content("Frage zur Größe")
        message.add_attachment(original)
    return parse(message.as_bytes())


def people(mail: Mail) -> tuple[str, str, list[str]]:
    """Who wrote, through what, and where they want the answer."""
    through = mail.through.address if mail.through else ""
    return str(mail.sender), through, [one.address for one in mail.reply_to]


@pytest.mark.parametrize(
    ("how", "person"),
    [
        pytest.param({"reply_to": MAX}, MAX, id="Mailman"),
        pytest.param({"reply_to": f"{MAX}, Liste <{LIST}>"}, MAX, id="Mailman, answers go to the list as well"),
        pytest.param({"reply_to": f"{MAX}, liste-bounces@lists.example.org"}, MAX, id="a robot is nobody"),
        pytest.param({"reply_to": "max@example.net"}, MAX, id="the name from From"),
        pytest.param(
            {"sender": f"'Max Muster' via Hilfe <{LIST}>", "x_original_from": MAX, "reply_to": MAX}, MAX, id="Google Groups"
        ),
        pytest.param({"x_original_from": MAX, "reply_to": "Eve <eve@evil.example>"}, MAX, id="X-Original-From first"),
        pytest.param({"x_original_from": "max@example.net", "reply_to": "M. Muster <max@example.net>"},
                     "M. Muster <max@example.net>", id="the name from elsewhere"),
        pytest.param({"x_original_from": f"{MAX}, eve@evil.example", "reply_to": MAX}, MAX, id="two are none"),
        pytest.param({"inside": MAX}, MAX, id="wrapped"),
        pytest.param({"inside": MAX, "reply_to": LIST}, MAX, id="wrapped, answers to the list"),
        pytest.param({"sender": f"Max Muster par Liste <{LIST}>", "reply_to": "max@example.net"}, MAX, id="French"),
        pytest.param({"sender": f"Max Muster Liste kautta <{LIST}>", "reply_to": "max@example.net"}, MAX, id="Finnish"),
        pytest.param({"sender": LIST, "reply_to": "max@example.net"}, "max@example.net", id="no name anywhere"),
        pytest.param({"list_post": "", "list_id": "<liste.lists.example.org>", "reply_to": MAX}, MAX, id="by List-Id"),
        pytest.param({"list_post": "", "return_path": "<liste-bounces@lists.example.org>", "reply_to": MAX}, MAX,
                     id="by Return-Path"),
    ],
)  # fmt: skip
def test_a_list_of_our_own(how: dict[str, str], person: str) -> None:
    mail = read(**how)
    assert people(as_written(mail, OWN)) == (person, LIST, [])
    assert as_written(mail, OTHERS) is mail, "of others it is the list that speaks"


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, id="nobody is named"),
        pytest.param({"reply_to": LIST}, id="only ourselves"),
        pytest.param({"reply_to": "a@example.net, b@example.net"}, id="two people"),
        pytest.param({"reply_to": MAX, "list_post": ""}, id="nothing says that a list brought it"),
        pytest.param({"reply_to": MAX, "list_post": "<mailto:other@lists.example.org>"}, id="another list"),
        pytest.param(
            {"sender": "Carol <carol@customer.example>", "reply_to": MAX}, id="From was not rewritten"
        ),
        pytest.param({"reply_to": "nobody in particular"}, id="no address"),
    ],
)
def test_what_stays_as_it_is(how: dict[str, str]) -> None:
    mail = read(**how)
    assert as_written(mail, OWN).through is None and as_written(mail, OWN).sender == mail.sender


def test_the_envelope_of_our_own_list_is_enough() -> None:
    mail = read(list_post="", reply_to=MAX)
    known = Arrival(OWN.own, "liste-bounces@lists.example.org")
    assert people(as_written(mail, known)) == (MAX, LIST, [])


def test_no_channel_of_ours_is_a_person() -> None:
    arrival = Arrival(OWN.own, never=lambda: frozenset({"sales@acme.example"}))
    assert as_written(read(reply_to="sales@acme.example"), arrival).through is None


def test_an_answer_to_the_group_would_come_back_to_us() -> None:
    mail = read("Carol <carol@customer.example>", reply_to=f"Liste <{LIST}>, Home <carol@home.example>")
    assert people(as_written(mail, OWN)) == ("Carol <carol@customer.example>", "", ["carol@home.example"])
    assert as_written(mail, OTHERS) is mail


# --- certified mail

PROVIDER = "posta-certificata@pec.gestore.example"
MARIO = "mario.rossi@pec.example"


@pytest.mark.parametrize(
    ("how", "person"),
    [
        pytest.param({"reply_to": MARIO, "inside": f"Mario Rossi <{MARIO}>"}, f"Mario Rossi <{MARIO}>", id="usual"),
        pytest.param({"reply_to": f"{MARIO} <{MARIO}>"}, MARIO, id="an address is no name"),
        pytest.param({}, MARIO, id="by the name alone"),
        pytest.param({"sender": f"PEC <{PROVIDER}>", "x_trasporto": "posta-certificata", "reply_to": MARIO}, MARIO,
                     id="by its field"),
        pytest.param({"reply_to": "eve@evil.example"}, MARIO, id="Reply-To is another one"),
        pytest.param({"sender": f"PEC <{PROVIDER}>", "x_trasporto": "errore", "inside": f"Mario <{MARIO}>"},
                     f"Mario <{MARIO}>", id="the mail inside"),
    ],
)  # fmt: skip
def test_certified_mail_is_its_customers(how: dict[str, str], person: str) -> None:
    mail = read(how.pop("sender", f'"Per conto di: {MARIO}" <{PROVIDER}>'), list_post="", **how)
    assert people(as_written(mail, OTHERS)) == (person, PROVIDER, [])


def test_receipts_of_certified_mail_are_its_providers() -> None:
    receipt = read(f"Posta Certificata <{PROVIDER}>", list_post="", x_ricevuta="accettazione", reply_to=MARIO)
    assert as_written(receipt, OTHERS) is receipt


# --- forms


def test_a_form_where_the_channel_says_so() -> None:
    form = read(
        "Kontaktformular <website@acme.example>", list_post="", reply_to="Karl Kunde <karl@mail.example>"
    )
    assert people(as_written(form, WEB)) == ("Karl Kunde <karl@mail.example>", "website@acme.example", [])
    assert as_written(form, OTHERS) is form


@pytest.mark.parametrize(
    "asked",
    ["", "a@mail.example, b@mail.example", "noreply@shop.example", "website@acme.example", "support-acme@poststelle.example"],
)  # fmt: skip
def test_a_form_without_a_customer(asked: str) -> None:
    form = read("Kontaktformular <website@acme.example>", list_post="", reply_to=asked)
    assert as_written(form, WEB) is form
