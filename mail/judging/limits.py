"""Numbers of the judging: from when on something is too much. The rules that ask them: mail/judging/rules.py."""

from __future__ import annotations

# A storm: from so many mails of one sender to one channel within so many seconds on, the rest is held.
STORM_LIMIT, STORM_SECONDS = 60, 3600
