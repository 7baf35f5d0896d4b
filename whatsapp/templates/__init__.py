"""Message templates: what Meta approved, what may be sent, what is submitted."""
