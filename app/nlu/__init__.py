"""From text to an intent with entities."""
