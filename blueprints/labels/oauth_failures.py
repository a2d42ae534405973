"""What OAuth 2 can fail of: the sign-in at the provider in the browser, and the token at the mail server."""

from __future__ import annotations

from flask_babel import lazy_gettext

FAILURE = {
    "oauth_not_offered": lazy_gettext("The server does not offer a sign-in by OAuth 2."),
    "oauth_plaintext": lazy_gettext("A sign-in by OAuth 2 needs an encrypted connection."),
    "oauth_token_refused": lazy_gettext("The mail server refuses the sign-in by OAuth 2."),
    "oauth_reconnect": lazy_gettext("The permission at the provider has ended."),
    "oauth_not_connected": lazy_gettext("The mailbox is not connected with the provider yet."),
    "oauth_host": lazy_gettext("This mail server is none of the provider's own."),
    "oauth_unreachable": lazy_gettext("The provider's sign-in server gave no usable answer."),
    "oauth_client_refused": lazy_gettext("The provider refuses this Poststelle's registration."),
}
ADVICE = {
    "oauth_not_offered": lazy_gettext("Choose the sign-in by password, or check the server name."),
    "oauth_plaintext": lazy_gettext("Switch SSL on, or choose STARTTLS or SSL/TLS for outgoing mail."),
    "oauth_token_refused": lazy_gettext(
        "Connect as the mailbox itself: its address has to be the user name. At the provider the mailbox needs IMAP, "
        "POP3 and authenticated SMTP switched on, and this Poststelle the permission for them."
    ),
    "oauth_reconnect": lazy_gettext(
        "Choose “Connect again” and sign in at the provider. Permissions end when a password is changed, when "
        "somebody withdraws them, or when they were not used for long."
    ),
    "oauth_not_connected": lazy_gettext("Choose the button to connect, and sign in at the provider."),
    "oauth_host": lazy_gettext(
        "Tokens are shown to the provider's own mail servers alone. Check the server name."
    ),
    "oauth_unreachable": lazy_gettext("Poststelle tries again by itself."),
    "oauth_client_refused": lazy_gettext(
        "Check client ID and client secret under “OAuth 2 providers”. Secrets expire: the provider's page for "
        "developers makes a new one."
    ),
}
# Why an administrator's sign-in at the provider came to nothing.
SIGN_IN_REFUSED = {
    "unknown": lazy_gettext("This sign-in is too old or belongs to another window. Please connect again."),
    "denied": lazy_gettext("The provider gave no permission. Please connect again and allow the access."),
    "no_refresh": lazy_gettext(
        "The provider gave a permission for an hour only. Add the scope for lasting access, often “offline_access”, "
        "to the settings of the provider."
    ),
}
