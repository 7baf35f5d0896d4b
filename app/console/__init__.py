"""The console: the web pages of a tenant's people, rendered on the server, refreshed by htmx on signals."""
