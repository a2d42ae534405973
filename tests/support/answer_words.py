"""What mail programs write above a quoted mail, by language: whole lines as they stand in mails, for `answers`.

`{n}` is the name of who wrote the quoted mail, `{a}` their address. Of Outlook the labels of sender, time, recipient
and subject; `foot` is a phone's line below what was written.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    gmail: str
    apple: str
    thunderbird: str
    outlook: tuple[str, str, str, str]
    original: str
    foot: str
    answers: tuple[str, ...]


WRITTEN = {
    "de": Written(
        "Am Mo., 23. Nov. 2026 um 10:00 Uhr schrieb {n} <{a}>:", "Am 23.11.2026 um 10:00 schrieb {n} <{a}>:",
        "Am 23.11.26 um 10:00 schrieb {n}:", ("Von", "Gesendet", "An", "Betreff"), "Ursprüngliche Nachricht",
        "Von meinem iPhone gesendet",
        ("Das weiß ich leider nicht.", "Ja", "Nein, bitte erst am Freitag liefern.", "seit gestern", "Die Rechnung lege ich bei.",
         "Über Ostern sind wir verreist, danach gern.", "K-9912", "Hauptstraße 5, 10115 Berlin")),
    "en": Written(
        "On Mon, Nov 23, 2026 at 10:00 AM {n} <{a}> wrote:", "On 23 Nov 2026, at 10:00, {n} <{a}> wrote:",
        "On 23/11/2026 10:00, {n} wrote:", ("From", "Sent", "To", "Subject"), "Original Message", "Sent from my iPhone",
        ("I do not know.", "Yes", "No, not before Friday please.", "since yesterday", "It is in the invoice.", "OK 4711")),
    "fr": Written(
        "Le lun. 23 nov. 2026 à 10:00, {n} <{a}> a écrit :", "Le 23 nov. 2026 à 10:00, {n} <{a}> a écrit :",
        "Le 23/11/2026 à 10:00, {n} a écrit :", ("De", "Envoyé", "À", "Objet"), "Message d'origine", "Envoyé de mon iPhone",
        ("Je ne sais pas.", "Oui", "Non, pas avant vendredi.", "depuis hier")),
    "es": Written(
        "El lun, 23 nov 2026 a las 10:00, {n} (<{a}>) escribió:", "El 23 nov 2026, a las 10:00, {n} <{a}> escribió:",
        "El 23/11/26 a las 10:00, {n} escribió:", ("De", "Enviado", "Para", "Asunto"), "Mensaje original",
        "Enviado desde mi iPhone", ("No lo sé.", "Sí", "No antes del viernes, por favor.")),
    "it": Written(
        "Il giorno lun 23 nov 2026 alle ore 10:00 {n} <{a}> ha scritto:",
        "Il giorno 23 nov 2026, alle ore 10:00, {n} <{a}> ha scritto:", "Il 23/11/2026 10:00, {n} ha scritto:",
        ("Da", "Inviato", "A", "Oggetto"), "Messaggio originale", "Inviato da iPhone",
        ("Non lo so.", "Sì", "Non prima di venerdì, grazie.")),
    "nl": Written(
        "Op ma 23 nov 2026 om 10:00 schreef {n} <{a}>:", "Op 23 nov. 2026, om 10:00 heeft {n} <{a}> het volgende geschreven:",
        "Op 23-11-2026 om 10:00 schreef {n}:", ("Van", "Verzonden", "Aan", "Onderwerp"), "Oorspronkelijk bericht",
        "Verstuurd vanaf mijn iPhone", ("Dat weet ik niet.", "Ja", "Nee, niet voor vrijdag.")),
    "pt": Written(
        "Em seg., 23 de nov. de 2026 às 10:00, {n} <{a}> escreveu:", "{n} <{a}> escreveu no dia 23/11/2026, às 10:00:",
        "Às 10:00 de 23/11/2026, {n} escreveu:", ("De", "Enviado", "Para", "Assunto"), "Mensagem original",
        "Enviado do meu iPhone", ("Não sei.", "Sim", "Não antes de sexta-feira.")),
    "pl": Written(
        "pon., 23 lis 2026 o 10:00 {n} <{a}> napisał(a):",
        "Wiadomość napisana przez {n} <{a}> w dniu 23 lis 2026, o godz. 10:00:", "W dniu 23.11.2026 o 10:00, {n} pisze:",
        ("Od", "Wysłano", "Do", "Temat"), "Oryginalna wiadomość", "Wysłane z iPhone'a",
        ("Nie wiem.", "Tak", "Nie, proszę nie przed piątkiem.")),
    "cs": Written(
        "po 23. 11. 2026 v 10:00 odesílatel {n} <{a}> napsal:", "23. 11. 2026 v 10:00, {n} <{a}>:",
        "Dne 23. 11. 26 v 10:00 {n} napsal(a):", ("Od", "Odesláno", "Komu", "Předmět"), "Původní zpráva", "Odesláno z iPhonu",
        ("To nevím.", "Ano", "Ne, prosím až v pátek.")),
    "ru": Written(
        "пн, 23 нояб. 2026 г. в 10:00, {n} <{a}>:", "23 нояб. 2026 г., в 10:00, {n} <{a}> написал(а):",
        "23.11.2026 10:00, {n} пишет:", ("От", "Отправлено", "Кому", "Тема"), "Исходное сообщение", "Отправлено с iPhone",
        ("Не знаю.", "Да", "Нет, не раньше пятницы.")),
    "uk": Written(
        "пн, 23 лист. 2026 р. о 10:00 {n} <{a}> пише:", "23 лист. 2026 р. о 10:00 {n} <{a}> пише:",
        "23.11.26 10:00, {n} пише:", ("Від", "Надіслано", "Кому", "Тема"), "Оригінальне повідомлення", "Надіслано з iPhone",
        ("Не знаю.", "Так", "Ні, не раніше п'ятниці.")),
    "sv": Written(
        "Den mån 23 nov. 2026 kl 10:00 skrev {n} <{a}>:", "23 nov. 2026 kl. 10:00 skrev {n} <{a}>:",
        "Den 2026-11-23 kl. 10:00, skrev {n}:", ("Från", "Skickat", "Till", "Ämne"), "Ursprungligt meddelande",
        "Skickat från min iPhone", ("Det vet jag inte.", "Ja", "Nej, inte före fredag.")),
    "da": Written(
        "Den man. 23. nov. 2026 kl. 10.00 skrev {n} <{a}>:", "Den 23. nov. 2026 kl. 10.00 skrev {n} <{a}>:",
        "Den 23.11.2026 kl. 10.00 skrev {n}:", ("Fra", "Sendt", "Til", "Emne"), "Oprindelig meddelelse",
        "Sendt fra min iPhone", ("Det ved jeg ikke.", "Ja", "Nej, ikke før fredag.")),
    "no": Written(
        "man. 23. nov. 2026 kl. 10:00 skrev {n} <{a}>:", "23. nov. 2026 kl. 10:00 skrev {n} <{a}>:",
        "Den 23.11.2026 10:00, skrev {n}:", ("Fra", "Sendt", "Til", "Emne"), "Opprinnelig melding", "Sendt fra min iPhone",
        ("Det vet jeg ikke.", "Ja", "Nei, ikke før fredag.")),
    "fi": Written(
        "ma 23. marrask. 2026 klo 10.00 {n} ({a}) kirjoitti:", "{n} <{a}> kirjoitti 23.11.2026 kello 10.00:",
        "{n} kirjoitti 23.11.2026 klo 10.00:", ("Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"), "Alkuperäinen viesti",
        "Lähetetty iPhonesta", ("En tiedä.", "Kyllä", "Ei ennen perjantaita.")),
    "hu": Written(
        "{n} <{a}> ezt írta (időpont: 2026. nov. 23., H, 10:00):", "2026. 11. 23. dátummal, 10:00 időpontban {n} <{a}> írta:",
        "2026. 11. 23. 10:00 keltezéssel, {n} írta:", ("Feladó", "Elküldve", "Címzett", "Tárgy"), "Eredeti üzenet",
        "Az iPhone-omról küldve", ("Nem tudom.", "Igen", "Nem, péntek előtt nem.")),
    "ro": Written(
        "În lun., 23 nov. 2026 la 10:00, {n} <{a}> a scris:", "Pe 23 nov. 2026, la 10:00, {n} <{a}> a scris:",
        "În 23.11.2026 10:00, {n} a scris:", ("De la", "Trimis", "Către", "Subiect"), "Mesaj original", "Trimis de pe iPhone",
        ("Nu știu.", "Da", "Nu înainte de vineri.")),
    "tr": Written(
        "{n} <{a}>, 23 Kas 2026 Pzt, 10:00 tarihinde şunu yazdı:", "{n} <{a}> şunları yazdı (23 Kas 2026 10:00):",
        "23.11.2026 10:00 tarihinde {n} yazdı:", ("Kimden", "Gönderildi", "Kime", "Konu"), "Orijinal İleti",
        "iPhone'umdan gönderildi", ("Bilmiyorum.", "Evet", "Cumadan önce olmaz.")),
    "el": Written(
        "Στις Δευ 23 Νοε 2026 στις 10:00 π.μ., ο χρήστης {n} <{a}> έγραψε:",
        "Στις 23 Νοε 2026, στις 10:00, ο/η {n} <{a}> έγραψε:", "Στις 23/11/2026 10:00, ο/η {n} έγραψε:",
        ("Από", "Στάλθηκε", "Προς", "Θέμα"), "Αρχικό μήνυμα", "Στάλθηκε από το iPhone μου",
        ("Δεν ξέρω.", "Ναι", "Όχι πριν την Παρασκευή.")),
}  # fmt: skip
