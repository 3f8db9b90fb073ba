"""The log port: histories and dispatch streams."""
