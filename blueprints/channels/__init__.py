"""Views of channels: their form, deliverability, OAuth providers."""
