"""Does it work? Tests of connections, the dry run, and what the world thinks of our mail."""
