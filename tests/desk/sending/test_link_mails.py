"""No link that lets somebody in lies readable in the data folder: not while it waits, not afterwards, not in a copy."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from desk.notices import password_links
from desk.office import Office
from desk.sending import link_mails, outbox, outbox_page
from models import Agent, MailState, OutboundMail, db, now
from models.base import unseal
from tests.servers.smtp_sink import SmtpSink

pytestmark = pytest.mark.parametrize("purpose", ["invitation", "password_link"])


@pytest.fixture
def link(app: Flask, bob: Agent, purpose: str) -> Callable[[], str]:
    """Makes a link for Bob and answers its token; the mail is in the outbox."""

    def make() -> str:
        if purpose == "invitation":
            db.session.execute(update(Agent).where(Agent.id == bob.id).values(password_hash=""))
            db.session.commit()
        return password_links.renew_link(db.session.get_one(Agent, bob.id))

    return make


def lies_somewhere(office: Office, token: str) -> list[str]:
    """The files of the data folder that hold the token: as it is, in base64, in quoted-printable."""
    db.session.rollback()
    found = []
    for path in office.settings.data.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        runs = re.findall(rb"(?:[A-Za-z0-9+/]{60,76}\r?\n)+[A-Za-z0-9+/]*={0,2}", data)
        decoded = [b64decode(b"".join(run.split()) + b"==") for run in runs]
        if any(
            token.encode() in text
            for text in (data, data.replace(b"=\r\n", b"").replace(b"=\n", b""), *decoded)
        ):
            found.append(path.name)
    return found


def row() -> OutboundMail:
    db.session.rollback()
    return db.session.query(OutboundMail).order_by(OutboundMail.id.desc()).limit(1).one()


def test_it_is_encrypted_until_it_has_left_and_gone_then(
    relay: SmtpSink, link: Callable[[], str], office: Office
) -> None:
    token = link()
    sealed = row().sha256
    assert token.encode() in unseal(office.blobs.get(sealed)).replace(b"=\r\n", b"").replace(b"=\n", b"")
    assert lies_somewhere(office, token) == []
    outbox.deliver_due()
    assert token in relay.mails[0].raw.replace(b"=\r\n", b"").decode()
    sent = row()
    assert (sent.state, sent.sha256, office.blobs.has(sealed)) == (MailState.DONE, "", False)
    assert sent.subject and sent.recipients[0].address == "bob@acme.example"
    assert lies_somewhere(office, token) == []
    with pytest.raises(outbox_page.OutboxRefused):
        outbox_page.retry(sent)


@pytest.mark.parametrize("answer", ["451 later", "550 never"])
def test_what_was_refused_can_be_sent_again(
    relay: SmtpSink, link: Callable[[], str], office: Office, answer: str
) -> None:
    token = link()
    relay.fail_next("rcpt", answer)
    outbox.deliver_due()
    assert row().state == (MailState.QUEUED if answer.startswith("4") else MailState.FAILED)
    assert row().sha256 and lies_somewhere(office, token) == []
    assert link_mails.forget_spent() == 0, "its link is still good"
    outbox_page.retry(row())
    outbox.deliver_due()
    assert token in relay.mails[-1].raw.replace(b"=\r\n", b"").decode()
    assert (row().state, row().sha256) == (MailState.DONE, "")


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("why", ["expired", "used", "replaced", "deactivated"])
def test_a_link_that_leads_nowhere_is_removed_and_not_sent(
    relay: SmtpSink, link: Callable[[], str], office: Office, bob: Agent, why: str, waits: bool
) -> None:
    token, mail = link(), row().id
    if not waits:
        relay.fail_next("rcpt", "550 never")
        outbox.deliver_due()
    digest = row().sha256
    if why == "expired":
        values = {"link_expires_at": now() - timedelta(seconds=1)}
        db.session.execute(update(Agent).where(Agent.id == bob.id).values(values))
        db.session.commit()
    elif why == "used":
        password_links.set_password_by_link(token, "bobs new password")
    elif why == "replaced":
        link()
    else:
        db.session.execute(
            update(Agent).where(Agent.id == bob.id).values(link_digest="", link_expires_at=None)
        )
        db.session.commit()
    assert link_mails.forget_spent() == 1
    gone = db.session.get_one(OutboundMail, mail, populate_existing=True)
    assert (gone.state, gone.sha256, office.blobs.has(digest)) == (MailState.FAILED, "", False)
    assert gone.reason == "link_expired" or not waits
    db.session.rollback()
    outbox.deliver_due()
    assert not any(token in sent.raw.decode() for sent in relay.mails)
    assert link_mails.forget_spent() == 0


def test_without_a_way_out_it_is_not_stored_at_all(link: Callable[[], str], office: Office) -> None:
    blobs = set(office.blobs.root.rglob("*"))
    token = link()
    assert (row().state, row().reason, row().sha256) == (MailState.KEPT, "no_relay", "")
    assert set(office.blobs.root.rglob("*")) == blobs and lies_somewhere(office, token) == []
    assert not password_links.go_by_mail()
    outbox.send_again(row())
    assert row().state == MailState.KEPT
    assert password_links.take_link(token) is not None, "who saw it can use it"


def test_what_an_older_version_kept_readable_is_removed(link: Callable[[], str], office: Office) -> None:
    token = link()
    digest = office.blobs.put(b"Subject: x\r\n\r\nhttps://desk.example/password/" + token.encode())
    db.session.execute(update(OutboundMail).values(sha256=digest))
    db.session.commit()
    assert lies_somewhere(office, token)
    assert link_mails.forget_spent() == 1
    assert lies_somewhere(office, token) == [] and row().sha256 == ""


def test_what_a_crash_left_behind_is_removed_by_the_next_run(
    relay: SmtpSink, link: Callable[[], str], office: Office
) -> None:
    """Between the note that it has left and the removal of its bytes."""
    link()
    digest = row().sha256
    db.session.execute(update(OutboundMail).values(state=MailState.DONE))
    db.session.commit()
    assert link_mails.forget_spent() == 1 and not office.blobs.has(digest) and row().sha256 == ""
