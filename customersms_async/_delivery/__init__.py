"""The life of one request: slot, attempt, answer, retry."""
