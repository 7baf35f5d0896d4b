"""Tenants, their plans and their encrypted provider credentials."""
