"""Each rule of the table applies to its own case, in its order, and persons pass."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mail.judging.bounces import read_bounce
from mail.judging.limits import STORM_LIMIT
from mail.judging.rules import RULES, judge
from mail.reading.parse import parse
from mail.types import Action, Address, Bounce, BounceRecipient, Facts, Mail
from tests.mail.judging.test_bounces import MAILS

CAROL = Mail(message_id="<a@kunde.test>", subject="Störung", sender=Address("Carol", "carol@kunde.test"))
FAILED = Bounce((BounceRecipient("dave@x.test", "5.1.1", True, "no such user"),))
WAITS = Bounce((BounceRecipient("dave@x.test", "4.4.1", False, "later"),))


def headers(**fields: str) -> Mail:
    return replace(
        CAROL, headers=tuple((name.replace("_", "-").lower(), value) for name, value in fields.items())
    )


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_mails(path: Path) -> None:
    raw = path.read_bytes()
    expected = json.loads(path.with_suffix(".json").read_text())
    mail = parse(raw)
    verdict = judge(mail, Facts(), read_bounce(raw, mail))
    assert (verdict.action, verdict.reason) == (expected["action"], expected["reason"])


@pytest.mark.parametrize(
    ("facts", "bounce", "action", "reason"),
    [
        (Facts(), None, Action.FILE, "person"),
        (Facts(own_message_id=True), FAILED, Action.DROP, "own_mail"),
        (Facts(own_loop_header=True), None, Action.DROP, "own_mail"),
        (Facts(sender_blocked=True), FAILED, Action.BOUNCE, "bounce"),
        (Facts(), Bounce(), Action.BOUNCE, "bounce"),
        (Facts(), WAITS, Action.BOUNCE, "delayed"),
        (Facts(), Bounce((*WAITS.recipients, *FAILED.recipients)), Action.BOUNCE, "bounce"),
        (Facts(sender_blocked=True, recent_from_sender=99), None, Action.DROP, "blocked_sender"),
        (Facts(recent_from_sender=60), None, Action.HOLD, "storm"),
        (Facts(recent_from_sender=59), None, Action.FILE, "person"),
        (Facts(recent_from_sender=STORM_LIMIT), None, Action.HOLD, "storm"),
    ],
)
def test_facts(facts: Facts, bounce: Bounce | None, action: Action, reason: str) -> None:
    verdict = judge(CAROL, facts, bounce)
    assert (verdict.action, verdict.reason) == (action, reason)


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        (headers(X_Spam_Flag="YES"), "spam_header"),
        (headers(X_Spam_Status="Yes, score=9.1"), "spam_header"),
        (headers(X_MS_Exchange_Organization_SCL="6"), "spam_header"),
        (headers(X_Forefront_Antispam_Report="CIP:1;SFV:SPM;SCL:5"), "spam_header"),
        (
            headers(X_Spam_Flag="NO", X_Spam_Status="No, score=-1", X_MS_Exchange_Organization_SCL="1"),
            "person",
        ),
        (headers(Content_Type="multipart/report; report-type=feedback-report"), "other_report"),
        (headers(Auto_Submitted="auto-replied (vacation)"), "auto_submitted"),
        (headers(Auto_Submitted="no"), "person"),
        (headers(Auto_Submitted="No; owner"), "person"),
        (headers(Auto_Submitted=""), "person"),
        (headers(Precedence="bulk"), "precedence"),
        (headers(Precedence="auto_reply"), "precedence"),
        (headers(Precedence="first-class"), "person"),
        (headers(List_Unsubscribe="<mailto:x@y.test>"), "list_mail"),
        (headers(List_Id="Freunde <f.x.test>"), "list_mail"),
        (headers(X_Auto_Response_Suppress="All"), "auto_response_suppress"),
        (headers(X_Auto_Response_Suppress="DR, OOF, AutoReply"), "person"),
        (headers(X_Autoreply="yes"), "vendor_header"),
        (headers(X_MS_Exchange_Generated_Message_Source="Journal Agent"), "vendor_header"),
        (headers(X_MS_Exchange_Generated_Message_Source="Mailbox Rules Agent"), "person"),
        (headers(X_Autoreply="no"), "person"),
        (headers(X_Autorespond=""), "vendor_header"),
        (headers(X_Poststelle_Loop="forged"), "person"),
        (headers(Return_Path="<>"), "null_sender"),
        (headers(Return_Path="<carol@kunde.test>"), "person"),
        (replace(CAROL, sender=Address("", "MAILER-DAEMON")), "mailer_daemon"),
        (replace(CAROL, sender=Address("", "do-not-reply+17@shop.test")), "mailer_daemon"),
        (replace(CAROL, sender=Address("", "noreplyce@kunde.test")), "person"),
        (replace(CAROL, sender=Address("", "shop-noreply@kunde.test")), "mailer_daemon"),
        (replace(CAROL, sender=Address("", "ne-pas-repondre@kunde.test")), "mailer_daemon"),
        (replace(CAROL, sender=Address("", "notifications+42@kunde.test")), "mailer_daemon"),
        (replace(CAROL, sender=Address("", "wordpress@kunde.test")), "mailer_daemon"),
        (replace(CAROL, sender=Address("", "hans.cron@kunde.test")), "person"),
        (replace(CAROL, sender=Address("", "newsletterredaktion@kunde.test")), "person"),
        (replace(CAROL, sender=Address("", "postmaster@kunde.test")), "mailer_daemon"),
        (
            replace(headers(User_Agent="Mozilla Thunderbird"), sender=Address("", "postmaster@kunde.test")),
            "person",
        ),
    ],
)
def test_headers(mail: Mail, reason: str) -> None:
    assert judge(mail, Facts(), None).reason == reason


@pytest.mark.parametrize(
    "said",
    [
        {
            "List_Id": "<support.firma.test>",
            "Precedence": "list",
            "Mailing_list": "list support@firma.test; contact x",
        },
        {"List_Post": "<https://groups.google.com/a/x>, <mailto:Support@firma.test>", "Precedence": "list"},
    ],
)
def test_a_group_that_is_our_own_address_brings_the_mails_of_persons(said: dict[str, str]) -> None:
    ours = Facts(own_addresses=frozenset({"support@firma.test"}))
    assert judge(headers(**said), ours, None).reason == "person"
    for others in (
        frozenset[str](),
        frozenset({"port@firma.test"}),
        frozenset({"support@firma.test.example"}),
    ):
        assert judge(headers(**said), Facts(own_addresses=others), None).reason != "person"
    assert judge(headers(**said | {"Precedence": "bulk"}), ours, None).reason == "precedence"


def test_the_envelope_goes_before_the_header() -> None:
    assert judge(CAROL, Facts(), None, "").reason == "null_sender"
    assert judge(headers(Return_Path="<>"), Facts(), None, "carol@kunde.test").reason == "person"


@pytest.mark.parametrize(
    "subject",
    [
        "Automatische Antwort: Störung", "Abwesenheitsnotiz", "Abwesend bis 3. März", "Außer Haus - Carol",
        "Nicht im Büro", "Out of Office: Re: Outage", "Automatic reply: Outage", "Auto-Reply", "[Auto-Reply] Outage",
        "Out of the office until Monday", "Réponse automatique : Panne", "Absent du bureau",
        "Message d'absence", "Risposta automatica: Guasto", "Fuori sede", "Respuesta automática: Avería",
        "Fuera de la oficina", "Automatisch antwoord: Storing", "Afwezig", "Afwezigheidsbericht: Storing",
        "Resposta automática: Avaria", "Ausência temporária", "Autosvar: Fel", "Automatiskt svar: Fel", "Frånvaro",
        "Automatisk svar: Feil", "Fravær til mandag", "Automaattinen vastaus: Vika", "Poissa", "Odpowiedź automatyczna: Awaria",
        "Nieobecność do 3 marca", "Automatická odpověď: Porucha", "Nepřítomnost", "Automatikus válasz: Hiba",
        "Răspuns automat: Defect", "Automatski odgovor: Kvar", "Otomatik yanıt: Arıza", "Автоматический ответ: Сбой",
        "Автоответ", "Αυτόματη απάντηση: Βλάβη", "自動応答: 障害", "自動返信：障害", "自动回复: 故障", "자동 회신: 장애",
    ],
)  # fmt: skip
def test_out_of_office(subject: str) -> None:
    assert judge(replace(CAROL, subject=subject), Facts(), None).reason == "out_of_office_subject"


@pytest.mark.parametrize(
    "subject",
    ["AW: Abwesenheitsnotiz", "Abwesenheitsnotiz einrichten", "Automatic reply does not work", "Re: Out of office",
     "Autoresponder gesucht", "Abwesende Kollegin", "Vacation request form", "Frage: nicht im Büro"],
)  # fmt: skip
def test_persons_write_about_absence(subject: str) -> None:
    assert judge(replace(CAROL, subject=subject), Facts(), None).reason == "person"


def test_every_reason_stands_once_and_its_words_are_short() -> None:
    reasons = [rule.reason for rule in RULES]
    assert len(reasons) == len(set(reasons))
    assert len(judge(headers(Precedence="list " + "x" * 9000), Facts(), None).detail) == 200
