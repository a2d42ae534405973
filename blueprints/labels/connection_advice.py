"""The way out of a failed connection: what to do where, in the words of the provider if it is known."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from blueprints.labels.codes import ADVICE

_GOOGLE, _GMX, _WEB = "Gmail / Google Workspace", "GMX", "WEB.DE"

# (code, provider as mail/providers/presets.py names it); else the code alone, in codes.ADVICE.
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


def advice_for(code: str, provider: str = "") -> str:
    """A sentence or two; empty where the failure itself says everything."""
    return str(_AT_PROVIDER.get((code, provider)) or ADVICE.get(code, ""))
