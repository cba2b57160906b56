"""The ports: what the package needs from outside, as Protocols. Pure; imports only values."""
