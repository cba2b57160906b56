"""The life of one request: slot, attempt, answer, retry. Reaches wire and ports."""
