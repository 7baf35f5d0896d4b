"""Audio, voice activity, recognition and synthesis, and the worker that runs them."""
