"""The life of a run: read, batch, deliver, merge."""
