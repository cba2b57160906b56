"""The event loop of a background thread; imports nothing of the package."""
