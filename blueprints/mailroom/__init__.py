"""Views of mails: the ledger, the quarantine, the outbox, blocked senders."""
