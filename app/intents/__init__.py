"""Tenants' own intents: examples they bring, trained beside the packs' in the background, in versions."""
