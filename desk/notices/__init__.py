"""The mails that we write ourselves: notices, alerts, links for passwords, and their previews."""
