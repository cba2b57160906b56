"""The gateway's language: bytes out, bytes in, matched to the numbers asked for; pure."""
