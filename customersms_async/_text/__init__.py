"""Texts as people write them: what SMS cannot carry, and templates; pure."""
