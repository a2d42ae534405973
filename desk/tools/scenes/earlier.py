"""Scenes that are over: resolved this week, closed long ago."""

from __future__ import annotations

from desk.tools.scenes.kinds import JONAS, LEA, NOBODY, US, Answer, Change, DemoMail, Scene, on
from models import Priority, Status

EARLIER = (
    Scene(
        "Nina Wallner",
        "nina.wallner@post.example",
        "Newsletter abbestellen",
        (
            DemoMail(on(1, "07:55"), "Bitte nehmen Sie mich aus dem Newsletter-Verteiler. Danke, N. Wallner"),
            Change(on(1, "08:20"), JONAS, assignee=JONAS, priority=Priority.LOW),
            Answer(
                on(1, "08:24"),
                JONAS,
                "Guten Tag Frau Wallner,\n\nerledigt, Sie bekommen keine weiteren Ausgaben mehr.\n\n"
                "Beste Grüße\nJonas Kern",
                then=Status.RESOLVED,
            ),
        ),
    ),
    Scene(
        "Sabine Hofer",
        "sabine.hofer@post.example",
        "Falsche Größe geliefert",
        (
            DemoMail(
                on(3, "08:31"),
                "Hallo,\n\nich habe die Schürze in M bestellt, gekommen ist XL (Bestellung 88-1150). Kann ich "
                "sie umtauschen?\n\nLiebe Grüße\nSabine Hofer",
            ),
            Change(on(3, "08:50"), US, assignee=US, tags=("Reklamation",)),
            Answer(
                on(3, "09:02"),
                US,
                "Liebe Frau Hofer,\n\nnatürlich! Die richtige Größe ist schon unterwegs, dem Paket liegt ein "
                "Retourenschein bei.\n\nHerzliche Grüße",
            ),
            DemoMail(on(2, "16:22"), "Ist heute angekommen und passt perfekt. Vielen Dank!\n\nSabine Hofer"),
            Change(on(2, "16:30"), US, status=Status.RESOLVED),
        ),
        confirmed=True,
    ),
    Scene(
        "Peter Schwarz",
        "p.schwarz@schwarz-it.example",
        "UID-Nummer auf der Rechnung",
        (
            DemoMail(
                on(4, "15:44"),
                "Sehr geehrte Damen und Herren,\n\nauf der Rechnung 2026-0298 fehlt unsere UID-Nummer. Bitte "
                "um eine korrigierte Rechnung.\n\nMit freundlichen Grüßen\nPeter Schwarz",
            ),
            Change(on(4, "16:01"), LEA, assignee=LEA, tags=("Buchhaltung",)),
            Answer(
                on(3, "11:12"),
                LEA,
                "Sehr geehrter Herr Schwarz,\n\ndie korrigierte Rechnung wurde Ihnen soeben zugeschickt.\n\n"
                "Freundliche Grüße\nLea Moser",
                then=Status.RESOLVED,
            ),
        ),
        channel="Verkauf",
    ),
    Scene(
        "Karl Leitner",
        "karl.leitner@post.example",
        "Anleitung verloren",
        (
            DemoMail(
                on(12, "14:20"),
                "Guten Tag,\n\nhaben Sie die Anleitung für den Wasserkocher WK-15 noch? Meine ist beim Umzug "
                "verloren gegangen.\n\nDanke, Karl Leitner",
            ),
            Change(on(12, "14:45"), LEA, assignee=LEA),
            Answer(
                on(12, "15:03"),
                LEA,
                "Guten Tag Herr Leitner,\n\ndie Anleitung können Sie auf unserer Website unter »Service« "
                "herunterladen.\n\nFreundliche Grüße\nLea Moser",
                then=Status.RESOLVED,
            ),
            Change(on(7, "15:03"), NOBODY, status=Status.CLOSED),
        ),
    ),
    Scene(
        "Maria Huber",
        "maria.huber@example.at",
        "Frage zur Garantie",
        (
            DemoMail(
                on(28, "09:20"),
                "Guten Tag,\n\nwie lange gilt die Garantie auf die Teekanne Nordlicht, und brauche ich dafür "
                "die Originalverpackung?\n\nMit freundlichen Grüßen\nMaria Huber",
            ),
            Change(on(28, "09:45"), JONAS, assignee=JONAS),
            Answer(
                on(28, "10:11"),
                JONAS,
                "Sehr geehrte Frau Huber,\n\ndie Garantie gilt drei Jahre ab Kauf, die Rechnung genügt.\n\n"
                "Beste Grüße\nJonas Kern",
                then=Status.RESOLVED,
            ),
            Change(on(23, "10:11"), NOBODY, status=Status.CLOSED),
        ),
    ),
    Scene(
        "Maria Huber",
        "maria.huber@example.at",
        "Neue Telefonnummer",
        (
            DemoMail(
                on(52, "12:02"),
                "Guten Tag,\n\nmeine neue Telefonnummer lautet 0660 555 01 23. Bitte in meinen Kundendaten "
                "ändern.\n\nDanke\nMaria Huber",
            ),
            Change(on(52, "12:30"), LEA, assignee=LEA, priority=Priority.LOW),
            Answer(
                on(52, "12:34"),
                LEA,
                "Liebe Frau Huber,\n\nist geändert, danke für die Nachricht.\n\nFreundliche Grüße\nLea Moser",
                then=Status.RESOLVED,
            ),
            Change(on(47, "12:34"), NOBODY, status=Status.CLOSED),
        ),
    ),
)
