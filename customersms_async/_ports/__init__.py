"""The seams: what the rooms need from outside, as Protocols. Pure; reaches values."""
