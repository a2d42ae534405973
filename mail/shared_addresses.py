"""Addresses behind which many people write: what their mails have in common is the address alone.

A name is that of one mail then, and a number in a subject is no sign that somebody knows a ticket.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LOCAL = 100  # characters of a local part, and of a name, that are looked at
MAX_NAME = 400

# Mailboxes of a house, that those who are on duty read (RFC 2142 and what houses of Europe write on their paper).
_OFFICES = r"""
    info informationen information informacion informacije informazioni informatie informations infos? office
    offices mail e-?mail post postmaster postfach mailbox posta poczta courrier correo correio posti epost kontakt
    contact contacts contacto contato contatti contactez kapcsolat kontakte iletisim yhteys hello hallo hi hey
    servus moin ciao bonjour hola ola ahoj hej hei welcome willkommen team crew all alle everybody group gruppe
    staff mitarbeiter support help hilfe helpdesk help-?desk service servicedesk kundenservice kundendienst
    kundenbetreuung customer-?care customer-?service customer-?support care hotline assistenza assistance ayuda
    soporte suporte ajuda klantenservice tuki pomoc podpora sav aftersales reklamation reklamationen beschwerde rma
    returns retouren sales vertrieb verkauf vendite ventas vendas ventes verkoop myynti sprzedaz prodej prodaja
    commercial commerciale einkauf purchasing procurement acquisti compras achats inkoop nakup bestellung
    bestellungen orders? ordini pedidos commandes? shop webshop store versand shipping logistik logistics lager
    warehouse dispo disposition anfragen? requests? buchhaltung buha fibu accounting accounts finance finanzen
    billing rechnung rechnungen invoices? contabilita contabilidad comptabilite facturation facturacion fakturace
    ksiegowosc administratie boekhouding mahnung inkasso verwaltung administration amministrazione administracion
    administracao hausverwaltung sekretariat secretariat secretary segreteria secretaria sekretariatet empfang
    rezeption reception zentrale accueil recepcion ricevimento ufficio bureau buero biuro kancelar kontor toimisto
    direktion direction direzione direccion management geschaeftsfuehrung gf leitung vorstand board hr jobs?
    karriere career careers bewerbung bewerbungen personal personalabteilung recruiting lavoro empleo emploi presse
    press medien media marketing pr redaktion editor news events? veranstaltungen booking bookings buchung
    reservierung reservations? prenotazioni reservas it edv admin administrator root webmaster hostmaster abuse
    security noc dns privacy datenschutz dpo legal recht praxis ordination kanzlei apotheke schule gemeinde
    gemeindeamt rathaus stadt bibliothek pfarre pfarramt verein pec protocollo technik werkstatt produktion planung
    projekte? qm qs quality export import
"""
# What programs send in the name of whoever filled in something: forms, portals, shops.
_SERVICES = r"""
    (?:web|kontakt|contact|anfrage|online|mail|php)?[-_.]?(?:form|forms|formular|formulare|formulario|formulaire|formmail)
    modulo modulistica kontaktanfragen? contact-?us contactform7? cf7 wpforms jotform typeform website web-?site
    webseite homepage www web www-?data apache nginx httpd nobody webserver web-?mailer wordpress wp typo3 joomla
    drupal shopware magento woocommerce prestashop contao mailer phpmailer cgi cgi-?mailer server system automat bot
    robot daemon portal plattform platform app notify notifications? benachrichtigung(?:en)? messages? messaging
    messenger relay forward forwarder share sharing invitations? dse esign scanner scan fax fax2mail
    (?:no|do[-_.]?not)[-_.]?re(?:ply|spond) (?:bitte[-_.]?)?nicht[-_.]?(?:be)?antworten keine[-_.]?antwort
    ne[-_.]?pas[-_.]?repondre no[-_.]?responder non[-_.]?rispondere nao[-_.]?responda
"""
# Providers of certified mail send in a mail of their own what their customers wrote (Italy: RFC 6109).
_CERTIFIED = (
    r"posta[-_.]?certificata|postacert|certified[-_.]?mail|e-?zustellung|zustelldienst|einschreiben|incamail"
)


def _table(words: str) -> re.Pattern[str]:
    """A word, also with a further one behind it: info-wien, noreply.shop, wordpress2. »it.mueller« is a person."""
    return re.compile(rf"(?:{'|'.join(words.split())})(?:[-_+=\d].*|(?<=\w{{4}})\..*)?", re.I)


OFFICES, SERVICES, CERTIFIED = _table(_OFFICES), _table(_SERVICES), _table(_CERTIFIED)

# »Max Muster via Liste«: what lists and portals write, Mailman in the language of the list.
_VIA = (
    r"via|vía|über|ueber|through|by\ way\ of|by\ means\ of|im\ Auftrag\ von|on\ behalf\ of|par|de\ la\ part\ de"
    r"|par\ le\ biais\ de|par\ l[’']intermédiaire\ de|por|por\ cuenta\ de|a\ través\ de|através\ de|mitjançant"
    r"|tramite|attraverso|door|genom|gennem|igennem|gjennom|przez|poprzez|za\ pośrednictwem|přes|prostřednictvím|cez"
    r"|prostredníctvom|preko|prek|putem|prin|prin\ intermediul|через|чрез|преко|від\ імені|μέσω|עבור|דרך|באמצעות|عبر"
    r"|通过|通過|经由|經由|透过|透過"
)
# There the word stands behind the list: »Max Muster Listan kautta«.
_BEHIND = (
    r"kautta|välityksellä|aracılığıyla|üzerinden|keresztül|révén|útján|kaudu|vahendusel"
    r"|경유|통해|を経由|経由|の代理|代理"
)
NAME_VIA = re.compile(rf"(?P<name>.*\S)\s+(?:{_VIA})\s+(?P<list>\S.*)", re.I | re.S)
NAME_BEHIND = re.compile(rf"(?P<both>.*\S)\s*(?:{_BEHIND})", re.I | re.S)
# »Per conto di: mario.rossi@pec.example«
ON_BEHALF = re.compile(
    r"\s*['\"“]?(?:per\s+conto\s+di|im\s+auftrag\s+von|on\s+behalf\s+of|de\s+la\s+part\s+de|pour\s+le\s+compte\s+de"
    r"|en\s+nombre\s+de|por\s+cuenta\s+de|em\s+nome\s+de|namens|w\s+imieniu|jménem|în\s+numele)\s*:?\s*(?P<name>\S.*)",
    re.I | re.S,
)
_QUOTES = "'\"“”„‚‘’«»‹› "


@lru_cache(maxsize=4096)
def is_shared(address: str) -> bool:
    """Whether it is of a house or of a program, and not of a person."""
    local = _local(address)
    return OFFICES.fullmatch(local) is not None or is_service(address)


@lru_cache(maxsize=4096)
def is_service(address: str) -> bool:
    """Whether a program writes from it in the name of people who have nothing to do with each other."""
    local = _local(address)
    return SERVICES.fullmatch(local) is not None or CERTIFIED.fullmatch(local) is not None


def is_certified(address: str) -> bool:
    return CERTIFIED.fullmatch(_local(address)) is not None


@lru_cache(maxsize=1024)
def says_via(name: str) -> bool:
    """Whether a name is that of somebody and of what they write through."""
    name = name[:MAX_NAME]
    return NAME_VIA.fullmatch(name) is not None or ON_BEHALF.fullmatch(name) is not None


def person_named(name: str, carrier: str = "") -> str:
    """The person of »Max Muster via Liste«. `carrier`: the name of the list, where the word stands behind it."""
    name = name[:MAX_NAME]
    if found := ON_BEHALF.fullmatch(name):
        return found["name"].strip(_QUOTES)
    if found := NAME_VIA.fullmatch(name):
        return found["name"].partition(" (")[0].strip(_QUOTES)
    if carrier and (found := NAME_BEHIND.fullmatch(name)):
        both, end = found["both"].strip(), carrier.strip()
        if len(both) > len(end) and both.casefold().endswith(end.casefold()):
            return both[: -len(end)].strip(_QUOTES)
    return name.strip(_QUOTES)


def _local(address: str) -> str:
    return address.strip().rpartition("@")[0][:MAX_LOCAL]
