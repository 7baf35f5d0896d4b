"""Trying an agent without a phone: what it understands, and a conversation in text."""
