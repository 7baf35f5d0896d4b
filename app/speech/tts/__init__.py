"""Speech synthesis: the engine protocol and its implementations."""
