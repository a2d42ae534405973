"""Tickets and what belongs to them: contacts, participants, messages, drafts, attachments."""
