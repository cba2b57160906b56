"""The rate limit: an exact window, pacing, lanes; in one process or through Redis."""
