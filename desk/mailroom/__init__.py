"""Every mail that was ever seen: the ledger, its balance, the quarantine, and how long mail is kept."""
