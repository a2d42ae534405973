"""What mail servers call themselves and how they say that a mail did not arrive, in the languages they speak."""

from __future__ import annotations

import re

ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]{1,128}@[\w-]{1,63}(?:\.[\w-]{1,63})*"
SENDERS = re.compile(
    r"(?:mailer[-_.]?daemon|post[-_.]?master|mail[-_.]?delivery[\w.-]*|bounces?(?:[-+=][^@]*)?|smtp[-_.]?daemon|"
    r"mail[-_.]?system|mdaemon|daemon|deliver|mail[-_.]?(?:deliver|daemon)|root|microsoftexchange[0-9a-f]+)(?:@.*)?",
    re.I,
)
# What servers call themselves where the address says nothing.
SENDER_NAMES = re.compile(
    r"(?:the )?(?:internet )?mail delivery (?:sub)?system|mailer[- ]daemon|mail delivery service|"
    r"system administrator|mail (?:system|administrator)|mms?c? ndr administrator|mailzustellungssystem|"
    r"système de distribution du courrier|sistema de entrega de correo",
    re.I,
)
# Behind which a server may report; without a copy of our mail in it, it is some other machine's mail.
MACHINES = re.compile(r"(?:.*[-_.])?(?:no|do-?not|never)[-_.]?(?:reply|respond)\b.*", re.I)
SUBJECTS = re.compile(
    r"undeliver(?:able|ed)|not be delivered|"
    r"delivery (?:status|report|notification|failure|failed|error|problem|has)|"
    r"(?:delivery|mail|message|e-?mail)\b.*\bfail|failed delivery|failure (?:notice|delivery)|"
    r"failed mail|returned (?:mail|e-?mail|to sender|message)|mail (?:system )?error|mail could not|"
    r"message (?:was )?(?:not delivered|undelivered|delayed)|delivery delayed|non[- ]?delivery|"
    r"user unknown|unknown user|nondeliverable|could not (?:be delivered|send)|unzustellbar|"
    r"nicht zugestellt|zustell(?:ung|fehler)|fehlgeschlagen|non remis|non distribuable|"
    r"[ée]chec de (?:la )?(?:remise|distribution)|impossibile recapitare|mancata consegna|"
    r"no se puede entregar|no se ha podido entregar|onbestelbaar|niet (?:afgeleverd|bezorgd)|"
    r"non (?:recapitat|consegnat)|impossible de remettre|niedostarcz|nie dostarczono|zwrot wiadomo|"
    r"nedoru[čc]iteln|nepoda[řr]ilo se doru[čc]it|kézbesíthetetlen|nu a putut fi livrat|n[ãa]o entregue|"
    r"falha na entrega|devolvid[oa]|kunde inte levereras|kunne ikke leveres|olevererbart|ei voitu toimittaa|"
    r"teslim edilemedi|недостав|не доставлен|невозможно доставить|не удалось доставить|"
    r"配信|配送|エラー通知|送信できません|届け|退信|无法投递|退回|無法傳遞|반송",
    re.I,
)
# Of mails that only their subject makes a report: what machines write above addresses, and people do not.
LISTED = re.compile(
    r"(?:following|these|below)\b.{0,40}(?:recipient|address|destination|user)|recipient\(s\)|recipients?:|"
    r"(?:folgende|nachstehende)\w*\s.{0,20}(?:empf[äa]nger|adresse)|(?:destinataire|destinatario|odbiorc|p[řr][íi]jem)",
    re.I,
)
# And what people write, but hardly a machine: a greeting, a question, themselves.
PERSON = re.compile(
    r"^\W{0,3}(?:hallo|hi|hello|hey|dear|guten (?:tag|morgen|abend)|gr[üu](?:ß|ss) (?:gott|dich|euch)|servus|moin|"
    r"sehr geehrte|liebe[rs]?|bonjour|salut|buon ?giorno|hola|buenos)\b|\?\s*$|"
    r"\b(?:ich|wir|mir|uns|mein\w*|unser\w*|my|our|we|mon|notre|nous|nostro|mio)\b|\bI\b(?!')",
    re.I | re.M,
)
# A disposition report (RFC 8098) that says no: Sieve's `reject` (RFC 5429). Else it was deleted unread.
REFUSED = re.compile(
    r"reject|refus|declin|bounc|abgelehnt|zur[üu]ckgewiesen|verweigert|rifiutat|rechazad|odrzucon|afgewezen",
    re.I,
)
# A report that all went well, where nothing else in it says so.
SUCCESS = re.compile(r"\(success\)|\(erfolg|^success", re.I)
DELAYS = re.compile(
    r"\bdelay(?:ed)?\b|could not send message for past|not yet been delivered|still being retried|"
    r"will (?:keep|continue to be|be) (?:trying|tried|retried)|will continue (?:to try|trying)|\bpostponed\b|"
    r"(?:additional|further) attempts to deliver|verz[öo]ger|noch nicht zugestellt|"
    r"weitere zustellversuche|versuchen weiter",
    re.I,
)
CODES = re.compile(r"\b[45]\d\d[ -]|\b[45]\.\d\.\d{1,3}\b", re.A)
REASONS = re.compile(
    r"\b[45]\d\d[ -]|\b[45]\.\d\.\d{1,3}\b|unknown|no such|not found|does not exist|invalid|reject|"
    r"refus|full|quota|exceed|disabled|inactive|unable|could not|undeliver|fail|error|not known|"
    r"not listed|no mailbox|affected|unbekannt|nicht (?:bekannt|gefunden|zugestellt)|"
    r"inconnu|introuvable|plein|sconosciut|inesistente|pien[ao]|desconocid|no existe|llen[ao]|nieznan|"
    r"nie istnieje|neexistuje|не существует|не найден|переполнен|できませんでした|一杯|不存在|已满",
    re.I,
)
# What it said to the next server.
TRANSCRIPT = re.compile(rf"^[> \t]*rcpt to:[ \t]*<?({ADDRESS})", re.I | re.M)
# What begins the copy of our mail in a report that has no parts; no recipient is looked for behind it.
COPY = re.compile(
    r"^[-=_* \t>]{0,40}(?:the )?(?:this is a copy of|below this line|following is a copy|included is a copy|"
    r"original (?:message|mail)|returned (?:message|mail)|unsent message|header of|"
    r"message (?:text|header|follows|contents)|begin (?:of )?(?:original|message)|"
    r"urspr[üu]ngliche nachricht|received:|return-path:)",
    re.I | re.M,
)
