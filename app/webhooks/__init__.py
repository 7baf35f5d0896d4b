"""Outgoing webhooks: the tenant's own servers learn what happened, by the Standard Webhooks specification."""
