"""File what was received and not filed yet."""

from __future__ import annotations

from desk.receiving import intake


def run() -> None:
    intake.process_pending()
