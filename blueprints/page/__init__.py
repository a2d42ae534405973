"""What all pages share: who may, the frame, headers, languages, htmx, limits, forms."""
