"""The mail servers of common providers, so that an address is enough to fill in a form, also offline.

Facts, not files: compared with what the providers' own pages and the Thunderbird project publish. What
no page confirmed is marked `unverified` and said so on screen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class MailServer:
    """One server. `encryption` is ssl or starttls; plain connections are never suggested."""

    host: str
    port: int
    encryption: str = "ssl"


@dataclass(frozen=True, slots=True)
class MailServers:
    """What a form needs. `user` is address or local (the part before the @).

    `hints` are codes: oauth_only, app_password, switch_on (IMAP and POP3 are off until switched on),
    own_password (a mail password of its own), archives (deleting may only archive), unverified.
    """

    name: str
    imap: MailServer | None = None
    pop3: MailServer | None = None
    smtp: MailServer | None = None
    user: str = "address"
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """`domains` have their mail there; so have domains whose MX host ends in one of `mx`."""

    servers: MailServers
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()


def _ssl(host: str, port: int) -> MailServer:
    return MailServer(host, port, "ssl")


def _usual(
    name: str, imap: str, pop3: str, smtp: str, *hints: str, smtp_port: int = 465, user: str = "address"
) -> MailServers:
    """993 and 995 with SSL; 465 with SSL or 587 with STARTTLS. An empty name: the provider has none."""
    return MailServers(
        name,
        _ssl(imap, 993) if imap else None,
        _ssl(pop3, 995) if pop3 else None,
        MailServer(smtp, smtp_port, "ssl" if smtp_port == 465 else "starttls"),
        user,
        hints,
    )


_MICROSOFT = ("outlook", "hotmail", "live")
_MICROSOFT_ENDS = ("com", "de", "at", "fr", "it", "es", "nl", "be", "dk", "se", "co.uk", "com.au")
_GMX = ("gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.li", "gmx.eu", "gmx.info", "gmx.biz", "gmx.org")
_POSTEO = ("de", "net", "org", "eu", "at", "ch", "li", "lu", "be", "es", "mx", "jp", "me", "us")

PRESETS = (
    Preset(
        _usual("Gmail / Google Workspace", "imap.gmail.com", "pop.gmail.com", "smtp.gmail.com",
               "app_password", "archives"),
        ("gmail.com", "googlemail.com"), ("google.com", "googlemail.com"),
    ),
    Preset(
        _usual("Microsoft 365", "outlook.office365.com", "outlook.office365.com", "smtp.office365.com",
               "oauth_only", smtp_port=587),
        ("office365.com", "onmicrosoft.com"), ("mail.protection.outlook.com", "mx.microsoft"),
    ),
    Preset(
        _usual("Outlook.com", "outlook.office365.com", "outlook.office365.com", "smtp-mail.outlook.com",
               "oauth_only", smtp_port=587),
        ("msn.com", *(f"{name}.{end}" for name in _MICROSOFT for end in _MICROSOFT_ENDS)),
        ("olc.protection.outlook.com",),
    ),
    Preset(
        _usual("GMX", "imap.gmx.net", "pop.gmx.net", "mail.gmx.net", "switch_on", "app_password"),
        _GMX, ("gmx.net",),
    ),
    Preset(
        _usual("WEB.DE", "imap.web.de", "pop3.web.de", "smtp.web.de", "switch_on", "app_password",
               user="local"),
        ("web.de", "email.de"), ("web.de",),
    ),
    Preset(
        _usual("Telekom", "secureimap.t-online.de", "securepop.t-online.de", "securesmtp.t-online.de",
               "own_password"),
        ("t-online.de", "magenta.de"), ("t-online.de",),
    ),
    Preset(
        _usual("IONOS", "imap.ionos.de", "pop.ionos.de", "smtp.ionos.de", "app_password", "unverified"),
        ("online.de", "onlinehome.de", "1und1.de"), ("kundenserver.de", "ionos.de", "ionos.com", "1and1.com"),
    ),
    Preset(
        _usual("STRATO", "imap.strato.de", "pop3.strato.de", "smtp.strato.de"),
        ("strato.de",), ("rzone.de", "strato.de"),
    ),
    Preset(
        _usual("mailbox.org", "imap.mailbox.org", "pop3.mailbox.org", "smtp.mailbox.org", "app_password"),
        ("mailbox.org", "mailbox.eu"), ("mailbox.org",),
    ),
    Preset(
        _usual("Posteo", "posteo.de", "posteo.de", "posteo.de"),
        tuple(f"posteo.{end}" for end in _POSTEO), ("posteo.de",),
    ),
    Preset(
        _usual("World4You", "imap.world4you.com", "pop3.world4you.com", "smtp.world4you.com", "unverified",
               smtp_port=587),
        ("world4you.com",), ("world4you.com",),
    ),
    Preset(
        _usual("A1", "securemail.a1.net", "", "securemail.a1.net", smtp_port=587),
        ("a1.net", "aon.at"), ("a1.net", "aon.at"),
    ),
    Preset(
        _usual("Infomaniak", "mail.infomaniak.com", "mail.infomaniak.com", "mail.infomaniak.com"),
        ("infomaniak.com", "ik.me"), ("infomaniak.ch", "infomaniak.com"),
    ),
    Preset(
        _usual("Bluewin", "imaps.bluewin.ch", "pop3s.bluewin.ch", "smtpauths.bluewin.ch"),
        ("bluewin.ch", "bluemail.ch"), ("bluewin.ch",),
    ),
    Preset(
        _usual("Yahoo", "imap.mail.yahoo.com", "pop.mail.yahoo.com", "smtp.mail.yahoo.com", "app_password"),
        ("yahoo.com", "yahoo.de", "yahoo.at", "yahoo.fr", "yahoo.it", "yahoo.es", "yahoo.co.uk", "ymail.com",
         "rocketmail.com", "myyahoo.com"),
        ("yahoodns.net",),
    ),
    Preset(
        _usual("iCloud", "imap.mail.me.com", "", "smtp.mail.me.com", "app_password", smtp_port=587),
        ("icloud.com", "me.com", "mac.com"), ("mail.icloud.com",),
    ),
    Preset(_usual("Hetzner", "mail.your-server.de", "mail.your-server.de", "mail.your-server.de"),
           mx=("your-server.de",)),
    Preset(_usual("domainFactory", "sslin.df.eu", "sslin.df.eu", "sslout.df.eu"),
           ("df.eu",), ("df.eu", "ispgateway.de")),
    Preset(
        _usual("Vodafone", "imap.vodafonemail.de", "pop3.vodafonemail.de", "smtp.vodafonemail.de"),
        ("vodafonemail.de", "arcor.de", "vodafone.de"), ("vodafonemail.de", "arcor-online.net"),
    ),
    Preset(
        _usual("Fastmail", "imap.fastmail.com", "pop.fastmail.com", "smtp.fastmail.com", "app_password"),
        ("fastmail.com", "fastmail.fm"), ("messagingengine.com",),
    ),
    Preset(
        _usual("mail.com", "imap.mail.com", "pop.mail.com", "smtp.mail.com", "switch_on"),
        ("mail.com", "email.com"), ("mail.com",),
    ),
    Preset(_usual("OVH", "ssl0.ovh.net", "ssl0.ovh.net", "ssl0.ovh.net"),
           ("ovh.net",), ("mail.ovh.net",)),
    Preset(_usual("united-domains", "imaps.udag.de", "pops.udag.de", "smtps.udag.de"), mx=("udag.de",)),
    Preset(
        _usual("Zoho", "imap.zoho.eu", "pop.zoho.eu", "smtp.zoho.eu", "app_password"),
        ("zoho.eu", "zohomail.eu"), ("zoho.eu",),
    ),
)  # fmt: skip


def for_domain(domain: str) -> MailServers | None:
    """The servers of a provider's own domain, spelled in any case."""
    return _by_domain().get(domain.strip(".").casefold())


def for_host(host: str) -> MailServers | None:
    """The provider that one of these servers belongs to: its advice fits whoever connects to it."""
    return _by_host().get(host.strip().rstrip(".").casefold())


def for_mx(hosts: Iterable[str]) -> MailServers | None:
    """The servers behind the hosts of an MX record, the most specific ending first."""
    endings = sorted(((end, preset) for preset in PRESETS for end in preset.mx), key=lambda row: -len(row[0]))
    for host in hosts:
        name = "." + host.strip(".").casefold()
        for ending, preset in endings:
            if name.endswith("." + ending):
                return preset.servers
    return None


@cache
def _by_domain() -> dict[str, MailServers]:
    return {domain: preset.servers for preset in PRESETS for domain in preset.domains}


@cache
def _by_host() -> dict[str, MailServers]:
    hosts: dict[str, MailServers] = {}
    for preset in PRESETS:
        servers = preset.servers
        for server in (servers.imap, servers.pop3, servers.smtp):
            if server is not None:
                hosts.setdefault(server.host, servers)
    return hosts
