"""Who is speaking: a person, a machine, a server that returns a mail; and which ticket is meant."""
