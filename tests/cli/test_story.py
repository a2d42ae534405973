"""The whole story by the command line alone: what a script sees, with real mail servers and nothing running.

Every step is a process of its own, so nothing is remembered but what was stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.servers import carol
from tests.servers.ca import Authority
from tests.servers.carol import Got
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.serving import PASSWORD, Serving
from tests.servers.smtp_sink import SmtpSink

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(240)]

ALICE, BOB, DAVE = "alice@acme.example", "bob@acme.example", "dave@customer.example"
BOBS_PASSWORD = "a horse of another colour"
INSIDE, OUTSIDE = "geheim & sicher", "anders § geheim"
PRICE_LIST = b"%PDF-1.7\n" + bytes(range(256)) * 30


@dataclass
class Company:
    """Acme's install, and the address that customers write to: »Standard« or a mailbox elsewhere."""

    way: str
    address: str
    serving: Serving
    sink: SmtpSink
    mailbox: Mailbox | None

    def run(self, *arguments: str, **options: Any) -> str:
        return self.serving.flask(*arguments, **options)

    def job(self, *arguments: str) -> dict[str, Any]:
        (line,) = self.run("jobs", "once", *arguments).splitlines()
        result: dict[str, Any] = json.loads(line)
        return result

    def arrives(self, raw: bytes, recipient: str = "") -> None:
        """The mail comes to the company and is taken in; afterwards no copy waits on a server."""
        if self.mailbox is None:
            self.run("mail", "receive", "--rcpt", recipient or self.address, stdin=raw)
            return
        self.mailbox.deliver(raw)
        assert self.job("fetch", "--channel", "hilfe") == fetched("Hilfe", fetched=1, removed=1)
        assert self.mailbox.messages() == []

    def got(self, recipient: str) -> list[Got]:
        mails = [mail for mail in self.sink.mails if recipient in mail.recipients]
        return [Got(mail.raw, mail.envelope_from, mail.recipients) for mail in mails]


@pytest.fixture(params=["standard", "imap", "pop3"])
def company(
    request: pytest.FixtureRequest,
    make_serving: Callable[..., Serving],
    make_smtp_sink: Callable[..., SmtpSink],
    ca: Authority,
    dovecot: Dovecot,
) -> Company:
    """Nothing is set up yet. An own mailbox sends by its own server, and there is no relay besides."""
    way = request.param
    if way == "standard":
        sink = make_smtp_sink()
        serving = make_serving(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(sink.port), **ca.environment)
        return Company(way, "hilfe@poststelle.example", serving, sink, None)
    address = f"hilfe-{way}-cli@acme.test"
    mailbox = dovecot.add_user(address, INSIDE)
    sink = make_smtp_sink(users={"post": OUTSIDE}, context=ca.issue(file="smtp").context())
    return Company(way, address, make_serving(**ca.environment), sink, mailbox)


def test_the_whole_story(company: Company, tmp_path: Path) -> None:
    run = company.run
    assert (
        company.serving.create_account("Müller & Söhne GmbH") == "support-mueller-soehne@poststelle.example"
    )
    new_bob = ("--name", "Bob Berger", "--email", BOB, "--role", "agent", "--password-stdin")
    assert run("agent", "create", *new_bob, stdin=BOBS_PASSWORD + "\n").strip() == BOB
    create_channel(company)
    check_channels(company)

    request = carol.request(company.address)
    comes_in_though_the_process_dies(company, request)
    assert company.job("send", "--now") == {"job": "send", "sent": 3}
    check_notices(company)

    reply_id = answer(company, tmp_path)
    # Nobody waits for the agent's time to undo, but it is respected.
    assert company.job("send") == {"job": "send", "sent": 0}
    assert company.job("send", "--now") == {"job": "send", "sent": 1}
    reply = company.got(carol.ADDRESS)[-1]
    check_reply(reply, company, reply_id, Got(request, "", ()).header("Message-ID"))

    company.arrives(carol.answer(reply, "Danke, das hilft mir!"), reply_address(reply))
    note = run("ticket", "note", "1001", "--agent", ALICE, stdin="Nur für uns: Rabatt geben.\n")
    assert note.strip() == "The note was added."
    # Both agents are told of her answer, nobody of the note.
    assert company.job("send", "--now") == {"job": "send", "sent": 2}
    check_export(company, reply_id, request)

    for secret in (PASSWORD, BOBS_PASSWORD, INSIDE, OUTSIDE):
        assert secret not in company.serving.printed
    assert "Traceback" not in company.serving.printed


# --- setting up


def create_channel(company: Company) -> None:
    run, options = company.run, ["--id", "Hilfe", "--address", company.address]
    if company.mailbox is None:
        assert run("channel", "create", *options, "--provider", "standard").strip() == company.address
        return
    ports = company.mailbox.dovecot.ports
    options += ["--provider", "own", "--protocol", company.way, "--server", "localhost", "--port",
                str(ports[f"{company.way}s"]), "--smtp-server", "localhost", "--smtp-port",
                str(company.sink.port), "--smtp-user", "post", "--password-stdin",
                "--smtp-password-stdin"]  # fmt: skip
    assert run("channel", "create", *options, stdin=f"{INSIDE}\n{OUTSIDE}\n").strip() == company.address
    # What the first look into a mailbox finds is history; what comes after it is new.
    assert company.job("fetch") == fetched("Hilfe")


def check_channels(company: Company) -> None:
    default, mine = json.loads(company.run("channel", "list", "--json"))
    assert (default["id"], default["default"]) == ("Support", True)
    expected = {"id": "Hilfe", "address": company.address, "provider": "standard", "active": True,
                "default": False, "protocol": None, "error": None}  # fmt: skip
    if company.mailbox is not None:
        expected |= {"provider": "own", "protocol": company.way, "user": company.address, "server": "localhost",
                     "ssl": True, "after_fetch": "delete", "smtp_encryption": "starttls",
                     "smtp_auth": "auto"}  # fmt: skip
    assert expected.items() <= mine.items()
    assert not any("password" in name for name in mine)
    steps = [line.split("\t") for line in company.run("channel", "test", "hilfe").splitlines()]
    sides = {"outgoing"} if company.mailbox is None else {"incoming", "outgoing"}
    assert {step[0] for step in steps if step[0] == "outgoing" or company.mailbox} == sides
    assert not [step for step in steps if step[2] in ("failed", "skipped")]


# --- the request


def comes_in_though_the_process_dies(company: Company, request: bytes) -> None:
    """Killed where the ticket would be committed: the mail is on the server until the ticket exists."""
    death = {"code": -9, "POSTSTELLE_FAIL_POINT": "before_commit"}
    if company.mailbox is None:
        company.run("mail", "receive", "--rcpt", company.address, stdin=request, **death)
    else:
        company.mailbox.deliver(request)
        company.run("jobs", "once", "fetch", **death)
        assert company.mailbox.messages() == [request]
    assert company.serving.tickets() == []
    removed = 0 if company.mailbox is None else 1
    assert company.job("process") == {"job": "process", "processed": 1, "removed": removed}
    assert company.mailbox is None or company.mailbox.messages() == []


def check_notices(company: Company) -> None:
    (confirmation,) = company.got(carol.ADDRESS)
    assert "Wir haben Ihre Anfrage erhalten [#1001]" in confirmation.header("Subject")
    assert confirmation.envelope_from == ("" if company.mailbox is None else company.address)
    for agent in (ALICE, BOB):
        (notice,) = company.got(agent)
        assert notice.header("Subject") == f"Neues Ticket #1001: {carol.SUBJECT}"


# --- the answer


def answer(company: Company, folder: Path) -> str:
    path = folder / "Preisliste für Sie.pdf"
    path.write_bytes(PRICE_LIST)
    return company.run(
        "ticket", "reply", "1001", "--agent", BOB, "--resolve", "--cc", DAVE, "--attach", str(path),
        stdin="Guten Tag Frau Weiß,\n\nheute geht alles hinaus.\n",
    ).strip()  # fmt: skip


def check_reply(got: Got, company: Company, reply_id: str, asked: str) -> None:
    sent = [mail for mail in company.sink.mails if reply_id.encode() in mail.raw and mail.raw == got.raw]
    if company.way == "standard":  # by the relay each reader has a return address of their own
        assert sorted(mail.recipients for mail in sent) == [(carol.ADDRESS,), (DAVE,)]
        assert len({mail.envelope_from for mail in sent}) == 2
        local, _, domain = company.address.partition("@")
        assert all(re.fullmatch(rf"{local}\+[\w-]+@{domain}", mail.envelope_from) for mail in sent)
    else:
        assert [set(mail.recipients) for mail in sent] == [{carol.ADDRESS, DAVE}]
        assert got.envelope_from == company.address
    sender = got.mail["From"].addresses[0]
    assert (sender.display_name, sender.addr_spec) == ("Müller & Söhne GmbH", company.address)
    assert [to.addr_spec for to in got.mail["To"].addresses] == [carol.ADDRESS]
    assert [copy.addr_spec for copy in got.mail["Cc"].addresses] == [DAVE]
    assert got.header("Message-ID") == reply_id
    assert (got.header("In-Reply-To"), got.header("References")) == (asked, asked)
    assert got.header("Subject") == f"AW: {carol.SUBJECT} [#1001]"
    assert got.files == {"Preisliste für Sie.pdf": PRICE_LIST}
    assert "heute geht alles hinaus." in got.text
    signed = rf"{company.address.partition('@')[0]}\+1001-[a-z0-9]{{26}}@poststelle\.example"
    expected = signed if company.mailbox is None else ""
    assert re.fullmatch(expected, reply_address(got))


def reply_address(got: Got) -> str:
    return got.mail["Reply-To"].addresses[0].addr_spec if got.mail["Reply-To"] else ""


# --- what leaves with the data


def check_export(company: Company, reply_id: str, request: bytes) -> None:
    (ticket,) = company.serving.tickets()
    assert list(ticket) == ["number", "subject", "status", "priority", "channel", "requester", "assignee",
                            "tags", "created_at", "arrived_at", "messages"]  # fmt: skip
    assert (ticket["number"], ticket["subject"], ticket["status"]) == (1001, carol.SUBJECT, "open")
    assert (ticket["channel"], ticket["assignee"]) == ("Hilfe", None)
    assert ticket["requester"] == {"name": "Carol Weiß", "email": carol.ADDRESS}
    asked, reply, thanks, note = ticket["messages"]
    assert [message["kind"] for message in ticket["messages"]] == ["inbound", "reply", "inbound", "note"]
    assert set(asked) == {"kind", "from", "to", "cc", "subject", "text", "html", "message_id", "sha256", "created_at",
                          "arrived_at", "sent_at", "fetched_at",
                          "attachments", "delivery", "reason", "also_in"}  # fmt: skip
    assert asked["sha256"] and reply["sha256"] is None
    assert asked["message_id"] == Got(request, "", ()).header("Message-ID")
    assert described(asked) == [
        ("Lieferschein März.bin", len(carol.PICTURE), sha256(carol.PICTURE).hexdigest())
    ]
    assert reply["message_id"] == reply_id
    assert described(reply) == [("Preisliste für Sie.pdf", len(PRICE_LIST), sha256(PRICE_LIST).hexdigest())]
    assert [copy["email"] for copy in reply["cc"]] == [DAVE]
    assert {one["recipient"]: one["state"] for one in reply["delivery"]} == {
        carol.ADDRESS: "accepted",
        DAVE: "accepted",
    }
    assert thanks["text"].startswith("Danke, das hilft mir!")
    assert thanks["reason"], "why it belongs to this ticket"
    assert note["text"].strip() == "Nur für uns: Rabatt geben."
    assert note["delivery"] == []


def described(message: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(file["name"], file["size"], file["sha256"]) for file in message["attachments"]]


def fetched(channel: str, **counts: int) -> dict[str, Any]:
    """The line of a fetch from one mailbox that went well."""
    totals = {"fetched": 0, "removed": 0, "refused": 0, "left_alone": 0, "held": 0} | counts
    return {"job": "fetch", **totals, "channels": [{"channel": channel, **totals, "error": "", "words": ""}]}


# --- what else a script must be able to rely on


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Serving:
    serving = Serving(tmp_path_factory.mktemp("acme") / "data", **ca.environment)
    serving.create_account()
    return serving


def own(mailbox: Mailbox, key: str, *more: str, port: int = 0) -> list[str]:
    return [
        "channel", "create", "--id", key, "--address", f"{key}@acme.test", "--provider", "own", "--server",
        "localhost", "--port", str(port or mailbox.dovecot.imaps), "--user", mailbox.user, "--password-stdin",
        "--smtp-server", "localhost", *more,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("after", "inbox", "archive"),
    [(("move", "--move-to", "Archiv"), 0, 1), (("keep",), 1, 0)],
    ids=["move", "keep"],
)
def test_what_becomes_of_the_copy(
    acme: Serving, mailbox: Mailbox, after: tuple[str, ...], inbox: int, archive: int
) -> None:
    """Existing mail stays as it is; new mail is filed once, and its copy is moved or kept."""
    key, old = f"after-{after[0]}", carol.request("x@acme.test", "alt")
    mailbox.deliver(old)
    acme.flask(*own(mailbox, key, "--existing", "leave", "--after-fetch", *after), stdin=mailbox.password)
    line = json.loads(acme.flask("jobs", "once", "fetch", "--channel", key))
    assert line == fetched(key, left_alone=1)
    new = carol.request("x@acme.test", "neu")
    mailbox.deliver(new)
    lines = [json.loads(acme.flask("jobs", "once", "fetch", "--channel", key)) for _ in range(2)]
    assert lines == [fetched(key, fetched=1, removed=1), fetched(key)]
    assert len(mailbox.messages()) == 1 + inbox and old in mailbox.messages()
    assert mailbox.messages("Archiv") == [new] * archive
    subjects = [ticket["subject"] for ticket in acme.tickets() if ticket["channel"] == key]
    assert subjects == ["neu"]


def test_a_password_goes_unprotected_only_if_it_was_allowed(acme: Serving, mailbox: Mailbox) -> None:
    """Without SSL the mailbox is still read encrypted: by STARTTLS."""
    refused = acme.flask(*own(mailbox, "plain", "--smtp-encryption", "none"), stdin="no", code=1, errors=True)
    assert refused.startswith("Error: The channel was not created: smtp-encryption: plaintext (")
    assert "plain" not in acme.flask("channel", "list")
    options = own(mailbox, "plain", "--smtp-encryption", "none", "--allow-plaintext", "--no-ssl",
                  port=mailbox.dovecot.imap)  # fmt: skip
    acme.flask(*options, stdin=mailbox.password)
    assert json.loads(acme.flask("jobs", "once", "fetch", "--channel", "plain")) == fetched("plain")


def test_a_server_that_lets_nobody_in_is_told_in_words(acme: Serving, mailbox: Mailbox) -> None:
    acme.flask(*own(mailbox, "locked"), stdin="wrong\n")
    line = json.loads(acme.flask("jobs", "once", "fetch", "--channel", "locked"))
    (result,) = line["channels"]
    assert (line["fetched"], result["error"]) == (0, "auth_failed")
    assert result["words"]
    rows = {row["id"]: row for row in json.loads(acme.flask("channel", "list", "--json"))}
    assert rows["locked"]["error"] == "auth_failed"
    steps = acme.flask("channel", "test", "locked", code=1).splitlines()
    assert any(step.startswith("incoming\tsigned_in\tfailed\tauth_failed") for step in steps)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("mail", "receive", "--rcpt", "nobody@poststelle.example"), 67),
        (("mail", "receive", "--channel", "nowhere"), 67),
        (("ticket", "reply", "4711", "--agent", ALICE), 1),
    ],
)
def test_refusals_are_one_sentence(acme: Serving, arguments: tuple[str, ...], code: int) -> None:
    said = acme.flask(*arguments, stdin=carol.request("nobody@poststelle.example"), code=code, errors=True)
    assert len(said.strip().splitlines()) == 1 and said.strip()
