"""How a mail comes in: fetched or received, judged, matched, filed, and taken off the server."""
