"""From bytes to values: MIME, header fields, charsets, and what lies inside a mail."""
