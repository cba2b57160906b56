"""Texts as people write them: characters that SMS cannot carry, and templates; pure."""
