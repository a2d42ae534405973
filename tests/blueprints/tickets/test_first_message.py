"""The button of an empty desk that sends the first mail."""

from __future__ import annotations

from desk.checks import first_message
from models import db
from tests.blueprints.visitor import Visitor


def test_nothing_is_held_while_the_receiver_files_the_first_mail(house, monkeypatch):
    """A transaction that the translated text opened again kept the receiver waiting until it gave up."""
    taken = []

    class Receiver:
        def __init__(self, *_address, timeout):
            assert timeout

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

        def send_message(self, message):
            taken.append((message["To"], db.session().in_transaction()))

    monkeypatch.setattr(first_message.smtplib, "SMTP", Receiver)
    alice = Visitor(house)
    alice.sign_in("alice@acme.test")
    alice.get("/tickets")
    assert alice.post("/tickets/first").status_code == 303
    assert taken == [("support-acme@acme.test", False)]
