"""Measures a served recogniser through the streaming engine."""
