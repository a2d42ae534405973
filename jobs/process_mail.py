"""File what was received and not filed yet."""

from __future__ import annotations

from desk.receiving import intake


def run() -> None:
    intake.process_pending()


def run_slow() -> None:
    """In a thread of its own, so that a mail that takes long is overtaken."""
    intake.process_slow()
