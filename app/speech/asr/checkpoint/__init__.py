"""Checkpoints that others made: read, judged, fetched, converted into what the engines serve."""
