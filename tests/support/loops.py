"""Loops end by counting: two installs, robots and bouncing addresses that answer for ever, and a clock that runs.

Everything real but the wire and the clock: two apps with a database each, mails carried from the outbox of one
to the receiver of the other. `python -m tests.support.loops` runs the long form (`make loops`), the suite a short
one.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import time_machine
from cryptography.fernet import Fernet
from flask import Flask

from app import create_app
from config import from_environment
from desk import schema
from desk.agents import accounts
from desk.receiving import arrivals, intake
from models import Channel, db
from tests.support.post import Post, SentMail, opened

MINUTE = timedelta(minutes=1)  # a round; a thousand of them are less than a day
FEWER_THAN = 10
STAFF = "staff.example"
KEY = Fernet.generate_key().decode()

_numbers = itertools.count(1)


@dataclass
class Install:
    """One Poststelle with its default address and one agent."""

    app: Flask
    address: str
    post: Post

    def take(self, raw: bytes, envelope_from: str | None = None) -> None:
        with self.app.app_context():
            channel = db.session.query(Channel).filter_by(is_default=True).one()
            found = arrivals.receive(
                channel.id,
                arrivals.Arrival(raw, "smtp", f"loop:{next(_numbers)}", envelope_from=envelope_from),
            )
            if found is not None:
                intake.process(found, raw)
            db.session.remove()

    def send(self) -> list[SentMail]:
        with self.app.app_context():
            mails = self.post.collect()
            db.session.remove()
            return mails


Answer = Callable[[SentMail, Install], bytes | None]


@dataclass
class Other:
    """Somebody who answers every mail that he gets, and with `restless` one more in every round."""

    name: str
    address: str
    answer: Answer
    restless: bool = False
    got: Counter[str] = field(default_factory=Counter)


def made_mail(sender: str, to: str, subject: str, text: str, **more: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Message-ID"] = f"<{next(_numbers)}@elsewhere.example>"
    for name, value in more.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes()


# --- who answers for ever


def robot(sender: str) -> Answer:
    """Away, and no header says so. Neither the subject nor the words are those of an out-of-office reply."""

    def answer(got: SentMail, install: Install) -> bytes:
        number = next(_numbers)
        return made_mail(sender, install.address, f"Danke {number}", f"Ich melde mich später. {number}")

    return answer


def polite_robot(sender: str) -> Answer:
    """The same as an answer: it names the mail that it answers."""

    def answer(got: SentMail, install: Install) -> bytes:
        mail = message_from_bytes(got.raw, policy=policy.default)
        return made_mail(
            sender,
            install.address,
            f"Re: {mail['Subject']}",
            f"Later. {next(_numbers)}",
            In_Reply_To=mail["Message-ID"],
        )

    return answer


def shouting_robot(sender: str) -> Answer:
    """Its address is spelled differently each time."""
    spellings = itertools.cycle((str.upper, str.title, str.lower, str.swapcase))

    def answer(got: SentMail, install: Install) -> bytes:
        spelled = next(spellings)(sender.partition("@")[0])
        return made_mail(
            f"{spelled}@{sender.partition('@')[2]}", install.address, f"Hallo {next(_numbers)}", "Bin weg."
        )

    return answer


def report(sender: str) -> Answer:
    """A delivery report as RFC 3464 wants it."""

    def answer(got: SentMail, install: Install) -> bytes:
        mail = message_from_bytes(got.raw)
        return (
            f"From: MAILER-DAEMON@bounce.example\r\nTo: {install.address}\r\nSubject: Undelivered Mail\r\n"
            f"Message-ID: <{next(_numbers)}@bounce.example>\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n--b\r\n\r\nSorry.\r\n'
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.bounce.example\r\n\r\n"
            f"Final-Recipient: rfc822; {sender}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
            f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {mail['Message-ID']}\r\n\r\n--b--\r\n"
        ).encode()

    return answer


def odd_report(sender: str) -> Answer:
    """A report that only a person can read, from an address like any other."""

    def answer(got: SentMail, install: Install) -> bytes:
        number = next(_numbers)
        return made_mail(
            sender, install.address, f"Nachricht {number}", f"Dieses Postfach gibt es nicht mehr. {number}"
        )

    return answer


def others() -> list[Other]:
    made = [
        ("robot", robot, False),
        ("polite robot", polite_robot, False),
        ("shouting robot", shouting_robot, False),
        ("restless robot", robot, True),
        ("bouncing address", report, False),
        ("bouncing address, restless", report, True),
        ("odd bouncing address", odd_report, False),
        ("odd bouncing address, restless", odd_report, True),
    ]
    return [
        Other(name, f"other-{number}@elsewhere.example", kind(f"other-{number}@elsewhere.example"), restless)
        for number, (name, kind, restless) in enumerate(made)
    ]


# --- the rounds


def against(install: Install, other: Other, rounds: int) -> Counter[str]:
    """How many mails each address outside the company got in so many rounds."""
    install.take(made_mail(other.address, install.address, f"Frage {next(_numbers)}", "Bitte um Hilfe."))
    busy = True
    with clock() as hands:
        for _ in range(rounds):
            hands.shift(MINUTE)
            if not busy and not other.restless:
                continue  # nobody has written: nothing can happen
            mails = [one for one in install.send() if not one.to.endswith(STAFF)]
            other.got.update(one.to.casefold() for one in mails)
            answers = [other.answer(one, install) for one in mails]
            if other.restless:
                answers.append(
                    made_mail(other.address, install.address, f"Hallo {next(_numbers)}", f"{next(_numbers)}")
                )
            for answer in answers:
                if answer is not None:
                    install.take(answer)
            busy = bool(answers)
    return other.got


def between(first: Install, second: Install, rounds: int, stripped: bool) -> Counter[str]:
    """Two installs that write to each other. `stripped`: a gateway between them takes every header away that
    says who wrote, and replaces each Message-ID."""
    got: Counter[str] = Counter()
    first.take(made_mail(second.address, first.address, "Frage", "Bitte um Hilfe."))
    waiting = True
    with clock() as hands:
        for _ in range(rounds):
            hands.shift(MINUTE)
            if not waiting:
                continue
            waiting = False
            for here, there in ((first, second), (second, first)):
                for one in here.send():
                    if one.to.endswith(STAFF):
                        continue
                    got[one.to.casefold()] += 1
                    if one.to.casefold().startswith("support"):
                        there.take(bare(one.raw) if stripped else one.raw)
                        waiting = True
    return got


def bare(raw: bytes) -> bytes:
    mail = message_from_bytes(raw, policy=policy.default)
    body = mail.get_body(("plain",))
    return made_mail(mail["From"], mail["To"], mail["Subject"], body.get_content() if body else "")


@contextmanager
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(datetime.now(UTC), tick=False) as hands:
        yield hands


# --- the houses


@contextmanager
def install(
    folder: Path, company: str, domain: str, post: Post, migrated: Path | None = None
) -> Iterator[Install]:
    folder.mkdir(parents=True)
    if migrated is not None:
        shutil.copy(migrated, folder / "poststelle.db")
    # One process decrypts with one key; what the installs sign with is their own all the same.
    environment = {"POSTSTELLE_DATA": str(folder), "POSTSTELLE_ENCRYPTION_KEY": KEY}
    app = create_app(replace(from_environment(environment), testing=True, assets="cdn"))
    with app.app_context():
        schema.bring_up_to_date()
        accounts.create_account(
            company, domain, "de", "Europe/Vienna", "Alice", f"alice@{STAFF}", "correct horse"
        )
        address = db.session.query(Channel).filter_by(is_default=True).one().address
        db.session.remove()
    yield Install(app, address, post)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def main() -> int:
    """Runs every case and prints how many mails the busiest address got."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    worst = 0
    with tempfile.TemporaryDirectory() as folder, opened() as post:
        for number, other in enumerate(others()):
            with install(Path(folder) / f"robot-{number}", "Acme", "acme.example", post) as house:
                worst = max(
                    worst,
                    _said(other.name, rounds, lambda house=house, other=other: against(house, other, rounds)),
                )  # type: ignore[misc]
        for stripped in (False, True):
            name = "two installs" + (", headers stripped" if stripped else "")
            one, two = Path(folder) / f"one-{stripped}", Path(folder) / f"two-{stripped}"
            with (
                install(one, "Acme", "acme.example", post) as a,
                install(two, "Bolt", "bolt.example", post) as b,
            ):
                worst = max(worst, _said(name, rounds, lambda a=a, b=b, s=stripped: between(a, b, rounds, s)))  # type: ignore[misc]
    print(f"worst: {worst} (fewer than {FEWER_THAN} wanted)")
    return 0 if worst < FEWER_THAN else 1


def _said(name: str, rounds: int, run: Callable[[], Counter[str]]) -> int:
    began = time.perf_counter()
    got = run()
    most = max(got.values(), default=0)
    print(f"{name}: {rounds} rounds, {dict(got)}, {time.perf_counter() - began:.1f} s", flush=True)
    return most


if __name__ == "__main__":
    sys.exit(main())
