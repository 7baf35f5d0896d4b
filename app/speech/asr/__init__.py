"""Speech recognition: the engine protocol and its implementations."""
