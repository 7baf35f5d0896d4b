"""Voice agents and the telephone numbers they answer."""
