"""The way out of a failed connection: what to do where, in the words of the provider if it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from blueprints.labels import oauth_failures
from blueprints.labels.formats import full_time
from desk.channels.channel_values import BY_TOKEN, PASSWORD, ChannelValues
from models import Channel

# By the code of a failure, whatever the provider.
# What to do about it, in a sentence; only where there is more to say than the failure itself.
ADVICE = oauth_failures.ADVICE | {
    "name_not_found": _l("Check the spelling of the server name."),
    "refused_address": _l(
        "Addresses of this machine itself are refused. An operator can allow them "
        "with POSTSTELLE_ALLOW_PRIVATE_HOSTS=1."
    ),
    "connect_refused": _l("Check the port and the protocol."),
    "connect_timeout": _l(
        "Check the port, and whether a firewall blocks it. Many networks block port 25: use 587 with STARTTLS "
        "or 465 with SSL/TLS instead."
    ),
    "timeout": _l("Try again in a few minutes; if it stays so, check server name and port."),
    "connection_lost": _l("Try again in a few minutes; if it stays so, check port and encryption."),
    "tls_failed": _l(
        "The server may only know encryption that is out of date. Its operator has to allow TLS 1.2 or newer."
    ),
    "certificate_invalid": _l("The operator of the server has to put a valid certificate there."),
    "certificate_name": _l("Use the server name that the provider gives in its instructions."),
    "certificate_expired": _l("The operator of the server has to renew it."),
    "certificate_self_signed": _l(
        "Put the server's certificate into the system's store, or name it with SSL_CERT_FILE."
    ),
    "certificate_unknown": _l(
        "Put the authority's certificate into the system's store, or name it with SSL_CERT_FILE."
    ),
    "starttls_missing": _l(
        "Use SSL (for outgoing mail SSL/TLS) with its port. Or switch on “Allow unencrypted” below the incoming "
        "server; it counts for both directions."
    ),
    "plaintext_refused": _l(
        "Choose an encryption. Or switch on “Allow unencrypted” below the incoming server; it counts for both "
        "directions."
    ),
    "wrong_port_ssl": _l(
        "SSL needs another port: 993 for IMAP, 995 for POP3, 465 for SMTP. "
        "On 143, 110 and 587 switch SSL off; STARTTLS is used there."
    ),
    "wrong_port_plain": _l(
        "Switch SSL on, or choose SSL/TLS for outgoing mail. STARTTLS works on 143, 110 and 587."
    ),
    "wrong_protocol": _l(
        "Check server type and port: IMAP has 993 or 143, POP3 995 or 110, outgoing mail 465, 587 or 25."
    ),
    "we_are_blocked": _l(
        "The address stands on a block list. Ask the provider's support, or let mail leave from another network."
    ),
    "auth_failed": _l(
        "Check the user name and the password. Most providers want the full address as user name."
    ),
    "auth_unsupported": _l(
        "Choose “Automatic” under authentication. If it stands there already, the server offers no sign-in here: "
        "choose “No authentication”, or another port."
    ),
    "auth_required": _l(
        "Choose “Automatic” under authentication and enter user name and password of the outgoing server."
    ),
    "app_password": _l("Create an application password in the account's security settings."),
    "oauth_required": _l(
        "Choose OAuth 2 as sign-in of the channel. An administrator registers this Poststelle with the provider "
        "first: “OAuth 2 providers” on the page of the channels."
    ),
    "password_expired": _l("Set a new password at the provider and enter it here."),
    "account_locked": _l("Sign in at the provider's web page and unlock it, or ask its support."),
    "protocol_disabled": _l("Switch IMAP or POP3 on in the mailbox's settings at the provider."),
    "folder_missing": _l("Check the name of the folder."),
    "folder_refused": _l("The server's own words say why; its operator can help."),
    "protocol_error": _l("Check server name, port and server type; the provider's help pages name them."),
    "mailbox_locked": _l("Another mail program has it open by POP3. Close it and test again, or use IMAP."),
    "server_busy": _l(
        "Test again in a few minutes. Some providers limit how many programs are connected at once."
    ),
    "login_delay": _l(
        "Another program fetches this mailbox just as often. Test again in a minute; if it stays so, let only one of "
        "them fetch, or use IMAP."
    ),
    "sender_refused": _l("The address of the channel must belong to the signed-in mailbox."),
    "content_refused": _l("The server's own words say why; its operator can help."),
    "over_quota": _l("Make room in the mailbox."),
    "brake_automatic": _l(
        "Look at the newest tickets: a flood of strangers, or two robots that answer each other? Block their "
        "senders. The brake lets go by itself."
    ),
    "brake_address": _l(
        "Look at the newest tickets: somebody may write in this address's name, or two robots answer each other. "
        "Block their senders. The brake lets go by itself."
    ),
    "brake_domain": _l(
        "Look at the newest tickets: somebody may write in the name of addresses there. Block their senders. "
        "The brake lets go by itself."
    ),
    "brake_total": _l(
        "Look at the newest tickets: a flood of strangers? Block their senders, or switch the confirmation off for a "
        "while. If these are customers, an operator can allow more with POSTSTELLE_SEND_PER_HOUR."
    ),
    "brake": _l("Look for a loop in the outbox. “Send now” lets a single mail through."),
    "unknown_recipient": _l("Check the spelling, or reach the person another way."),
    "unknown_domain": _l("Check the part behind the @."),
    "mailbox_full": _l("Try again later, or reach the person another way."),
    "sender_not_proven": _l("An administrator has to mend SPF, DKIM or DMARC of the channel's domain."),
    "stale": _l("Check that the jobs of this Poststelle are running (“serve” or “worker”)."),
    "renumbered": _l(
        "What is known is not fetched again, but each time all of it is looked at. Ask the provider why, or choose "
        "to delete or move mails after the fetch."
    ),
    "mail_withheld": _l(
        "All others are taken in, and these are asked for at every fetch. Open the mailbox with another mail program "
        "and forward them to this channel or move them to another folder."
    ),
    "removal_refused": _l(
        "They do not become tickets again, and removing them is tried at every fetch. Check in the mailbox's "
        "settings whether this sign-in may delete, or choose another way after the fetch."
    ),
}

_GOOGLE, _GMX, _WEB = "Gmail / Google Workspace", "GMX", "WEB.DE"

# (code, provider as mail/providers/presets.py names it); else the code alone, in ADVICE.
_AT_PROVIDER = {
    ("app_password", _GOOGLE): _l(
        "Switch two-step verification on in the Google account, make an app password at "
        "myaccount.google.com/apppasswords and enter its 16 letters here."
    ),
    ("auth_failed", _GOOGLE): _l(
        "Google takes no account password here. Make an app password at myaccount.google.com/apppasswords "
        "and enter it."
    ),
    ("protocol_disabled", _GOOGLE): _l(
        "In Gmail open Settings, “Forwarding and POP/IMAP”, and enable IMAP or POP. In Google Workspace an "
        "administrator has to allow it first."
    ),
    ("protocol_disabled", _GMX): _l(
        "In GMX open E-Mail, Settings, “POP3/IMAP retrieval”, allow access for mail programs and save."
    ),
    ("protocol_disabled", _WEB): _l(
        "In WEB.DE open E-Mail, Settings, “POP3/IMAP retrieval”, allow access for mail programs and save."
    ),
    ("auth_failed", _GMX): _l(
        "Check user name and password. GMX also refuses the sign-in while “POP3/IMAP retrieval” is off in its "
        "settings; with two-factor sign-in it wants an application password."
    ),
    ("auth_failed", _WEB): _l(
        "Check user name and password. WEB.DE also refuses the sign-in while “POP3/IMAP retrieval” is off in its "
        "settings; with two-factor sign-in it wants an application password."
    ),
    ("auth_failed", "Telekom"): _l(
        "Telekom wants the e-mail password, not that of the account: set it in the customer centre under "
        "“E-mail password”."
    ),
    ("auth_failed", "iCloud"): _l(
        "Apple wants an app-specific password: make one at account.apple.com under “Sign-In and Security”. For "
        "fetching the user name is the part before the @."
    ),
    ("auth_failed", "Yahoo"): _l(
        "Yahoo wants an app password: make one in the account's security settings under “App passwords”."
    ),
    ("auth_failed", "mailbox.org"): _l(
        "Check user name and password. With two-factor sign-in mailbox.org wants an application password."
    ),
    ("sender_refused", "Microsoft 365"): _l(
        "The signed-in mailbox needs the right “Send as” for this address: an administrator gives it in the "
        "Exchange admin center."
    ),
}


@dataclass(frozen=True, slots=True)
class InForce:
    """What is set on the side that failed; `protocol` is imap, pop3 or smtp."""

    protocol: str
    port: int | None
    encryption: str
    user: str
    auth: str
    by_token: bool
    plaintext_allowed: bool

    @property
    def port_is_usual(self) -> bool:
        return self.port in _USUAL_PORTS[self.protocol, self.encryption == "ssl"]


_USUAL_PORTS = {
    ("imap", True): (993,),
    ("imap", False): (143,),
    ("pop3", True): (995,),
    ("pop3", False): (110,),
    ("smtp", True): (465,),
    ("smtp", False): (587, 25),
}

# Where the sentence in ADVICE would recommend what is set already: the first that holds for the code.
_SET_ALREADY: tuple[tuple[str, Callable[[InForce], bool], LazyString], ...] = (
    (
        "connect_refused",
        lambda given: given.port_is_usual,
        _l("The port is the usual one: check the server name, and whether the server runs."),
    ),
    (
        "connect_timeout",
        lambda given: given.port != 25 and given.port_is_usual,
        _l("The port is the usual one: check the server name, and whether a firewall blocks it."),
    ),
    (
        "connect_timeout",
        lambda given: given.port != 25,
        _l("Check the port, and whether a firewall blocks it."),
    ),
    (
        "wrong_port_ssl",
        lambda given: given.port_is_usual,
        _l(
            "The port is the usual one for SSL. Ask the provider, or switch SSL off and use the port for STARTTLS."
        ),
    ),
    (
        "wrong_port_plain",
        lambda given: given.port_is_usual,
        _l("Switch SSL on, or choose SSL/TLS for outgoing mail."),
    ),
    (
        "wrong_protocol",
        lambda given: given.port_is_usual,
        _l("Server type and port fit each other: check the server name."),
    ),
    (
        "plaintext_refused",
        lambda given: given.plaintext_allowed,
        _l("Switch SSL on, or choose SSL/TLS for outgoing mail."),
    ),
    (
        "auth_failed",
        lambda given: "@" in given.user,
        _l("Check the user name and the password."),
    ),
    (
        "auth_unsupported",
        lambda given: given.auth == "auto",
        _l("The server offers no sign-in here: choose “No authentication”, or another port."),
    ),
    (
        "auth_required",
        lambda given: given.auth != "none" and given.port_is_usual,
        _l("Ask the provider on which port and in which way it wants the sign-in for outgoing mail."),
    ),
    (
        "auth_required",
        lambda given: given.auth != "none",
        _l("The server offers no sign-in on this port: use 587 with STARTTLS or 465 with SSL/TLS."),
    ),
    (
        "oauth_required",
        lambda given: given.by_token,
        _l("OAuth 2 is chosen already: sign in at the provider once more."),
    ),
    (
        "mailbox_locked",
        lambda given: given.protocol != "pop3",
        _l("Another program has it open. Close it and test again."),
    ),
)

# Codes of a server that does not answer; where it did before, nothing is wrong with what is set.
SILENT = frozenset({"connect_refused", "connect_timeout", "timeout", "connection_lost", "name_not_found"})
WENT_SILENT = _l(
    "Nothing has to be changed here, and it is tried again by itself. If it lasts, ask whoever runs the server."
)


def incoming(given: Channel | ChannelValues) -> InForce:
    by_token = given.oauth != PASSWORD
    encryption = "ssl" if given.ssl else "starttls"
    return InForce(
        given.protocol, given.port, encryption, given.user, "auto", by_token, bool(given.allow_plaintext)
    )


def outgoing(given: Channel | ChannelValues) -> InForce:
    by_token = given.oauth != PASSWORD and given.smtp_auth in BY_TOKEN
    return InForce(
        "smtp", given.smtp_port, given.smtp_encryption, given.smtp_user or given.user, given.smtp_auth, by_token,
        bool(given.allow_plaintext),
    )  # fmt: skip


def advice_for(code: str, provider: str = "", given: InForce | None = None) -> str:
    """A sentence or two; empty where the failure itself says everything. Never what is set already."""
    set_already = next(
        (text for known, holds, text in _SET_ALREADY if known == code and given is not None and holds(given)),
        "",
    )
    return str(_AT_PROVIDER.get((code, provider)) or set_already or ADVICE.get(code, ""))


def went_silent(code: str, since: datetime) -> str:
    """Of a server that worked before; empty for any other failure."""
    if code not in SILENT:
        return ""
    return gettext("Has not answered since %(moment)s; until then it worked.", moment=full_time(since))
