"""The tenant's own systems over HTTP."""
