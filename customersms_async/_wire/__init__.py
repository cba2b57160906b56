"""The gateway's protocol: bytes out, bytes in, matched to numbers. Pure; imports values."""
