"""From values to bytes: composing and signing."""
