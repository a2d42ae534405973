"""Scenes of today: what lies on top of the list."""

from __future__ import annotations

from desk.tools.scenes.files import pdf, png
from desk.tools.scenes.kinds import JONAS, LEA, US, Answer, Change, DemoMail, Note, Scene, ago, on
from models import Priority

DELIVERY_NOTE = pdf(
    (
        "LIEFERSCHEIN 88-1204",
        "",
        "Pos. 1   Teekanne Nordlicht, 1,2 l          1 Stück",
        "Pos. 2   Teeschale Nordlicht                4 Stück",
        "Pos. 3   Stövchen Nordlicht                 1 Stück",
        "Pos. 4   Teesieb Edelstahl                  1 Stück",
        "Pos. 5   Darjeeling First Flush, 250 g      2 Stück",
    )
)
REQUIREMENTS = pdf(("Lang & Partner Steuerberatung", "", "Anforderungen: 40 Lizenzen, Laufzeit 24 Monate"))

ORDER_TABLE = """\
<html><body style="font-family:Arial">
<p><img src="https://pictures.aigner.example/logo.png" alt="Gasthof Aigner" width="160" height="48"></p>
<p>Guten Morgen,</p>
<p>bei unserer Bestellung <b>88-1219</b> haben sich die Mengen geändert. Bitte so liefern:</p>
<table border="1" cellpadding="6" style="border-collapse:collapse">
<tr style="background-color:#eeeeee"><th>Artikel</th><th>bisher</th><th>neu</th></tr>
<tr><td>Kaffeebohnen Hausmischung, 1 kg</td><td align="right">12</td><td align="right"><b>18</b></td></tr>
<tr><td>Espressotassen weiß</td><td align="right">24</td><td align="right"><b>36</b></td></tr>
<tr><td>Untertassen weiß</td><td align="right">24</td><td align="right"><b>36</b></td></tr>
</table>
<p>Geht sich das bis Freitag noch aus?</p>
<p>Schöne Grüße<br>Markus Aigner<br><font color="#777777">Gasthof Aigner, 5310 Mondsee</font></p>
</body></html>
"""

NOW = (
    Scene(
        "Maria Huber",
        "maria.huber@example.at",
        "Lieferung unvollständig – Bestellung 88-1204",
        (
            DemoMail(
                ago(68),
                "Guten Tag,\n\nleider fehlten in der gestrigen Lieferung zwei von fünf Artikeln "
                "(Position 3 und 5). Den Lieferschein habe ich angehängt. Bitte um Nachlieferung bis "
                "Freitag.\n\nMit freundlichen Grüßen\nMaria Huber",
                files=(
                    ("Lieferschein.pdf", "application/pdf", DELIVERY_NOTE),
                    ("IMG_2031.png", "image/png", png(480, 360)),
                ),
            ),
            Change(ago(55), US, assignee=JONAS, tags=("Lieferung",)),
            Note(
                ago(48),
                LEA,
                "Laut Lager liegt Position 3 noch bei uns, Position 5 ist erst morgen wieder da. "
                "Am besten beides gemeinsam nachschicken.",
            ),
            Answer(
                ago(40),
                JONAS,
                "Sehr geehrte Frau Huber,\n\nvielen Dank für Ihre Nachricht. Wir prüfen das umgehend mit dem "
                "Lager und melden uns noch heute.\n\nBeste Grüße\nJonas Kern",
            ),
            DemoMail(ago(12), "Danke, das ist sehr freundlich!\n\nMaria Huber"),
        ),
        unread=True,
        confirmed=True,
    ),
    Scene(
        "Thomas Berger",
        "thomas.berger@berger-bau.example",
        "Rechnung 2026-0311 doppelt erhalten",
        (
            DemoMail(
                ago(26),
                "Sehr geehrte Damen und Herren,\n\nich habe die Rechnung sowohl per Post als auch per E-Mail "
                "bekommen, mit zwei verschiedenen Rechnungsdaten. Welche gilt nun? Bezahlt habe ich "
                "noch keine.\n\nMit freundlichen Grüßen\nThomas Berger\nBerger Bau GmbH",
            ),
            Change(ago(20), LEA, tags=("Buchhaltung",)),
        ),
        channel="Verkauf",
        unread=True,
        confirmed=True,
    ),
    Scene(
        "Anna Steiner",
        "anna.steiner@steiner-design.example",
        "Zugang zum Kundenportal",
        (
            DemoMail(
                on(2, "10:20"),
                "Hallo,\n\nseit gestern komme ich nicht mehr ins Kundenportal, nach dem Anmelden erscheint "
                "nur eine weiße Seite. Können Sie bitte nachsehen?\n\nDanke und liebe Grüße\nAnna Steiner",
            ),
            Change(on(2, "10:41"), JONAS, assignee=JONAS),
            Answer(
                on(2, "11:05"),
                JONAS,
                "Liebe Frau Steiner,\n\nIhr Zugang war nach der Umstellung gesperrt. Ich habe ihn wieder "
                "freigeschaltet, bitte versuchen Sie es noch einmal.\n\nBeste Grüße\nJonas Kern",
            ),
            DemoMail(
                ago(64),
                "Hallo Herr Kern,\n\nvielen Dank, jetzt funktioniert die Anmeldung. Eine Frage noch zum "
                "Portal: Wo finde ich die Rechnungen vom Vorjahr?\n\nLiebe Grüße\nAnna Steiner",
            ),
        ),
        unread=True,
        confirmed=True,
    ),
    Scene(
        "Daniel Pfeiffer",
        "daniel.pfeiffer@post.example",
        "Passwort zurücksetzen funktioniert nicht",
        (
            DemoMail(
                ago(95),
                "Hallo,\n\nwenn ich auf »Passwort vergessen« klicke, kommt bei mir kein E-Mail an. Im "
                "Spam-Ordner habe ich schon nachgesehen. Meine Kundennummer ist 20418.\n\nLG Daniel",
            ),
        ),
        unread=True,
        confirmed=True,
    ),
    Scene(
        "Petra Lang",
        "p.lang@lang-partner.example",
        "Angebot für 40 Lizenzen",
        (
            DemoMail(
                ago(150),
                "Guten Tag,\n\ngerne hätten wir bis Freitag ein Angebot inklusive Wartung für 40 Lizenzen, "
                "Laufzeit 24 Monate. Unsere Anforderungen finden Sie im Anhang.\n\n"
                "Freundliche Grüße\nMag. Petra Lang\nLang & Partner Steuerberatung",
                files=(("Anforderungen.pdf", "application/pdf", REQUIREMENTS),),
            ),
            Change(ago(140), US, assignee=LEA, priority=Priority.HIGH, tags=("Angebot", "VIP")),
            Note(ago(131), US, "Stammkundin seit 2014, bitte 12 % Rabatt wie beim letzten Mal."),
            Answer(
                ago(118),
                LEA,
                "Sehr geehrte Frau Mag. Lang,\n\nvielen Dank für Ihre Anfrage. Sie bekommen unser Angebot "
                "spätestens am Donnerstag.\n\nFreundliche Grüße\nLea Moser",
            ),
        ),
        channel="Verkauf",
    ),
    Scene(
        "Markus Aigner",
        "gasthof@aigner.example",
        "Bestellung 88-1219: Änderung der Mengen",
        (
            DemoMail(
                ago(176),
                "Guten Morgen,\n\nbei unserer Bestellung 88-1219 haben sich die Mengen geändert. Bitte so "
                "liefern:\n\nKaffeebohnen Hausmischung 18 statt 12\nEspressotassen 36 statt 24\n"
                "Untertassen 36 statt 24\n\nGeht sich das bis Freitag noch aus?\n\n"
                "Schöne Grüße\nMarkus Aigner",
                html=ORDER_TABLE,
            ),
        ),
        channel="Verkauf",
        unread=True,
        confirmed=True,
    ),
    Scene(
        "Katharina Egger",
        "k.egger@post.example",
        "Reklamation: Glaskanne zerbrochen angekommen",
        (
            DemoMail(
                ago(205),
                "Guten Morgen,\n\ndas Paket ist heute gekommen, aber die Glaskanne ist in tausend Scherben. "
                "Der Karton war schon außen eingedrückt, siehe Foto. Ich brauche die Kanne am Samstag für "
                "eine Feier!\n\nMit besten Grüßen\nKatharina Egger",
                files=(("Paket.png", "image/png", png(400, 300)),),
            ),
            Change(ago(198), US, assignee=US, priority=Priority.CRITICAL, tags=("Reklamation",)),
            Answer(
                ago(186),
                US,
                "Liebe Frau Egger,\n\ndas tut uns leid! Eine neue Kanne geht noch heute per Express an Sie, "
                "Sie haben sie morgen Vormittag. Die Scherben brauchen Sie nicht zurückzuschicken.\n\n"
                "Herzliche Grüße",
            ),
        ),
        confirmed=True,
    ),
)

# Its server already had a suspicion: it waits in quarantine and is no ticket.
HELD = Scene(
    "Gewinnzentrale",
    "gewinn@lucky-day.example",
    "Sie haben 5.000 € gewonnen!!!",
    (
        DemoMail(
            ago(220),
            "Herzlichen Glückwunsch!\n\nIhre E-Mail-Adresse wurde gezogen. Klicken Sie hier, um Ihren Gewinn "
            "sofort anzufordern: https://lucky-day.example/claim\n\nIhre Gewinnzentrale",
            headers=(("X-Spam-Flag", "YES"),),
        ),
    ),
)
