"""The notices that servers put below every mail: »Diese E-Mail ist vertraulich …«, »Scanned by …«.

An answer may begin as they do (»Diese Nachricht war unklar, ich kündige«). So a notice has nothing but the words of
notices, in each paragraph: one word that is in no list here, a number or a sign, and it is what a customer wrote.
"""

from __future__ import annotations

import re

# How such a paragraph begins, and what makes sure that it is one.
_BEGINS = re.compile(
    r"(?:(?:diese|this|the information|der inhalt dieser|the contents?)\b"
    r"|(?:vertraulichkeitshinweis|confidentiality notice|disclaimer|haftungsausschluss|vertraulich|confidential)\b"
    r"|(?:bitte (?:denken|prüfen) sie|please (?:consider|think)|think before|denken sie)\b"
    r"|(?:wenn|falls|sollten) sie|if you|any unauthori[sz]ed|das unerlaubte|jede (?:form|unbefugte|unautorisierte))\b"
)
_SURE = re.compile(
    r"vertraulich|confidential|privileged|rechtlich geschützt|intended (?:recipient|only|solely|for|exclusively)"
    r"|nur für den|irrtümlich|nicht der (?:richtige|beabsichtigte|vorgesehene) (?:adressat|empfänger)|in error"
    r"|(?:unauthori[sz]ed|strictly|unerlaubte|unbefugte|nicht gestattet|prohibited)|ausdrucken|print(?:ing)? this"
)
_VOCABULARY = (
    "adressat adressaten absender aller alle allen als an anhang anhänge anhängen anlage anlagen auch auf "
    "aus ausdrucken ausdruck ausschließlich bedenken beabsichtigte benachrichtigen bestimmt bevor bitte "
    "das dass dem den denken der deren des die dies diese dieser dieses durch e ein eine einer "
    "einschließlich empfänger enthalten enthält erhalten falls für geschützt geschützte gestattet haben "
    "haftungsausschluss ihnen ihr informationen informieren inhalt irrtümlich ist jede jegliche können "
    "kann kopien kopieren löschen mail mails mit müssen nachricht nicht nur oder ob person personen rechtlich "
    "richtige sein sie sind so sofort sollten sowie system umgehend umwelt unbefugte unbefugtes "
    "unerlaubte unerlaubtes unverzüglich und uns unterrichten verantwortung verbreitung verboten "
    "vernichten vertraulich vertrauliche vertraulicher vertraulichkeitshinweis von vorgesehene weitergabe "
    "weiterleitung wenn wirklich wird wurde zu zur zum a above addressed addressee advised an and any are "
    "as attached attachment attachments be been before by communication confidential confidentiality "
    "consider contain contained contains content contents copies copy copying delete deleting destroy "
    "disclaimer disclosure dissemination distribute distribution email emails entity environment error "
    "exclusively file files for from have hereby if immediately in including individual individuals "
    "information intended is it its kindly law legally may message must named not notice notified notify "
    "of on only or please print printing privileged prohibited protected received recipient recipients "
    "reply return review sender sent should solely strictly system that the their them think this to "
    "transmission transmitted unauthorised unauthorized unlawful use via which who whom with you your "
)
_WORDS = frozenset(_VOCABULARY.split())
_SCANNER = (
    r"(?:avast|avg|avira|clamav|eset|kaspersky|mailscanner|mcafee|mimecast|norton|sophos|symantec|trend ?micro)"
    r"(?:[ -](?:antivirus|anti-virus))?(?:[ -]software)?"
)
_SCANNED = re.compile(
    rf"(?:(?:virenfrei|virus-free)\.? ?(?:www\.(?:avast|avg)\.com)?|scanned by {_SCANNER}"
    rf"|diese e-?mail wurde (?:von {_SCANNER} )?auf viren (?:geprüft|überprüft)(?: von {_SCANNER})?"
    rf"|this (?:e-?mail|message) (?:has been|was) (?:checked|scanned) for viruses(?: (?:by|with) {_SCANNER})?)\.?"
)
_BETWEEN_PARAGRAPHS = re.compile(r"\n[\s>]*\n")
_WORD = re.compile(r"[^\W_]+")
_SIGNS = re.compile(r"[^\w\s.,;:()/*_>'\"-]|\d")


def is_notice(text: str) -> bool:
    """Whether these are the words that a company's server puts below every mail, and no others."""
    paragraphs = [part for part in _BETWEEN_PARAGRAPHS.split(text) if part.strip()]
    return bool(paragraphs) and all(map(_is_one, paragraphs))


def _is_one(paragraph: str) -> bool:
    words = " ".join(paragraph.replace(">", " ").split()).lower().strip(" *_-")
    if _SCANNED.fullmatch(words):
        return True
    if not _BEGINS.match(words) or not _SURE.search(words) or _SIGNS.search(words):
        return False
    return all(word[0] in _WORDS for word in _WORD.finditer(words))
