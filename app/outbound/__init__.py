"""Calls that we place: asked for over REST, let through by the gate, dialled in hours, followed to their end."""
