"""Contacts, conversations, messages and handoff: the state that calls and WhatsApp share."""
