"""What mail programs write around the mails that they quote or pass on, in the languages of Europe.

A table and nothing else: facts about programs (Outlook, Gmail, Apple Mail, Thunderbird, Yahoo, Zoho, GMX, Proton,
Roundcube and others) and their translations, as they stand in mails. `headings`, `quotes`, `quoted_html`,
`forwarded_mail` and `signatures` are built on it: a language is added here, in one place.

Labels are plain words with `|` between them, in any case; all else are alternatives of a regular expression.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language. In `footers`, `@` is the name of a device or a program, `§` one with an ending."""

    wrote: str  # the verb of »… schrieb …:«
    day: str = ""  # what stands before the date in it
    by_us: str = ""  # the same verb said by a person of their own letter
    sender: str = ""  # labels of a block such as Von:/Gesendet:/An:/Betreff:
    sent: str = ""
    to: str = ""
    subject: str = ""
    original: str = ""  # between dashes above the history of an answer
    forwarded: str = ""  # between dashes above a mail that is passed on
    begins: str = ""  # before a colon above it (Apple)
    passed_on: str = ""  # what the subject of a mail that is passed on begins with
    quoting: str = ""  # »Zitat von …:« (Horde)
    below: str = ""  # how people say that their answers stand further down
    footers: str = ""


TONGUES = {
    "de": Tongue(
        wrote="schrieb|schreibt|geschrieben",
        day="am",
        by_us="schrieb(?:en)? (?:ich|wir)",
        sender="von",
        sent="gesendet|datum|gesendet am",
        to="an",
        subject="betreff",
        original="original-?nachricht|original-?mail|ursprüngliche (?:nachricht|mail|e-mail)"
        "|ursprünglicher termin",
        forwarded="weitergeleitete (?:nachricht|e-?mail)",
        begins="anfang der weitergeleiteten (?:nachricht|e-?mail)",
        passed_on="wg|weitergeleitet",
        quoting="zitat von",
        below="siehe (?:bitte )?(?:weiter )?unten|s\\. ?u\\.|weiter unten|untenstehend|unten stehend|unten in"
        "|(?:jeweils|direkt) darunter|dazwischen|inline|im text|zwischen den zeilen|(?:in|mit) rot"
        "|(?:in|mit) (?:roter|blauer|grüner) (?:schrift|farbe)"
        "|(?:rot|blau|grün) (?:markiert|geschrieben|ergänzt)"
        "|(?:antwort(?:en)?|anmerkungen|kommentare) (?:\\w+ ){0,2}(?:unten|in blau|in grün)",
        footers="von mein(?:em|er)(?:/meine[mr])? @ (?:gesendet|gesandt|geschickt)"
        "|(?:gesendet|verschickt|geschickt) (?:von|mit|aus|über|per) (?:mein(?:em|er) |der )?@"
        "|(?:von|mit) (?:der )?@ gesendet"
        "|diese (?:nachricht|e-?mail|mail) wurde (?:von|mit|aus) (?:mein(?:em|er) )?@ (?:gesendet"
        "|verschickt|geschrieben)"
        "|(?:holen sie sich |hol dir )?outlook für (?:ios|android|mac)(?: beziehen| herunterladen)?",
    ),
    "en": Tongue(
        wrote="wrote|writes|said",
        day="on",
        by_us="(?:i|we) wrote",
        sender="from",
        sent="sent|date",
        to="to",
        subject="subject",
        original="original (?:message|mail|e-mail|appointment)",
        forwarded="forwarded (?:message|e-?mail|mail)|forwarded by .{0,60}?",
        begins="begin forwarded message",
        passed_on="fwd?|fwd\\.",
        quoting="quoting",
        below="(?:see|find|read|please) (?:\\w+ ){0,4}below|(?:answers?|comments?|repl(?:y|ies)"
        "|responses?|notes?|answered"
        "|replied|responded|commented) (?:\\w+ ){0,3}below"
        "|in-?line|in the text|between the lines|(?:in|with) red"
        "|(?:answers?|comments?|repl(?:y|ies)) in (?:blue|green)",
        footers="sent (?:from|with|via|using|by) (?:my |the )?@"
        "|get (?:outlook|bluemail) for (?:ios|android|mac)",
    ),
    "fr": Tongue(
        wrote="a écrit|écrit",
        day="le",
        by_us="j['’]ai écrit|nous avons écrit",
        sender="de|expéditeur",
        sent="envoyé|envoyé le|date",
        to="à|a|pour|destinataire",
        subject="objet|sujet",
        original="message d['’]origine|(?:message|mail) original|rendez-vous d['’]origine",
        forwarded="message (?:transféré|réexpédié|transfere)e?|courriel réexpédié",
        begins="début du (?:message (?:réexpédié|transféré)|courriel réexpédié)",
        passed_on="tr",
        below="voir (?:\\w+ ){0,2}(?:ci-dessous|plus bas)|ci-dessous|dans le texte|en rouge|entre les lignes",
        footers="envoyé (?:de|depuis|avec|à partir de|via) (?:mon |ma |la |l['’]application )?@"
        "|(?:télécharger|obtenir|obtenez) outlook pour (?:ios|android|mac)",
    ),
    "nl": Tongue(
        wrote="schreef|geschreven",
        day="op",
        by_us="schreef ik|schreven wij",
        sender="van",
        sent="verzonden|datum",
        to="aan",
        subject="onderwerp",
        original="oorspronkelijk(?:e)? (?:bericht|e-mail)|origineel bericht",
        forwarded="doorgestuurd bericht",
        begins="begin doorgestuurd bericht|begin van doorgestuurd bericht",
        passed_on="doorst",
        quoting="citeren",
        below="zie (?:\\w+ ){0,2}(?:onder|hieronder|beneden)|hieronder|in de tekst|tussen de regels"
        "|in (?:het )?rood",
        footers="(?:verstuurd|verzonden|gestuurd) (?:vanaf|met|vanuit|via|van) (?:mijn )?@"
        "|(?:download|haal) outlook voor (?:ios|android)|outlook voor (?:ios|android) (?:downloaden|ophalen)",
    ),
    "it": Tongue(
        wrote="ha scritto|scrive",
        day="il|il giorno",
        sender="da|mittente",
        sent="inviato|inviato il|data",
        to="a|per|destinatario",
        subject="oggetto",
        original="messaggio (?:originale|originario)|appuntamento originale",
        forwarded="messaggio inoltrato",
        begins="inizio (?:del )?messaggio inoltrato",
        passed_on="i|inoltra",
        quoting="citazione (?:di|da)",
        below="(?:vedi|veda|vedere) (?:\\w+ ){0,2}sotto|qui sotto|nel testo|tra le righe|in rosso",
        footers="inviato (?:da |dal |dalla |dall['’]|con |tramite )(?:il |la |mio |mia )?@"
        "|(?:scarica|ottieni) outlook per (?:ios|android)",
    ),
    "es": Tongue(
        wrote="escribió|escribio|ha escrito",
        day="el",
        sender="de|remitente",
        sent="enviado|enviado el|fecha",
        to="para|destinatario",
        subject="asunto",
        original="mensaje original|cita original",
        forwarded="mensaje (?:reenviado|remitido)",
        begins="inicio del mensaje reenviado",
        passed_on="rv|reenv",
        quoting="citando a|mensaje citado por",
        below="(?:ver|véase|vea|mira) (?:\\w+ ){0,2}(?:abajo|debajo)|más abajo|en el texto"
        "|entre líneas|en rojo",
        footers="enviado (?:desde|con|de|a través de) (?:mi |el |la )?@"
        "|(?:obtener|obtenga) outlook para (?:ios|android)",
    ),
    "pt": Tongue(
        wrote="escreveu",
        day="em|no dia|às|a",
        sender="de|remetente",
        sent="enviado|enviada|enviado em|enviada em|enviado a|data",
        to="para",
        subject="assunto",
        original="mensagem original|compromisso original",
        forwarded="mensagem (?:reencaminhada|encaminhada)",
        begins="início da mensagem (?:reencaminhada|encaminhada)",
        passed_on="enc|res: enc",
        quoting="citando",
        below="(?:ver|veja|vide) (?:\\w+ ){0,2}abaixo|mais abaixo|no texto|(?:a|em) vermelho",
        footers="enviado (?:do|da|de|pelo|a partir do|a partir da|através do|via) (?:meu |minha )?@"
        "|obter (?:o )?outlook para (?:ios|android)|baixar o outlook para (?:ios|android)",
    ),
    "pl": Tongue(
        wrote="napisał(?:\\(a\\)|\\(-a\\)|a)?|pisze|napisana przez",
        day="w dniu|dnia|wiadomość napisana przez",
        by_us="napisałem|napisałam",
        sender="od|nadawca",
        sent="wysłano|wysłane|wysłany|data",
        to="do|adresat",
        subject="temat",
        original="oryginalna wiadomość|wiadomość oryginalna|wiadomość pierwotna",
        forwarded="przekazana wiadomość|treść przekazanej wiadomości|treść przekazywanej wiadomości"
        "|wiadomość przekazana dalej"
        "|przekazywana wiadomość",
        begins="początek przekazywanej wiadomości|początek przesyłanego (?:listu|dalej listu)",
        passed_on="pd",
        quoting="cytowanie",
        below="(?:patrz|zobacz) (?:\\w+ ){0,2}(?:poniżej|niżej)"
        "|odpowied\\w+ (?:\\w+ ){0,2}(?:poniżej|niżej)|w tekście|na czerwono",
        footers="wysłan[eoy] (?:z|ze|przez|za pomocą|w) (?:mojego |mojej |telefonu |aplikacji |urządzenia )?§"
        "|pobierz (?:aplikację |program )?outlook dla (?:systemu )?(?:ios|android)",
    ),
    "cs": Tongue(
        wrote="napsal(?:\\(a\\)|a)?|píše",
        day="dne",
        by_us="napsal(?:a)? jsem",
        sender="od|odesílatel",
        sent="odesláno|datum",
        to="komu|pro",
        subject="předmět",
        original="původní (?:zpráva|e-mail)",
        forwarded="přeposlaná zpráva|předaná zpráva",
        begins="začátek přeposlané zprávy|začátek přesměrované zprávy",
        passed_on="fw|předat",
        quoting="cituji|citace",
        below="viz (?:\\w+ ){0,2}(?:níže|dole)|níže|v textu|červeně",
        footers="odesláno (?:z|ze|pomocí|přes) (?:mého |mé |aplikace |zařízení |mobilu )?§"
        "|(?:získejte|stáhněte si|získat) outlook pro (?:ios|android)",
    ),
    "ru": Tongue(
        wrote="написала?(?:\\(а\\))?|пишет|писала?(?:\\(а\\))?",
        by_us="я (?:на)?писала?|(?:на)?писала? я",
        sender="от|от кого|отправитель",
        sent="отправлено|дата",
        to="кому|получатель",
        subject="тема",
        original="исходное сообщение|оригинальное сообщение|original-сообщение|первоначальное сообщение",
        forwarded="перенаправленное сообщение|пересылаемое сообщение|пересланное сообщение"
        "|переадресованное сообщение",
        begins="начало (?:переадресованного|пересылаемого|пересланного) (?:сообщения|письма)",
        passed_on="пер|fwd",
        quoting="цитирую",
        below="(?:см\\.?|смотрите) (?:\\w+ ){0,2}ниже|ниже|в тексте|красным",
        footers="отправлено (?:с|со|из|через|с помощью) (?:моего |моей |мобильной |мобильного "
        "|приложения |устройства )?§"
        "|(?:получить|скачать|загрузить) outlook для (?:ios|android)",
    ),
    "uk": Tongue(
        wrote="пише|написа(?:в|ла)(?:\\(ла\\))?|писа(?:в|ла)",
        by_us="я (?:на)?писа(?:в|ла)|(?:на)?писа(?:в|ла) я",
        sender="від|від кого|відправник",
        sent="надіслано|відправлено|дата",
        to="кому|одержувач",
        subject="тема",
        original="оригінальне повідомлення|вихідне повідомлення|початкове повідомлення",
        forwarded="переслане повідомлення|перенаправлене повідомлення|пересилається повідомлення",
        begins="початок (?:пересланого|переадресованого) (?:повідомлення|листа)",
        passed_on="пер",
        below="(?:див\\.?|дивіться) (?:\\w+ ){0,2}нижче|нижче|у тексті|в тексті|червоним",
        footers="(?:надіслано|відправлено) (?:з|із|зі|через|за допомогою) (?:мого |моєї "
        "|мобільного |пристрою |програми )?§"
        "|отримати outlook для (?:ios|android)",
    ),
    "sv": Tongue(
        wrote="skrev|skriver",
        day="den",
        by_us="skrev (?:jag|vi)",
        sender="från|avsändare",
        sent="skickat|datum",
        to="till",
        subject="ämne|ärende",
        original="ursprungligt meddelande|originalmeddelande|ursprunglig avtalad tid",
        forwarded="vidarebefordrat (?:meddelande|brev)",
        begins="(?:början på )?vidarebefordrat (?:brev|meddelande)|börja vidarebefordrat meddelande",
        passed_on="vb",
        quoting="citerar",
        below="se (?:\\w+ ){0,2}nedan|nedan|i texten|(?:i|med) rött",
        footers="(?:skickat|skickades|sänt) (?:från|med|via) (?:min |mitt )?§"
        "|(?:hämta|skaffa) outlook för (?:ios|android)",
    ),
    "da": Tongue(
        wrote="skrev|skriver",
        day="den",
        by_us="skrev (?:jeg|vi)",
        sender="fra|afsender",
        sent="sendt|dato",
        to="til",
        subject="emne",
        original="oprindelig (?:meddelelse|besked|mail)|oprindelig aftale",
        forwarded="videresendt (?:meddelelse|besked|mail)",
        begins="start på videresendt (?:besked|meddelelse)|videresendt (?:besked|meddelelse)",
        passed_on="vs",
        quoting="citat af|citat fra",
        below="se (?:\\w+ ){0,2}(?:nedenfor|herunder)|nedenfor|i teksten|(?:i|med) rødt?",
        footers="sendt (?:fra|med|via) (?:min |mit )?§|(?:hent|få) outlook til (?:ios|android)",
    ),
    "no": Tongue(
        wrote="skrev|skriver",
        day="den",
        by_us="skrev (?:jeg|vi)",
        sender="fra|avsender",
        sent="sendt|dato",
        to="til",
        subject="emne",
        original="opprinnelig (?:melding|e-post|avtale)|original melding",
        forwarded="videresendt (?:melding|e-post)",
        begins="start på videresendt melding|videresendt melding",
        passed_on="vs",
        quoting="siterer",
        below="se (?:\\w+ ){0,2}(?:nedenfor|under)|nedenfor|i teksten|(?:i|med) rødt",
        footers="sendt (?:fra|med|via) (?:min |mitt )?§|(?:skaff|få|hent) outlook for (?:ios|android)",
    ),
    "fi": Tongue(
        wrote="kirjoitti|kirjoittaa",
        sender="lähettäjä",
        sent="lähetetty|päivämäärä|päiväys|pvm",
        to="vastaanottaja|vastaanottajat|kenelle",
        subject="aihe",
        original="alkuperäinen (?:viesti|tapaaminen)",
        forwarded="välitetty viesti|edelleenlähetetty viesti",
        begins="välitetty viesti alkaa|edelleenlähetetyn viestin alku|välitetyn viestin alku",
        passed_on="vl",
        quoting="lainaus",
        below="(?:katso|ks\\.?) (?:\\w+ ){0,2}(?:alla|alta|alempaa)|alempana|tekstissä|punaisella",
        footers="lähetetty (?:minun |laitteesta |sovelluksesta )?§"
        "|(?:hanki|lataa) outlook (?:for |\\()?(?:ios|android)\\)?",
    ),
    "hu": Tongue(
        wrote="írta",
        sender="feladó|küldő",
        sent="elküldve|küldve|dátum|küldés dátuma",
        to="címzett|címzettek",
        subject="tárgy",
        original="eredeti (?:üzenet|levél|időpont)",
        forwarded="továbbított (?:üzenet|levél)",
        begins="továbbított (?:üzenet|levél) kezdete",
        passed_on="továbbítás|tov",
        quoting="idézet",
        below="(?:lásd|ld\\.?) (?:\\w+ ){0,2}(?:lent|alább|lejjebb)|alább|lejjebb|a szövegben|pirossal",
        footers="(?:az? |a |saját )?§ (?:küldve|elküldve)|(?:küldve|elküldve) (?:az? |a |saját )?§"
        "|(?:szerezze be|töltse le) az? outlook(?:ot)? (?:ios|android)[ -]?\\w{0,6}"
        "|az? (?:ios |android )?outlook (?:letöltése|beszerzése)(?: \\S{3,12})?",
    ),
    "ro": Tongue(
        wrote="a scris|scrie",
        day="în|în data de|pe|la data de|la",
        sender="de la|expeditor|de",
        sent="trimis|data|dată|trimis la",
        to="către|catre|la",
        subject="subiect|subiectul",
        original="mesaj(?:ul)? original|mesaj(?:ul)? iniţial|mesaj(?:ul)? inițial",
        forwarded="mesaj (?:redirecționat|redirecţionat|retransmis|înaintat|transmis mai departe)",
        begins="început(?:ul)? mesaj(?:ului)? redirec[țţ]ionat",
        passed_on="redir",
        below="(?:vezi|vedeți) (?:\\w+ ){0,2}(?:mai jos|jos)|mai jos|în text|cu ro[șş]u",
        footers="trimis (?:de pe|din|de la|cu|prin) (?:dispozitivul |telefonul |aplicația )?§(?: meu| mea)?"
        "|(?:obțineți|descărcați) outlook pentru (?:ios|android)",
    ),
    "tr": Tongue(
        wrote="yazdı|yazmış",
        sender="kimden|gönderen",
        sent="gönderildi|gönderme tarihi|gönderilme|tarih",
        to="kime|alıcı",
        subject="konu",
        original="orijinal (?:ileti|mesaj|randevu)|özgün (?:ileti|mesaj)",
        forwarded="iletilmiş ileti|iletilen (?:ileti|mesaj)|yönlendirilen (?:ileti|mesaj)"
        "|yönlendirilmiş (?:ileti|mesaj)",
        begins="(?:iletilen|yönlendirilmiş|yönlendirilen) (?:ileti|mesaj)(?:nin|in)? başlangıcı",
        passed_on="ilt|i̇lt",
        below="aşağıya bak\\w*|aşağıda|metin içinde|kırmızı(?:yla| ile)",
        footers="§ (?:cihazımdan |telefonumdan |uygulamasından |kullanılarak )?gönderil\\w{1,4}"
        "|(?:ios|android) için outlook['’]?\\w{0,4}(?: uygulamasını)? (?:edinin|indirin|al)",
    ),
    "el": Tongue(
        wrote="έγραψε|γράφει",
        day="στις|την|τη",
        sender="από|αποστολέας",
        sent="στάλθηκε|εστάλη|ημερομηνία|αποστολή",
        to="προς|παραλήπτης",
        subject="θέμα",
        original="αρχικό (?:μήνυμα|e-mail)|αρχική συνάντηση|πρωτότυπο μήνυμα",
        forwarded="προωθημένο μήνυμα|προωθούμενο μήνυμα",
        begins="αρχή (?:του )?(?:προωθημένου|προωθούμενου) μηνύματος|έναρξη προωθημένου μηνύματος",
        passed_on="πρθ|προωθ",
        below="(?:δείτε|βλ\\.?|βλέπε) (?:\\w+ ){0,2}(?:παρακάτω|κάτω)|παρακάτω|στο κείμενο|με κόκκινο",
        footers="(?:στάλθηκε|εστάλη) από (?:το |τη |την |τον )?(?:κινητό |συσκευή )?§(?: μου)?"
        "|(?:λήψη|αποκτήστε)(?: του| το)? outlook για (?:το )?(?:ios|android)",
    ),
}

# Fields of a block that say nothing about whose mail it is.
OTHER_LABELS = (
    "cc|bcc|kopie|copie|copie à|copia|con copia|com cópia|dw|kopia|kopie komu|копия|копія|kopi|kopio|másolatot kap"
    "|másolat|bilgi|κοιν.|κοινοποίηση|blindkopie|reply-to|antwort an|wichtigkeit|importance|priorität|priority"
    "|anlagen|anhänge|attachments|pièces jointes|allegati|adjuntos|anexos|bijlagen|załączniki|přílohy|вложения"
    "|bilagor|vedhæftede filer|vedlegg|liitteet|mellékletek|ekler|συνημμένα|organisation|organization|message-id"
)


def every(field: str) -> str:
    """The alternatives of one field in all languages, each once."""
    assert field in {known.name for known in fields(Tongue)}
    found = [getattr(tongue, field) for tongue in TONGUES.values()]
    return "|".join(dict.fromkeys(word for words in found if words for word in _alternatives(words)))


def labels(field: str) -> list[str]:
    """The labels of one kind in all languages, in lower case."""
    return [label.replace("\\", "").casefold() for label in every(field).split("|")]


def _alternatives(words: str) -> list[str]:
    """What the topmost `|` separate."""
    found, depth = [""], 0
    for letter in words:
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and not depth:
            found.append("")
        else:
            found[-1] += letter
    return found
