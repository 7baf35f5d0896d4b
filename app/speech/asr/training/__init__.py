"""Training of the streaming recogniser on synthetic speech; needs the `nemo` extra, serving imports nothing of it."""
