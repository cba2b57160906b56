"""The gateway's language: bytes out, bytes in, matched to numbers. Pure; reaches values."""
