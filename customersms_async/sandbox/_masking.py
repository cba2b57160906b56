"""
Keys, named without being shown.

Rule of this module: what looks like a key is hidden wherever it stands, whether it has an account
or not, since a program may put it into the wrong field.
"""

import hashlib
import re

__all__ = ["masked", "veiled"]

#: Digits of a key's hash: enough to tell keys apart.
DIGITS = 6

# A key as the documentation writes them. A masked one is none, since "…" ends it.
_KEY = re.compile(r"cspro_[\w.~+/=-]+")

# The value of the field that holds the key, whatever it looks like.
_FIELD = re.compile(r'("api_key"\s*:\s*")((?:[^"\\]|\\.)*)')

# Shorter keys are no secret, and their letters stand in other words.
_SHORTEST = 8


def masked(key: str) -> str:
    """Name a key without showing it: six digits of its hash tell two keys apart."""
    return f"cspro_…{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:DIGITS]}"


def veiled(text: str, key: str = "") -> str:
    """Give *text* with *key*, the field of a key and all that looks like one masked."""
    text = _FIELD.sub(lambda found: found[1] + masked(key or found[2]), text)
    if len(key) >= _SHORTEST:
        text = text.replace(key, masked(key))
    return _KEY.sub(lambda found: masked(found[0]), text)
