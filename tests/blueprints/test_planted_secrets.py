"""Passwords and tokens that people entrusted to us, planted by the forms, used, refused and thrown into faults.

Afterwards they are looked for wherever somebody else may read: the database, every page, every export, and all
that was ever logged, down to DEBUG and with the tracebacks of forced faults; as they are, and in base64.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask
from werkzeug.routing import BuildError

from desk.agents import accounts
from desk.channels import channels, oauth
from desk.channels.channel_values import values_of
from desk.sending import replies
from jobs.clock import JOBS, Clock
from models import Channel, InboundMail, OauthGrant, OutboundMail, db, now
from tests.servers.authorization import CLIENT, SECRET, AuthorizationServer
from tests.servers.dovecot import Dovecot
from tests.servers.smtp_sink import SmtpSink
from tests.support.browsing import PageClient
from tests.support.mails import ticket_of
from wire.imap import ImapSource
from wire.smtp import SmtpSender

pytestmark = pytest.mark.one_database

INCOMING, OUTGOING, WRONG = "Geheim-im-Eingang-4711", "Geheim-im-Ausgang-4712", "Falsch-geraten-4713"
RAW = b"From: carol@customer.example\r\nMessage-ID: <%d@customer.example>\r\nSubject: Hello\r\n\r\nHello\r\n"


@dataclass(frozen=True)
class Known:
    """A channel past the session: reading a row would hold SQLite's only write lock while a page waits for it."""

    id: int
    user: str


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everybody logs all there is to log; asked for before the app, whose engine looks at the level once."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def empty_app(loud: object, make_app: Callable[..., Flask]) -> Flask:
    """As in real life: a fault in a view is a page with a reference, and a traceback in the log."""
    return make_app(testing=False)


@pytest.fixture
def run_job(app: Flask) -> Iterator[Callable[..., None]]:
    """A run of the clock, which logs what its job throws."""
    clock = Clock(app)
    table = {job.name: job for job in JOBS}

    def run(name: str, *arguments: object) -> None:
        db.session.rollback()
        clock._guarded(name, lambda: table[name].run(*arguments))

    yield run
    clock._idle.stop()


@pytest.mark.dovecot
def test_planted_secrets_are_found_nowhere(
    loud: pytest.LogCaptureFixture, as_alice: PageClient, app: Flask, run_job: Callable[..., None],
    dovecot: Dovecot, token_dovecot: Dovecot, authorization: AuthorizationServer, trusted_ca: object, ca,
    make_smtp_sink: Callable[..., SmtpSink], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    sink = make_smtp_sink(
        users={"sender": OUTGOING}, mechanisms=("LOGIN", "XOAUTH2"), accepts=authorization.accepts,
        context=ca.issue(file="planted").context(),
    )  # fmt: skip
    pages: list[str] = []
    books = by_password(as_alice, dovecot, sink, pages)
    tokens = by_oauth(as_alice, token_dovecot, sink, authorization, pages)

    for channel, server in ((books, dovecot), (tokens, token_dovecot)):  # good days
        server.deliver(channel.user, RAW % channel.id)
        run_job("fetch", channel.id)
        mail = answer(channel)
        run_job("send", channel.id)
        assert db.session.get_one(OutboundMail, mail).state == "done"
        db.session.rollback()
    refused(as_alice, run_job, dovecot, sink, books, pages)
    authorization.expire()  # a token is refused in the middle of the day, and the one after it is asked for
    with monkeypatch.context() as clock:
        clock.setattr(oauth, "now", lambda: now() + timedelta(minutes=58))
        run_job("fetch", tokens.id)
    faults(as_alice, run_job, dovecot, sink, books, pages, monkeypatch)

    db.session.rollback()
    pages += every_page(as_alice, app)
    commands = (("export", "tickets"), ("export", "ledger"), ("channel", "list", "--json"),
                ("channel", "test", "Books"), ("channel", "test", "Tokens"))  # fmt: skip
    with ThreadPoolExecutor(1) as beside:  # without our context, as commands are
        answers = [beside.submit(app.test_cli_runner().invoke, args=list(words)) for words in commands]
        exports = [answer.result().output for answer in answers]
    said = [loud.text, *capfd.readouterr()]
    assert loud.text.count("Traceback") >= 3 and "StatementError" in loud.text and "imapclient" in loud.text
    places = {"page": pages, "export": exports, "log": said, "database": stored(app)}
    planted = [INCOMING, OUTGOING, WRONG, *authorization.secrets()]
    assert len(planted) >= 8 and len(pages) > 40 and len(exports) == 5
    found = {
        (place, secret)
        for secret in planted
        for spelling in spellings(secret)
        for place, texts in places.items()
        for text in texts
        if spelling in text
    }
    assert found == set()


def by_password(alice: PageClient, dovecot: Dovecot, sink: SmtpSink, pages: list[str]) -> Known:
    user = dovecot.add_user("books@acme.example", INCOMING).user
    form = {
        "key": "Books", "address": user, "provider": "own", "active": "y", "protocol": "imap", "server": "localhost",
        "port": dovecot.imaps, "ssl": "y", "user": user, "password": INCOMING, "smtp_server": "localhost",
        "smtp_port": sink.port, "smtp_encryption": "starttls", "smtp_auth": "login", "smtp_user": "sender",
        "smtp_password": OUTGOING, "oauth": "password", "after_fetch": "delete", "existing": "take",
    }  # fmt: skip
    pages += [
        alice.post("/system/channels/form", form, status=200).text,
        alice.post("/system/channels/new", form | {"port": "nothing"}, status=422).text,
        alice.post("/system/channels/test", form, status=200).text,
        alice.post("/system/channels/dry-run", form, status=200).text,
    ]
    assert pages[-2].count("step-ok") == 11
    alice.post("/system/channels/new", form)
    return known("Books")


def by_oauth(
    alice: PageClient, dovecot: Dovecot, sink: SmtpSink, authorization: AuthorizationServer, pages: list[str]
) -> Known:
    authorization.life, authorization.refreshing, authorization.gives_refresh = 3600, 0.0, True
    provider = {
        "kind": "other", "name": "Local", "client_id": CLIENT, "client_secret": SECRET, "hosts": "localhost",
        "authorize_url": f"{authorization.url}/authorize", "token_url": f"{authorization.url}/token",
        "scopes": "mail offline_access",
    }  # fmt: skip
    pages.append(alice.post("/system/oauth/new", provider | {"hosts": ""}, status=422).text)
    alice.post("/system/oauth/new", provider)
    user = dovecot.add_user("tokens@acme.example").user
    form = {
        "key": "Tokens", "address": user, "provider": "own", "active": "y", "protocol": "imap", "server": "localhost",
        "port": dovecot.imaps, "ssl": "y", "user": user, "smtp_server": "localhost", "smtp_port": sink.port,
        "smtp_encryption": "starttls", "smtp_auth": "auto", "oauth": "1", "after_fetch": "delete", "existing": "take",
    }  # fmt: skip
    leaving = alice.post("/system/oauth/sign-in", form, status=200).text
    way = urlsplit(unescape(leaving.partition("0; url=")[2].partition('"')[0]))
    asked = {name: value[0] for name, value in parse_qs(way.query).items()}
    back = urlsplit(authorization.consent(asked, allowed=True))
    alice.get(f"{back.path}?{back.query}", status=303)
    db.session.rollback()
    form["grant_id"] = db.session.query(OauthGrant).one().id
    db.session.rollback()
    pages.append(alice.post("/system/channels/test", form, status=200).text)
    assert pages[-1].count("step-ok") == 11
    alice.post("/system/channels/new", form)
    return known("Tokens")


def known(key: str) -> Known:
    channel = channels.by_key(key)
    assert channel is not None
    found = Known(channel.id, channel.user)
    db.session.rollback()
    return found


def answer(channel: Known) -> int:
    """Answer the ticket of a channel's newest mail at once; the number of the mail that is due."""
    db.session.rollback()
    row = (
        db.session.query(InboundMail).filter_by(channel_id=channel.id).order_by(InboundMail.id.desc()).first()
    )
    assert row is not None
    alice = accounts.agents()[0]
    mail = replies.send_reply(ticket_of(row), alice, replies.Written(text="We look into it.")).mail
    mail.send_after = now() - timedelta(seconds=1)
    number = mail.id
    db.session.commit()
    return number


def refused(
    alice: PageClient, run_job: Callable[..., None], dovecot: Dovecot, sink: SmtpSink, books: Known,
    pages: list[str],
) -> None:  # fmt: skip
    """Passwords that are wrong, at both servers, in the form and in the jobs."""
    wrong = form_of_test(books, dovecot, sink) | {"password": WRONG, "smtp_password": WRONG}
    pages.append(alice.post("/system/channels/test", wrong, status=200).text)
    assert pages[-1].count("step-failed") == 2
    alice.post(f"/system/channels/{books.id}", wrong)
    mail = answer(books)
    run_job("fetch", books.id)
    run_job("send", books.id)
    db.session.rollback()
    assert db.session.get_one(Channel, books.id).error_code == "auth_failed"
    assert db.session.get_one(OutboundMail, mail).state == "queued"
    db.session.rollback()
    right = form_of_test(books, dovecot, sink) | {"password": INCOMING, "smtp_password": OUTGOING}
    alice.post(f"/system/channels/{books.id}", right)


def faults(
    alice: PageClient, run_job: Callable[..., None], dovecot: Dovecot, sink: SmtpSink, books: Known,
    pages: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Ours: in a fetch, in sending, and in a form whose statement cannot be written; each is logged whole."""
    dovecot.deliver(books.user, RAW % 99)
    with monkeypatch.context() as broken:
        broken.setattr(ImapSource, "listing", _throw)
        run_job("fetch", books.id)
    answer(books)
    with monkeypatch.context() as broken:
        broken.setattr(SmtpSender, "send", _throw)
        run_job("send", books.id)
    with monkeypatch.context() as broken:
        broken.setattr(
            channels, "now", datetime.now
        )  # naive: refused while the row with its passwords is bound
        form = form_of_test(books, dovecot, sink) | {
            "password": INCOMING + "x",
            "smtp_password": OUTGOING + "x",
        }
        db.session.rollback()
        pages.append(alice.post(f"/system/channels/{books.id}", form, status=500).text)


def _throw(source: object, *given: object, **named: object) -> None:
    """As careless as a fault can be: it says who threw it, and with what."""
    known = [getattr(source, name, None) for name in ("__dict__", "_credentials", "_server")]
    raise RuntimeError(
        f"forced: {source!r} {known!r} {given!r} {named!r} {values_of(channels.living()[-1])!r}"
    )


def form_of_test(books: Known, dovecot: Dovecot, sink: SmtpSink) -> dict[str, object]:
    return {
        "channel_id": books.id, "key": "Books", "address": books.user, "provider": "own", "active": "y",
        "protocol": "imap", "server": "localhost", "port": dovecot.imaps, "ssl": "y", "user": books.user,
        "smtp_server": "localhost", "smtp_port": sink.port, "smtp_encryption": "starttls", "smtp_auth": "login",
        "smtp_user": "sender", "oauth": "password", "after_fetch": "delete", "existing": "take",
    }  # fmt: skip


def every_page(alice: PageClient, app: Flask) -> list[str]:
    """Whatever an administrator can open, with the numbers of the first things that there are."""
    urls = app.url_map.bind("localhost")
    found = []
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint == "static":
            continue
        for number in (1, 2, 3, 1001) if rule.arguments else (1,):
            try:
                url = urls.build(rule.endpoint, dict.fromkeys(rule.arguments, number))
            except BuildError:  # an argument that is no number
                continue
            with alice.client.get(url) as answer:
                found.append(answer.data.decode(errors="replace"))
    return found


def stored(app: Flask) -> list[str]:
    """Every row of every table, and on SQLite also the bytes of the files, with what was written over."""
    db.session.rollback()
    rows = [
        str(tuple(row))
        for table in db.metadata.sorted_tables
        for row in db.session.connection().exec_driver_sql(f'SELECT * FROM "{table.name}"')
    ]
    folder = app.extensions["poststelle"].settings.data
    files = [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    assert rows and files
    return rows + files


def spellings(secret: str) -> Iterator[str]:
    """As it is, in an address, and within base64, wherever it begins there."""
    yield secret
    yield quote(secret, safe="")
    for before in range(3):
        encoded = base64.b64encode(b"\1" * before + secret.encode())
        yield encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4].decode()
