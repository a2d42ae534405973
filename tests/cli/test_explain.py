"""`mail explain`: stable for scripts, works before the set-up, stores nothing, goes on past what it cannot open."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.engine import make_url

import cli.mail
from app import create_app
from config import from_environment
from desk.tools import mail_explain
from desk.tools.mail_explain import explain_files
from mail.explain import explain
from models import Channel, db

MAILS = sorted((Path(__file__).parents[1] / "mails").glob("*.eml"))
MAIL = b"""From: Carol <carol@kunde.example>
To: support@firma.example
Subject: Frage
Date: Mon, 23 Nov 2026 10:00:00 +0100
Message-ID: <1@kunde.example>
In-Reply-To: <0@firma.example>
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html

<p onclick=x>Guten Tag</p><script>x</script><img src="cid:1"><img src="https://x.example/">
--b
Content-Type: image/png; name=a.png
Content-ID: <1>

png
--b--
"""
FIELDS = ["sha256", "message_id", "subject", "from", "reply_to", "to", "cc", "date", "text", "visible_text", "opening_text",
 "quoted_text", "html",
 "attachments", "leaves", "invitation", "seals", "spam_report", "verdict", "machine", "bounce", "forward_check", "clues", "defects", "seconds"]  # fmt: skip


def run(app: Flask, *arguments: str, names: bytes = b"") -> tuple[int, list[dict[str, Any]]]:
    result = app.test_cli_runner().invoke(cli.mail.mail_cli, ["explain", *arguments], input=io.BytesIO(names))
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_what_is_said_of_a_mail() -> None:
    said = explain(MAIL, b"key")
    assert said.pop("seconds") < 60
    assert said == {
        "sha256": said["sha256"],
        "message_id": "<1@kunde.example>",
        "subject": "Frage",
        "from": {"name": "Carol", "email": "carol@kunde.example"},
        "reply_to": [],
        "to": [{"name": "", "email": "support@firma.example"}],
        "cc": [],
        "date": "2026-11-23T09:00:00+00:00",
        "text": "Guten Tag",
        "visible_text": "Guten Tag",
        "opening_text": "",
        "quoted_text": "",
        "html": said["html"],
        "attachments": [
            {
                "name": "a.png",
                "type": "image/png",
                "size": 3,
                "sha256": hashlib.sha256(b"png").hexdigest(),
                "inline": True,
            }
        ],
        "leaves": 2,
        "invitation": None,
        "seals": [],
        "spam_report": None,
        "verdict": {"action": "file", "reason": "person", "detail": ""},
        "machine": {"is": False, "reason": ""},
        "bounce": {"is": False, "permanent": False, "recipients": [], "returned_message_id": ""},
        "forward_check": None,
        "clues": [{"kind": "foreign_id", "message_id": "<0@firma.example>"}],
        "defects": [],
    }
    assert 'src="cid:1"' in said["html"] and "script" not in said["html"]
    assert ' src="https:' not in said["html"] and "onclick" not in said["html"]


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_every_mail_has_every_field_and_its_text_in_two_parts(path: Path) -> None:
    said = json.loads(json.dumps(explain(path.read_bytes(), b"key")))
    assert list(said) == FIELDS
    assert said["visible_text"] + said["quoted_text"] == said["text"]
    assert said["machine"]["is"] == (said["verdict"]["action"] in ("quiet", "bounce"))


def test_the_history_above_an_answer_has_a_field_of_its_own() -> None:
    history, answer = "On Nov 23, 2026, Bob <b@acme.example> wrote:\n> Which one?\n\n", "The blue one."
    said = explain(f"From: a@b.example\n\n{history}{answer}".encode(), b"key")
    assert (said["opening_text"], said["visible_text"]) == (history, history + answer)


def test_spam_by_a_machine_is_still_by_a_machine() -> None:
    said = explain(b"From: a@b.example\nX-Spam-Flag: YES\nPrecedence: bulk\n\nx", b"key")
    assert (said["verdict"]["action"], said["machine"]) == ("hold", {"is": True, "reason": "precedence"})


def test_files_that_cannot_be_read_are_said_and_passed(make_app: Any, tmp_path: Path) -> None:
    good = tmp_path / "gut.eml"
    good.write_bytes(MAIL)
    missing = str(tmp_path / "missing.eml")
    code, lines = run(make_app(), missing, str(tmp_path), str(good))
    assert code == 1
    assert [line["file"] for line in lines] == [missing, str(tmp_path), str(good)]
    assert [line.get("error", "") for line in lines] == ["No such file or directory", "Is a directory", ""]
    assert lines[2]["subject"] == "Frage"


def test_names_from_standard_input_whatever_their_bytes(make_app: Any, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xe4.eml")
    odd.write_bytes(MAIL)
    code, lines = run(make_app(), "-", names=os.fsencode(odd) + b"\n\n")
    assert code == 0 and [line["subject"] for line in lines] == ["Frage"]


def test_before_the_set_up_nothing_is_stored(make_app: Any, settings: Any) -> None:
    app = make_app()
    database = make_url(settings.database_url).database
    if settings.is_sqlite:
        Path(database).unlink(missing_ok=True)
    before = sorted(settings.data.rglob("*"))
    with app.app_context():
        (said,) = explain_files([str(MAILS[0])])
    assert said["subject"]
    assert sorted(settings.data.rglob("*")) == before


def test_a_decision_holds_nothing_while_it_waits_for_the_next_name(
    app: Flask, channel: Channel, tmp_path: Path
) -> None:
    """Names may come slowly; meanwhile mail is taken in."""
    file = tmp_path / "one.eml"
    file.write_bytes(b"From: carol@customer.example\r\nSubject: Help\r\n\r\nHello\r\n")
    explained = mail_explain.explain_files([str(file)] * 2, mail_explain.channel_id(channel.key))
    first = next(explained)
    assert (first["decision"]["outcome"], first["decision"]["notice"]) == ("new_ticket", "new_ticket")
    assert not db.session().in_transaction()
    assert next(explained)["decision"] == first["decision"]


def test_an_unknown_channel_is_one_sentence(app: Flask, tmp_path: Path) -> None:
    result = app.test_cli_runner().invoke(
        cli.mail.mail_cli, ["explain", "--channel", "Nobody", str(tmp_path)]
    )
    assert (result.exit_code, result.output) == (1, "Error: There is no channel “Nobody”.\n")


def test_where_nothing_is_set_up_a_channel_is_asked_for_in_vain_and_no_database_is_made(
    tmp_path: Path,
) -> None:
    settings = replace(from_environment({"POSTSTELLE_DATA": str(tmp_path)}), testing=True, assets="cdn")
    bare = create_app(settings)
    result = bare.test_cli_runner().invoke(cli.mail.mail_cli, ["explain", "--channel", "Support", "x.eml"])
    assert result.exit_code == 1 and "account create" in result.output
    assert not (tmp_path / "poststelle.db").exists()
