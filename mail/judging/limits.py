"""Numbers of the judging: from when on something is too much. The rules that ask them: mail/judging/rules.py."""

from __future__ import annotations

# A storm: from so many mails of one sender to one channel within so many seconds on, the rest is held.
STORM_LIMIT, STORM_SECONDS = 60, 3600
# Whoever stands in From for others (certified mail, a form) is counted as they are; a group of our own, which brings
# us the mail of all customers, may bring so many times as much.
OWN_GROUP_BRINGS = 10
