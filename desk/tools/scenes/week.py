"""Scenes of the last days: in work, waiting, and not yet looked at."""

from __future__ import annotations

from desk.tools.scenes.files import pdf, png
from desk.tools.scenes.kinds import JONAS, LEA, US, Answer, Bounce, Change, DemoMail, Note, Scene, on
from models import Priority, Status

TRANSFER = pdf(("Überweisungsbestätigung", "", "Betrag: EUR 248,90", "Verwendungszweck: RE 2026-0274"))
OFFER = pdf(("ANGEBOT 2026-118", "", "30 Trinkbecher Kinder, bunt sortiert", "Gesamt: EUR 267,00 inkl. USt."))

WEEK = (
    Scene(
        "Johann Steindl",
        "johann.steindl@post.example",
        "Storno Bestellung 88-1187",
        (
            DemoMail(
                on(1, "16:48"),
                "Sehr geehrte Damen und Herren,\n\nbitte stornieren Sie meine Bestellung 88-1187, ich habe "
                "versehentlich zweimal bestellt. Die andere Bestellung (88-1188) passt.\n\n"
                "Hochachtungsvoll\nJohann Steindl",
            ),
        ),
        confirmed=True,
    ),
    Scene(
        "",
        "zoltan.kiss@example.hu",
        "Return label for order 77-0932",
        (
            DemoMail(
                on(2, "15:10"),
                "Hello,\n\nI would like to return one item of my order 77-0932 because the colour is not "
                "what I expected. Could you please send me a return label?\n\nBest regards,\nZoltan Kiss",
            ),
            Change(on(2, "15:32"), JONAS, assignee=JONAS),
            Answer(
                on(1, "09:25"),
                JONAS,
                "Hello Mr Kiss,\n\nno problem at all. Our courier will pick the parcel up, you only have to "
                "pack it. Would tomorrow between 9 and 12 suit you?\n\nBest regards,\nJonas Kern",
            ),
            DemoMail(
                on(1, "13:54"),
                "Thank you, I will wait for the courier tomorrow between 9 and 12.\n\nZoltan",
                subject="Re: Return label for order 77-0932",
            ),
            Change(on(1, "14:02"), JONAS, status=Status.WAITING),
        ),
        confirmed=True,
    ),
    Scene(
        "Gerhard Wimmer",
        "g.wimmer@wimmer-holz.example",
        "Fehlermeldung beim Export",
        (
            DemoMail(
                on(1, "11:17"),
                "Hallo,\n\nbeim CSV-Export kommt seit dem Update die Meldung „Zeichensatz nicht unterstützt“. "
                "Bildschirmfoto anbei. Vorher ging es immer.\n\nMfG\nG. Wimmer",
                files=(("Bildschirmfoto.png", "image/png", png(320, 240)),),
            ),
            Change(on(1, "11:30"), JONAS, assignee=JONAS, tags=("Fehler",)),
            Note(on(1, "11:52"), JONAS, "Nachgestellt: tritt nur bei Umlauten in der Spalte »Ort« auf."),
            Answer(
                on(1, "12:10"),
                JONAS,
                "Sehr geehrter Herr Wimmer,\n\ndanke für den Hinweis, wir können den Fehler nachstellen. "
                "Bis zur Behebung hilft es, beim Export »UTF-8« zu wählen.\n\nBeste Grüße\nJonas Kern",
            ),
            Bounce(on(1, "12:11"), "5.2.2", "552 5.2.2 Mailbox full: quota exceeded"),
        ),
    ),
    Scene(
        "Sarah Whitfield",
        "sarah@whitfield-tea.example",
        "Do you ship to Ireland?",
        (
            DemoMail(
                on(1, "10:05"),
                "Hi there,\n\nwe run a small tea room in Galway and love your Nordlicht pots. Do you ship to "
                "Ireland, and what would delivery cost for about 20 kg?\n\nMany thanks,\nSarah Whitfield",
            ),
            Change(on(1, "10:22"), US, assignee=US),
            Answer(
                on(1, "10:48"),
                US,
                "Dear Sarah,\n\nyes, we do! Delivery of up to 31 kg to Ireland is 29 euros and takes four to "
                "six working days.\n\nKind regards",
            ),
            DemoMail(
                on(1, "15:31"),
                "That sounds great. Could you also tell me whether the lids are available separately? "
                "They tend to disappear here.\n\nSarah",
                subject="Re: Do you ship to Ireland?",
            ),
        ),
        channel="Verkauf",
        unread=True,
        confirmed=True,
    ),
    Scene(
        "Franz Novak",
        "franz.novak@altmail.example",
        "Ersatzteil für Kaffeemühle KM-200",
        (
            DemoMail(
                on(1, "08:40"),
                "Grüß Gott,\n\nbei meiner Kaffeemühle KM-200 ist der Deckel gesprungen. Gibt es den als "
                "Ersatzteil und was kostet er?\n\nFranz Novak, 8010 Graz",
            ),
            Change(on(1, "08:58"), US, assignee=US),
            Answer(
                on(1, "09:07"),
                US,
                "Guten Tag Herr Novak,\n\nden Deckel haben wir lagernd, er kostet 9,90 Euro zuzüglich "
                "Versand. Sollen wir ihn gleich schicken?\n\nBeste Grüße",
                then=Status.WAITING,
                refused="550 5.1.1 <franz.novak@altmail.example>: Recipient address rejected: User unknown",
            ),
        ),
    ),
    Scene(
        "Helga Maurer",
        "helga.maurer@post.example",
        "Wann kommt mein Paket?",
        (
            DemoMail(
                on(2, "17:20"),
                "Guten Tag, ich habe vor neun Tagen bestellt (88-1162) und noch nichts gehört. "
                "Wann darf ich mit dem Paket rechnen?\n\nHelga Maurer",
            ),
            Change(on(1, "08:15"), US, assignee=US, tags=("Lieferung",)),
            Answer(
                on(1, "08:31"),
                US,
                "Guten Tag Frau Maurer,\n\ndas Paket ist seit gestern unterwegs und sollte heute oder morgen "
                "bei Ihnen sein.\n\nBeste Grüße",
            ),
            DemoMail(
                on(1, "14:40"), "Heute war leider niemand da. Können Sie bitte nachfragen?\n\nH. Maurer"
            ),
        ),
    ),
    Scene(
        "Stefan Gruber",
        "buero@gruber-installationen.example",
        "Mahnung trotz Zahlung",
        (
            DemoMail(
                on(2, "09:33"),
                "Sehr geehrte Damen und Herren,\n\nwir haben eine Mahnung zur Rechnung 2026-0274 bekommen, "
                "obwohl wir sie am 3. überwiesen haben. Die Bestätigung der Bank liegt bei. Bitte um "
                "Richtigstellung.\n\nMit freundlichen Grüßen\nStefan Gruber",
                files=(("Überweisung.pdf", "application/pdf", TRANSFER),),
            ),
            Change(on(2, "09:40"), LEA, assignee=JONAS, priority=Priority.HIGH, tags=("Buchhaltung",)),
            Change(on(2, "09:55"), JONAS, status=Status.OPEN),
            Note(on(2, "10:02"), JONAS, "Zahlung ist da, wurde aber auf die falsche Kundennummer gebucht."),
        ),
    ),
    Scene(
        "Eva Fischer",
        "eva.fischer@post.example",
        "Adressänderung ab nächster Woche",
        (
            DemoMail(
                on(3, "13:05"),
                "Guten Tag,\n\nbitte ändern Sie unsere Lieferadresse auf Hauptstraße 12, 4020 Linz. Die "
                "Rechnungsadresse bleibt gleich.\n\nDanke\nEva Fischer",
            ),
            Change(on(3, "13:20"), LEA, assignee=LEA, priority=Priority.LOW),
            Answer(
                on(3, "13:26"),
                LEA,
                "Liebe Frau Fischer,\n\ngerne. Soll die neue Adresse auch schon für die offene Bestellung "
                "88-1199 gelten?\n\nFreundliche Grüße\nLea Moser",
                then=Status.WAITING,
            ),
        ),
    ),
    Scene(
        "Miriam Bauer",
        "miriam.bauer@post.example",
        "Feedback zum Support",
        (
            DemoMail(
                on(3, "18:12"), "Hallo,\n\nwollte mich nur für die rasche Hilfe bedanken!\n\nMiriam Bauer"
            ),
            Change(on(2, "08:10"), LEA, assignee=LEA, tags=("Lob",), status=Status.OPEN),
        ),
    ),
    Scene(
        "Ing. Robert Pichler",
        "robert.pichler@pichler-technik.example",
        "Terminvereinbarung Montage",
        (
            DemoMail(
                on(3, "09:48"),
                "Sehr geehrte Damen und Herren,\n\nwir bräuchten noch im laufenden Monat einen Termin für die "
                "Montage der zweiten Maschine. Welche Tage wären bei Ihnen möglich?\n\n"
                "Mit freundlichen Grüßen\nIng. Robert Pichler",
            ),
            Change(on(3, "10:03"), US, assignee=US, tags=("Montage",)),
            Answer(
                on(3, "10:30"),
                US,
                "Sehr geehrter Herr Ing. Pichler,\n\nunser Techniker hätte Dienstag oder Donnerstag ab 8 Uhr "
                "Zeit. Welcher Tag passt Ihnen besser?\n\nMit freundlichen Grüßen",
                then=Status.WAITING,
            ),
            DemoMail(
                on(3, "10:31"),
                "Ich bin bis Monatsende auf Urlaub und lese meine E-Mails nicht. In dringenden Fällen wenden "
                "Sie sich bitte an office@pichler-technik.example.\n\nRobert Pichler",
                subject="Automatische Antwort: Terminvereinbarung Montage",
                headers=(("Auto-Submitted", "auto-replied"),),
                quotes=False,
            ),
        ),
        confirmed=True,
    ),
    Scene(
        "Claudia Reiter",
        "kindergarten@neusiedl.example",
        "Sammelbestellung für den Kindergarten",
        (
            DemoMail(
                on(4, "11:40"),
                "Liebes Team,\n\nwir hätten gerne 30 Trinkbecher in verschiedenen Farben. Gibt es bei dieser "
                "Menge einen besseren Preis?\n\nLiebe Grüße aus Neusiedl\nClaudia Reiter",
            ),
            Change(on(4, "12:05"), LEA, assignee=LEA, tags=("Angebot",)),
            Answer(
                on(3, "14:15"),
                LEA,
                "Liebe Frau Reiter,\n\nsehr gerne! Unser Angebot finden Sie im Anhang, es gilt vier Wochen."
                "\n\nHerzliche Grüße\nLea Moser",
                then=Status.WAITING,
                files=(("Angebot 2026-118.pdf", "application/pdf", OFFER),),
            ),
        ),
        channel="Verkauf",
    ),
)
