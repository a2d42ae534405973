"""Views of tickets: lists, one ticket, replies, drafts, merging, attachments."""
