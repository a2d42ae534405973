"""What mail servers and scripts read from an exit code: try again later, unknown address, safe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import func, select

import cli.jobs
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.receiving import arrivals, intake
from models import Channel, InboundMail, Lease, Message, db, now
from tests.servers import carol
from tests.servers.serving import ROOT, Serving, until


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    db.session.rollback()
    return app.test_cli_runner()


@pytest.fixture
def address(channel: Channel) -> str:
    """The default address; nothing is locked by having looked it up."""
    found = channel.address
    db.session.rollback()
    return found


@pytest.fixture
def own(app: Flask) -> Channel:
    """A mailbox that nobody answers for: no command here gets as far as its server."""
    return channels.create(
        ChannelValues(
            key="Help",
            address="help@acme.test",
            provider="own",
            server="localhost",
            password="secret",
            smtp_server="localhost",
        )
    )


def hold(channel: Channel, expires_in: timedelta) -> None:
    db.session.add(
        Lease(name=f"fetch:{channel.id}", owner="elsewhere|pid:[1]|1|x", expires_at=now() + expires_in)
    )
    db.session.commit()


@pytest.mark.parametrize("job", ["fetch", "process"])
def test_a_job_that_another_process_is_at_waits_and_then_says_try_again(
    runner: FlaskCliRunner, own: Channel, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    monkeypatch.setattr(cli.jobs, "LEASE_WAIT", 0.3)
    hold(own, timedelta(minutes=1))
    # A removal that is still owed, so that `process` has to go to the server too.
    db.session.add(
        InboundMail(channel_id=own.id, via="imap", source_id="1/1:1", sha256="0" * 64, state="filed",
                    outcome="quiet", server_copy="present")
    )  # fmt: skip
    db.session.commit()
    begun = now()
    result = runner.invoke(args=["jobs", "once", job])
    assert result.exit_code == 75, result.output
    assert now() - begun >= timedelta(seconds=0.3)
    assert result.stdout == "" and result.stderr.count("\n") == 1


def test_a_lease_that_has_expired_is_nobodys(runner: FlaskCliRunner, own: Channel) -> None:
    hold(own, -timedelta(seconds=1))
    result = runner.invoke(args=["jobs", "once", "fetch"])
    assert result.exit_code == 0
    assert '"channel": "Help"' in result.stdout


@pytest.mark.parametrize("way", [["--rcpt"], ["--channel", "Support"]], ids=["by address", "by channel"])
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), RuntimeError("a bug of ours")])
def test_a_mail_that_cannot_be_stored_is_kept_by_its_sender(
    runner: FlaskCliRunner,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    way: list[str],
    fault: Exception,
) -> None:
    def full(channel_id: int, arrival: arrivals.Arrival) -> None:
        raise fault

    monkeypatch.setattr(arrivals, "receive", full)
    way = [*way, address] if way == ["--rcpt"] else way
    result = runner.invoke(args=["mail", "receive", *way], input=carol.request(address))
    assert (result.exit_code, result.stderr) == (75, f"The mail could not be stored, try again: {fault}\n")


def test_a_mail_that_is_safe_is_never_asked_for_again(
    runner: FlaskCliRunner, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault after the storing is ours alone: a second copy from the sender would be a second ticket."""

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(intake, "_decide", broken)
    result = runner.invoke(args=["mail", "receive", "--rcpt", address], input=carol.request(address))
    assert result.exit_code == 0, result.output
    assert db.session.scalar(select(func.count()).select_from(InboundMail)) == 1


def test_one_mail_to_two_addresses_is_refused_whole_if_one_is_unknown(
    runner: FlaskCliRunner, address: str
) -> None:
    """An MTA that pipes several recipients at once would otherwise send again to those who have it."""
    both = ["--rcpt", address, "--rcpt", "nobody@poststelle.example"]
    result = runner.invoke(args=["mail", "receive", *both], input=carol.request(address))
    assert result.exit_code == 67 and "nobody@poststelle.example" in result.stderr
    assert db.session.scalar(select(func.count()).select_from(InboundMail)) == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        ((), b"", 65),
        ((), b" \n\r\n", 65),
        ((), b"Subject: x\n\n" + b"y" * 1024 * 1024, 65),
        (("--rcpt", "nobody@poststelle.example"), b"Subject: x\n\ny\n", 67),
        (("--channel", "Nothing"), b"Subject: x\n\ny\n", 67),
        ((), b"From carol@customer.example Mon Aug  3 10:00:00 2026\nSubject: x\n\ny\n", 0),
        (("--sender", "carol@customer.example"), b"no header at all", 0),
    ],
)  # fmt: skip
def test_what_a_mail_server_is_told(
    make_app: Callable[..., Flask], arguments: tuple[str, ...], stdin: bytes, code: int
) -> None:
    runner = make_app(max_mail_bytes=1024 * 1024).test_cli_runner()
    made = ["account", "create", "--company", "Acme", "--name", "Alice", "--email", "a@acme.example"]
    address = runner.invoke(args=[*made, "--password-stdin"], input="correct horse battery").stdout.strip()
    way = arguments if {"--rcpt", "--channel"} & set(arguments) else ("--rcpt", address, *arguments)
    result = runner.invoke(args=["mail", "receive", *way], input=stdin)
    assert (result.exit_code, bool(result.stderr)) == (code, code != 0), result.stderr


def test_the_pipe_keeps_lf_and_the_envelope(runner: FlaskCliRunner, address: str) -> None:
    raw = b"From: carol@customer.example\nSubject: x\n\nline\nline\n"
    for sender in ("<>", "carol@customer.example"):
        assert runner.invoke(
            args=["mail", "receive", "--rcpt", address, "--sender", sender], input=raw
        ).exit_code == 0  # fmt: skip
    first, second = db.session.scalars(select(InboundMail).order_by(InboundMail.id))
    assert (first.envelope_from, second.envelope_from) == ("", "carol@customer.example")
    assert first.size == len(raw) and second.outcome == "duplicate" and second.duplicate_of_id == first.id


def test_the_worker_receives_and_files_without_the_web(make_serving: Callable[..., Serving]) -> None:
    serving = make_serving()
    address = serving.create_account()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "worker"],
        cwd=ROOT, env=serving.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None and "receiving by SMTP" in process.stdout.readline()
            carol.send(carol.request(address), address, serving.smtp_port)
            until(lambda: serving.sql(f"SELECT id FROM {Message.__tablename__}"))
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
    (ticket,) = serving.tickets()
    assert (ticket["subject"], ticket["status"]) == (carol.SUBJECT, "new")


@pytest.mark.parametrize("wanted", [[], ["-1"], ["0001"]])
def test_there_is_no_way_down_and_the_command_says_which_way_there_is(
    runner: FlaskCliRunner, wanted: list[str]
) -> None:
    said = runner.invoke(args=["db", "downgrade", *wanted])
    assert said.exit_code == 1 and "the copy from before the update" in said.output
