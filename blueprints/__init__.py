"""HTTP: read the request, call the desk, choose a template."""
