"""Which addresses many people write from, and what is left of »Max Muster via Liste«."""

from __future__ import annotations

import pytest

from mail.shared_addresses import is_certified, is_service, is_shared, person_named, says_via


@pytest.mark.parametrize(
    "address",
    [
        "info@gruppe.example",
        "Office@firma.example",
        "kontakt@firma.example",
        "info-wien@firma.example",
        "support+shop@firma.example",
        "rechnung@firma.example",
        "segreteria@studio.example",
        "contact@entreprise.example",
        "biuro@firma.example",
        "contacto@empresa.example",
        "post@kommune.example",
        "hello.de@start.example",
    ],
)
def test_a_house_is_no_person(address: str) -> None:
    assert is_shared(address) and not is_service(address)


@pytest.mark.parametrize(
    "address",
    [
        "noreply@formulare.example",
        "no-reply@shop.example",
        "do_not_reply@shop.example",
        "nicht-antworten@amt.example",
        "wordpress@kunde.example",
        "kontaktformular@kunde.example",
        "web-form@kunde.example",
        "forms@saas.example",
        "website@kunde.example",
        "www-data@host.example",
        "notifications@portal.example",
        "posta-certificata@pec.example",
    ],
)
def test_a_program_writes_for_anybody(address: str) -> None:
    assert is_service(address) and is_shared(address)


@pytest.mark.parametrize(
    "address",
    [
        "carol@customer.example",
        "max.muster@firma.example",
        "it.mueller@firma.example",
        "informatikus@uni.example",
        "infante@home.example",
        "web.er@home.example",
        "postl@home.example",
        "allison@home.example",
        "teamer@home.example",
        "",
        "info",
    ],
)
def test_a_person_is_a_person(address: str) -> None:
    assert not is_shared(address)


@pytest.mark.parametrize(
    ("written", "person"),
    [
        ("Max Muster via Liste", "Max Muster"),
        ("Max Muster über Liste", "Max Muster"),
        ("'Max Muster' via Hilfe", "Max Muster"),
        ('"Max Muster" via Hilfe & Support', "Max Muster"),
        ("Jeanne Dupont par Liste", "Jeanne Dupont"),
        ("Jeanne Dupont par l'intermédiaire de Liste", "Jeanne Dupont"),
        ("Ana Gil a través de Lista", "Ana Gil"),
        ("Ana Gil vía Lista", "Ana Gil"),
        ("Rui Sá através de Lista", "Rui Sá"),
        ("Mario Rossi tramite Lista", "Mario Rossi"),
        ("Jan de Wit door Lijst", "Jan de Wit"),
        ("Jan Kowalski przez Lista", "Jan Kowalski"),
        ("Jan Novák přes Seznam", "Jan Novák"),
        ("Ján Novák cez Zoznam", "Ján Novák"),
        ("Иван Петров через Список", "Иван Петров"),
        ("Νίκος μέσω Λίστα", "Νίκος"),
        ("Sven Berg genom Lista", "Sven Berg"),
        ("王小明 通过 列表", "王小明"),
        ("Max Muster (max@example.net via Liste Mailing List)", "Max Muster"),
        ("Max via Moritz via Liste", "Max via Moritz"),
        ("Per conto di: mario.rossi@pec.example", "mario.rossi@pec.example"),
        ("Via Appia GmbH", "Via Appia GmbH"),
        ("Olivia Überall", "Olivia Überall"),
        ("", ""),
    ],
)
def test_the_person_in_the_name(written: str, person: str) -> None:
    assert person_named(written) == person
    assert says_via(written) == (written != person)


@pytest.mark.parametrize(
    ("written", "person"),
    [
        ("Matti Meikäläinen Lista kautta", "Matti Meikäläinen"),
        ("Ayşe Yılmaz Lista aracılığıyla", "Ayşe Yılmaz"),
        ("山田太郎 Lista 経由", "山田太郎"),
        ("Lista kautta", "Lista kautta"),  # nobody is named
    ],
)
def test_languages_that_say_it_behind(written: str, person: str) -> None:
    assert person_named(written, "Lista") == person
    assert person_named(written) == written


def test_long_names_cost_nothing() -> None:
    assert person_named("a " * 100_000) and not says_via("x" * 100_000)


def test_a_provider_of_certified_mail() -> None:
    assert is_certified("Posta-Certificata@pec.aruba.example") and not is_certified("posta@pec.example")
