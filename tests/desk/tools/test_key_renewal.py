"""The key changes, and nothing that was encrypted is lost: by one command that may be broken off and run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet, InvalidToken
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import Text, select, type_coerce, update

from desk import keys
from desk.notices import password_links
from desk.office import Office
from desk.sending import link_mails
from desk.tools import key_renewal
from models import Account, Agent, Channel, OutboundMail, db
from models.base import Base, Secret, use_cipher
from tests.servers.smtp_sink import SmtpSink

OLD, NEW, STRANGE = (Fernet.generate_key().decode() for _ in range(3))
PASSWORD = "Geheim-4711"


@pytest.fixture
def use(office: Office) -> Iterator[Callable[..., None]]:
    """As after a restart with these keys, the newest first."""
    before = keys.load_keys(office.settings.data, office.settings.encryption_keys)

    def restart(*known: str) -> None:
        db.session.rollback()
        db.session.expire_all()
        office.settings = replace(office.settings, encryption_keys=known)
        use_cipher(keys.cipher(known))

    yield restart
    use_cipher(keys.cipher(before))


@pytest.fixture
def secrets(app: Flask, channel: Channel, bob: Agent, relay: SmtpSink, use: Callable[..., None]) -> str:
    """Everything encrypted with the old key; answers the token in a mail that waits."""
    use(OLD)
    db.session.get_one(Account, 1).signing_key = "ab" * 32
    row = db.session.get_one(Channel, channel.id)
    row.password = row.smtp_password = PASSWORD
    db.session.commit()
    return password_links.renew_link(db.session.get_one(Agent, bob.id))


def stored() -> dict[str, list[str]]:
    """Each encrypted value as it lies in the database, by table.column."""
    db.session.rollback()
    found: dict[str, list[str]] = {}
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, Secret):
                raw = type_coerce(column, Text)
                values = db.session.scalars(select(raw).where(raw != "")).all()
                found[f"{table.name}.{column.name}"] = list(values)
    db.session.rollback()
    return found


def readable_by(key: str) -> set[bool]:
    return {_decrypts(key, value) for values in stored().values() for value in values}


def _decrypts(key: str, value: str) -> bool:
    try:
        Fernet(key.encode()).decrypt(value.encode())
    except InvalidToken:
        return False
    return True


def test_everything_is_read_by_the_new_key_alone(
    secrets: str, use: Callable[..., None], office: Office
) -> None:
    before = db.session.query(OutboundMail).one().sha256
    use(NEW, OLD)
    assert readable_by(NEW) == {False}
    done = key_renewal.renew()
    assert (done.renewed, done.up_to_date, done.lost) == (4, 0, [])
    assert readable_by(NEW) == {True} and readable_by(OLD) == {False}
    use(NEW)
    assert db.session.get_one(Account, 1).signing_key == "ab" * 32
    assert {c.password for c in db.session.query(Channel)} == {PASSWORD}
    mail = db.session.query(OutboundMail).one()
    assert secrets.encode() in link_mails.octets(mail).replace(b"=\r\n", b"").replace(b"=\n", b"")
    assert mail.sha256 != before and not office.blobs.has(before)
    again = key_renewal.renew()
    assert (again.renewed, again.up_to_date) == (0, 4)


def test_a_dry_run_counts_and_changes_nothing(secrets: str, use: Callable[..., None], office: Office) -> None:
    use(NEW, OLD)
    before, blobs = stored(), set(office.blobs.root.rglob("*"))
    assert key_renewal.renew(dry_run=True).renewed == 4
    assert stored() == before and set(office.blobs.root.rglob("*")) == blobs


def test_who_breaks_it_off_has_changed_nothing(
    secrets: str, use: Callable[..., None], office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(NEW, OLD)
    before, digest = stored(), db.session.query(OutboundMail).one().sha256
    known = db.session.commit

    def die() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(db.session, "commit", die)
    with pytest.raises(KeyboardInterrupt):
        key_renewal.renew()
    monkeypatch.setattr(db.session, "commit", known)
    assert stored() == before and office.blobs.has(digest)
    assert key_renewal.renew().renewed == 4


def test_what_no_key_reads_is_named_and_left(secrets: str, use: Callable[..., None], app: Flask) -> None:
    lost = Fernet(STRANGE.encode()).encrypt(b"x").decode()
    db.session.execute(update(Channel).values({Channel.__table__.c.password: type_coerce(lost, Text)}))
    db.session.commit()
    use(NEW, OLD)
    answer = FlaskCliRunner(app).invoke(args=["keys", "renew"])
    assert answer.exit_code == 1, answer.output
    assert "3 secrets were encrypted with the first key, 0 were already." in answer.output
    assert "channel.password: 1 cannot be read" in answer.output
    assert stored()["channel.password"] == [lost]


def test_the_command_line_makes_a_key_that_it_takes(app: Flask, office: Office) -> None:
    db.session.rollback()
    key = FlaskCliRunner(app).invoke(args=["keys", "new"]).output.strip()
    file = office.settings.data / "secret.key"
    file.write_text(f"{key}\n{file.read_text()}")
    assert "would be encrypted" in FlaskCliRunner(app).invoke(args=["keys", "renew", "--dry-run"]).output
    assert FlaskCliRunner(app).invoke(args=["keys", "renew"]).exit_code == 0
    assert readable_by(key) == {True}
