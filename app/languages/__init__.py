"""Language packs while the service runs: the version that serves, reading again, and the doors to both."""
