"""Mail as values: bytes in, values out. No Flask, no database, no network."""
