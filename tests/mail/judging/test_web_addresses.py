"""Names and subjects with a web address in them, and those that only look a little like it."""

from __future__ import annotations

import time

import pytest

from mail.judging.web_addresses import has_web_address


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/login", "HTTP://EVIL.example", "hxxp://evil.example", "ftp://files.example", "www.evil.example",
        "Konto gesperrt: konto-pruefen.info", "Besuchen Sie evil.de!", "(evil.shop)", "evil.De", "EVIL.COM", "4711.com",
        "evil.example/login", "evil.example?id=1", "evil.com:8080", "1.2.3.4/login", "user@evil.com/login", "a.b.co.uk",
        "münchen.de", "пример.рф", "xn--80ak6aa92e.com", "ｅｖｉｌ．ｃｏｍ", "evil。com", "evil\u200b.com", "evil.com.",
        "Fotos unter bilder.zip", "x" * 300,
    ],
)  # fmt: skip
def test_a_web_address(text: str) -> None:
    assert has_web_address(f"Hello {text} today")


@pytest.mark.parametrize(
    "text",
    [
        "", "Rechnung.pdf", "Müller & Co.", "Müller GmbH & Co. KG", "Rechnung.pdf/Lieferschein.pdf", "Angebot.docx",
        "carol@customer.com", "max.muster.de@firma.example", "z.B. und/oder", "d.h./u.a.", "e.V./GmbH", "i.A. Huber",
        "Dr.med. Huber", "A.S. Müller", "Hallo.Es geht um", "Danke.Im Anhang", "Anfrage bzgl.Vertrag", "St.Pölten",
        "Angebot Nr. 5.2026", "Version 2.0.1", "12.30 Uhr", "1.234,56 EUR", "24./25.12.", "12.Mai/13.Juni", "10.000/Jahr",
        "1.2.3.4", "www", "C++/C#", "U.S.A.", "Re: [#1001] Lieferung", "Fwd: Delivery …", "Liefern Sie?Danke", "a..b",
    ],
)  # fmt: skip
def test_no_web_address(text: str) -> None:
    assert not has_web_address(text)


@pytest.mark.parametrize("piece", ["a", "-a", "a.", "a-", "1.", ".a", "a:", "a.b-", "www.", "/"])
def test_what_a_stranger_makes_long_takes_no_time(piece: str) -> None:
    began = time.process_time()
    has_web_address(piece * 4096)
    has_web_address(" ".join([piece * 60] * 20))
    assert time.process_time() - began < 1
