"""Our DKIM signatures, verified by a library that shares no code with them (dkimpy)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mail.types import Address, Outgoing, Part
from mail.writing import dkim_signing
from mail.writing.compose import compose

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
KEY, OTHER = dkim_signing.new_key(), dkim_signing.new_key()
DOMAIN, SELECTOR = "poststelle.example", "ps-202611"


def zone(name: bytes, timeout: float = 0) -> bytes | None:
    record = dkim_signing.public_record(KEY).encode()
    return record if name.rstrip(b".") == f"{SELECTOR}._domainkey.{DOMAIN}".encode() else None


def verifies(raw: bytes) -> bool:
    return bool(dkim.verify(raw, dnsfunc=zone))


def sign(raw: bytes, key: str = KEY, domain: str = DOMAIN) -> bytes:
    return dkim_signing.sign(raw, key, SELECTOR, domain, AT)


def composed(**changes: object) -> bytes:
    values: dict[str, object] = {
        "sender": Address("Müller & Söhne, Büro", f"support@{DOMAIN}"),
        "to": (Address("Huber, Max", "max@kunde.example"), Address("", "zoe@kunde.example")),
        "subject": "AW: Ihre Anfrage über die Straße nach Österreich, die einen langen Betreff hat [#1042] "
        * 2,
        "text": "Grüß Gott,\n\n  eingerückt\t und  mit Lücken  \n.\n..\nFrom hier\n\n\n",
        "html": "<p>Grüß Gott</p>",
        "message_id": f"<a.b@{DOMAIN}>",
        "date": AT,
        "references": tuple(f"<{number}.reference.of.some.length@kunde.example>" for number in range(12)),
    }
    return compose(Outgoing(**(values | changes)))  # type: ignore[arg-type]


COMPOSED = {
    "of every day": composed(),
    "with a file": composed(attachments=(Part("Rechnung ä.pdf", "application/pdf", bytes(range(256)) * 40),)),
    "automatic": composed(automatic=True, reply_to=(Address("", f"support+1-x@{DOMAIN}"),)),
    "beyond ascii": composed(to=(Address("", "zoë@kunde.example"),)),
    "without a body": b"From: a@poststelle.example\r\nSubject: x\r\n\r\n",
    "without a header's end": b"From: a@poststelle.example\r\nSubject: x\r\n",
    "with lf only": b"From: a@poststelle.example\nSubject: x\n folded\n\nText \n\n",
    "that ends in the line": b"From: a@poststelle.example\r\nSubject: x\r\n\r\nText",
    "with empty lines at the end": b"From: a@poststelle.example\r\nSubject: x\r\n\r\nText\r\n \r\n\t\r\n\r\n",
    "with odd fields": b"FROM:  a@poststelle.example \r\nX-Y: z\r\nsubject:\tx \t y\r\n\tz\r\nSubject:\r\n\r\nText\r\n",
}


@pytest.mark.parametrize("name", COMPOSED)
def test_every_mail_verifies_with_another_library(name):
    signed = sign(COMPOSED[name])
    assert dkim_signing.is_signed(signed) and not dkim_signing.is_signed(COMPOSED[name])
    assert verifies(signed)
    assert (
        max(map(len, signed[: signed.index(b"\r\nF" if b"\r\nF" in signed else b"\r\n")].split(b"\r\n")))
        <= 78
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=200),
    st.lists(st.text(" \tab.=\x0b\x0c\xa0", max_size=12), max_size=12),
)
def test_whatever_stands_in_it(subject, lines):
    raw = b"From: a@poststelle.example\r\nSubject: " + subject.strip().encode() + b"\r\n\r\n"
    assert verifies(sign(raw + "\r\n".join(lines).encode()))


@pytest.mark.parametrize(
    ("pattern", "other"),
    [
        (rb"Gr=C3=BC=C3=9F|R3LDvMOf", b"XXXX"),
        (rb"Date: Wed", b"Date: Thu"),
        (rb"Message-ID: <a", b"Message-ID: <c"),
        (rb"From: ", b"From: x@evil.example\r\nFrom: "),
        (rb"Subject: ", b"Subject: Buy now\r\nSubject: "),
        (rb"To: ", b"To: y@evil.example\r\nTo: "),
    ],
)
def test_what_was_changed_on_the_way_does_not_verify(pattern, other):
    changed, count = re.subn(pattern, other, sign(COMPOSED["of every day"]), count=1)
    assert count == 1 and not verifies(changed)


def test_another_key_or_domain_does_not_verify():
    assert not verifies(sign(COMPOSED["of every day"], key=OTHER))
    assert not verifies(sign(COMPOSED["of every day"], domain="evil.example"))


def test_a_second_signature_by_the_relay_does_no_harm():
    signed = sign(COMPOSED["of every day"])
    assert verifies(b"Received: from a by b;\r\n\tx\r\n" + signed)


def test_the_record_says_what_it_is():
    record = dkim_signing.public_record(KEY)
    assert record.startswith("v=DKIM1; k=rsa; p=") and dkim_signing.key_bits(record) == 2048
    assert dkim_signing.record_name("s", "Müller.example") == "s._domainkey.xn--mller-kva.example"
    spaced = record[:60] + " " + record[60:]
    assert dkim_signing.key_of_record(spaced) == dkim_signing.key_of_record(record)
    assert dkim_signing.key_bits("v=DKIM1; p=") == 0 and dkim_signing.key_bits("v=DKIM1; p=!!") == 0
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert dkim_signing.key_bits(dkim_signing.public_record(weak.decode())) == 1024
    assert dkim_signing.key_bits("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=") == 256
