"""Where mail comes in and leaves: channels, their servers and tokens, and how they fare."""
