"""Before a provider forwards a mailbox to us, it asks us: a mail with a link or a code. Recognised here.

Shown on the channel's page and answered by nobody. The link is taken only if it leads to the provider's own
host, so that a forged mail can at worst lead to the provider it names.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from mail.types import ForwardCheck, Mail

READ = 20_000  # characters
MAX_LINK = 2_000


@dataclass(frozen=True, slots=True)
class ForwardingProvider:
    """`domains` it writes from (and below them), `hosts` its links lead to; empty: the same."""

    name: str
    domains: tuple[str, ...]
    hosts: tuple[str, ...] = ()


# Whose links lead elsewhere than their mail comes from, or whose name is not their domain. All others are
# recognised by the words and called by their domain.
PROVIDERS = (
    ForwardingProvider("Gmail", ("google.com", "gmail.com", "googlemail.com"), ("google.com",)),
    ForwardingProvider(
        "Microsoft",
        ("microsoft.com", "outlook.com", "live.com", "office365.com", "microsoftonline.com", "hotmail.com"),
        ("microsoft.com", "live.com", "outlook.com", "office.com", "office365.com", "microsoftonline.com"),
    ),
    ForwardingProvider(
        "GMX", ("gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.com"), ("gmx.net", "gmx.com", "gmx.de")
    ),
    ForwardingProvider("WEB.DE", ("web.de", "webde.de")),
    ForwardingProvider(
        "IONOS", ("ionos.de", "ionos.com", "ionos.at", "1und1.de", "1and1.com", "ionos.co.uk", "ionos.fr")
    ),
    ForwardingProvider(
        "Strato", ("strato.de", "strato.com", "strato-mailings.de"), ("strato.de", "strato.com")
    ),
    ForwardingProvider("T-Online", ("telekom.de", "t-online.de"), ("telekom.de", "t-online.de")),
    ForwardingProvider(
        "Yahoo", ("yahoo.com", "yahoo-inc.com", "yahooinc.com", "aol.com"), ("yahoo.com", "aol.com")
    ),
    ForwardingProvider("iCloud", ("apple.com", "icloud.com"), ("apple.com", "icloud.com")),
    ForwardingProvider(
        "Zoho", ("zoho.com", "zoho.eu", "zohocorp.com", "zohoaccounts.com"), ("zoho.com", "zoho.eu")
    ),
    ForwardingProvider("Yandex", ("yandex.ru", "yandex.com", "ya.ru"), ("yandex.ru", "yandex.com")),
    ForwardingProvider(
        "Proton", ("proton.me", "protonmail.com", "protonmail.ch"), ("proton.me", "protonmail.com")
    ),
    ForwardingProvider("Cloudflare", ("cloudflare.com",)),
    ForwardingProvider("Infomaniak", ("infomaniak.com", "infomaniak.ch")),
)

# People write from gmx.net too; a check comes from one of these.
MACHINES = re.compile(
    r"(?:.*[-_.])?(?:no-?_?reply|do-?not-?reply|keine-?antwort|nicht-?antworten|noreponse|mailer|mailings?|"
    r"notif\w*|forwarding|weiterleitung|verif\w*|confirm\w*|mailer-daemon)(?:[-_.+].*)?",
    re.I,
)
# Names that small companies read as well, so they count for the providers of the table only.
OFFICES = re.compile(
    r"(?:.*[-_.])?(?:security|sicherheit|accounts?|service|kundenservice|support|info|system|postmaster|team|hello)",
    re.I,
)
FORWARD = re.compile(
    r"forward|weiterleit|weitergeleitet|umleit|redirect|email routing|renvo[iy]|transf[eé]r|inoltr|reenv[ií]|"
    r"reenc|doorstu|doorge|przekaz|p[řr]epos[íi]l|vidarebefordr|videresend|viderekoble|пересыл|переадрес|転送|转发|轉寄",
    re.I,
)
CONFIRM = re.compile(
    r"confirm|verif|valid|best[äa]tig|best[äa]tigung|freischalt|aktivier|activat|approve|einverstanden|conferm|attiv|"
    r"bevestig|potwierd|potvr|bekr[äæ]ft|подтвер|確認|确认|確認",
    re.I,
)
CODE = re.compile(
    r"(?i:code|kode|kod|pin|codice|c[óo]digo|код|コード|代码)[^\w\n]{0,30}\n?[^\w\n]{0,30}([0-9]{4,12}|[A-Z0-9]{6,12})\b"
)
CODE_IN_SUBJECT = re.compile(r"\(#(\d{6,12})\)", re.A)  # Gmail
LINK = re.compile(r"https://[^\s<>\"'()\[\]]+")
HREF = re.compile(r"(?i)\bhref\s*=\s*[\"']?(https://[^\s\"'<>]+)")
TO_CONFIRM = re.compile(
    r"/vf-|confirm|verif|best(?:ae|a|ä|%C3%A4)tig|activat|aktivier|valid|approve|token|accept|optin|opt-in",
    re.I,
)
NOT_TO_CONFIRM = re.compile(
    r"/uf-|cancel|unsubscrib|abmeld|reject|decline|ablehn|/support|/help|hilfe|policy|policies|privacy|datenschutz|impressum|\.(?:png|gif|jpe?g|css)$",
    re.I,
)
ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_SECOND_LEVEL = {"co", "com", "or", "ac", "gv", "net", "org", "gov", "edu"}


def read_forward_check(mail: Mail) -> ForwardCheck | None:
    """What the provider asks for, or None for any other mail. Pure; reads at most `READ` characters."""
    local, _, domain = mail.sender.address.rpartition("@")
    certain = MACHINES.fullmatch(local)
    if not local or not (certain or OFFICES.fullmatch(local)):
        return None
    provider = _provider(domain.lower())
    known = provider in PROVIDERS
    if not certain and not known:
        return None
    text = mail.text[:READ]
    asked = f"{mail.subject}\n{text}" if known else mail.subject
    if not FORWARD.search(asked) or not (CONFIRM.search(mail.subject) or CONFIRM.search(text)):
        return None
    link = _link(mail, provider)
    found = CODE_IN_SUBJECT.search(mail.subject) or CODE.search(text)
    code = found[1] if found else ""
    if not link and not code:
        return None
    return ForwardCheck(provider.name, link, code, _account(mail, text))


def _provider(domain: str) -> ForwardingProvider:
    for provider in PROVIDERS:
        if any(_is_below(domain, own) for own in provider.domains):
            return provider
    labels = domain.split(".")
    count = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL else 2
    own = ".".join(labels[-count:])
    return ForwardingProvider(own, (own,))


def _is_below(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)


def _link(mail: Mail, provider: ForwardingProvider) -> str:
    """The first link that confirms; without such a one, none: a wrong click may refuse the forward."""
    hosts = provider.hosts or provider.domains
    return next((link for link in _links(mail) if TO_CONFIRM.search(link) and _leads_to(link, hosts)), "")


def _links(mail: Mail) -> Iterator[str]:
    found: Iterable[str] = LINK.findall(mail.text[:READ])
    yield from (link.rstrip(".,;") for link in found if not NOT_TO_CONFIRM.search(link))
    found = HREF.findall(mail.html[: 10 * READ])
    yield from (html.unescape(link) for link in found if not NOT_TO_CONFIRM.search(link))


def _leads_to(link: str, hosts: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").lower()
        return (
            len(link) <= MAX_LINK
            and link.isascii()
            and "@" not in parts.netloc
            and any(_is_below(host, own) for own in hosts)
        )
    except ValueError:
        return False


def _account(mail: Mail, text: str) -> str:
    """The first address that is neither the sender's nor one of those written to."""
    known = {mail.sender.key, *(address.key for address in (*mail.to, *mail.cc, *mail.reply_to))}
    named = (found for place in (mail.subject, text) for found in ADDRESS.findall(place))
    return next((address for address in named if address.casefold() not in known), "")
