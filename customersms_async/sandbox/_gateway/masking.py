"""
Keys: each is named without being shown.

Rules of this module:

1. Anything that looks like a key is hidden everywhere, with or without an account, since a program
   may put it in the wrong field.
2. The key of an account is hidden everywhere, in any form.
3. JSON stays JSON, with the names of its fields.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

__all__ = ["mask_key", "mask_keys", "mask_keys_in_json"]

#: Digits of a key's hash: enough to tell keys apart.
_DIGITS: Final = 6

# A key as in the documentation. A masked one does not match, since it ends in "…".
_KEY: Final = re.compile(r"cspro_[\w.~+/=-]+")

# A key that is already masked.
_is_masked = re.compile(rf"cspro_…[0-9a-f]{{{_DIGITS}}}").fullmatch

# The value after the name of the key's field: in quotes of either kind, also in JSON inside JSON;
# or bare, as in a form, a header or a number.
_QUOTED: Final = re.compile(
    r"""(api[_-]?key\\*["']?\s*[:=]\s*(\\*)(["']))((?:(?!\2\3)\\.|[^\\"'])+)""",
    re.IGNORECASE | re.DOTALL,
)
_BARE: Final = re.compile(
    r"""(api[_-]?key\\*["']?\s*[:=][^\S\r\n]*)(?!null\b|true\b|false\b)([^\s&,;{}()\[\]<>"'\\]+)""",
    re.IGNORECASE,
)

# The value of a header with a key or a password; the scheme before it stays readable.
_HEADER: Final = re.compile(
    r"(^(?:proxy-)?authorization[ \t]*:[ \t]*(?:[a-z]+[ \t]+)?)([^\s][^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)

# A string in JSON; a colon follows the name of a field.
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"(:?)')

# A key that is spelled the same everywhere.
_is_plain = re.compile(r"[\w.~-]+", re.ASCII).fullmatch

# Shorter keys are not secret, and may be part of ordinary words.
_SHORTEST: Final = 8


def mask_key(key: str) -> str:
    """Name a key without showing it: six digits of its hash tell two keys apart."""
    return f"cspro_…{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:_DIGITS]}"


def mask_keys(text: str, key: str = "", known: Iterable[str] = ()) -> str:
    """
    Hide keys in a text.

    Args:
        text: The text.

        key: The key that came with it.

        known: Keys of accounts, which it may contain.

    Returns:
        The text with each of them, the fields and headers of keys, and all that looks like a key
        masked.
    """
    text = _QUOTED.sub(lambda found: found[1] + _once(key or found[4], found[4]), text)
    text = _BARE.sub(lambda found: found[1] + _once(key or found[2], found[2]), text)
    text = _HEADER.sub(lambda found: found[1] + _once(found[2], found[2]), text)
    for one in sorted({key, *known}, key=len, reverse=True):
        if len(one) >= _SHORTEST:
            for form in _forms(one):
                text = text.replace(form, mask_key(one))
    return _KEY.sub(lambda found: mask_key(found[0]), text)


def mask_keys_in_json(words: str, known: Iterable[str]) -> str:
    """
    Hide keys in JSON.

    Args:
        words: Compact JSON, or lines that contain such JSON.

        known: The keys of all accounts.

    Returns:
        The same with the keys masked in each string that is not the name of a field.
    """
    present = [key for key in known if _stands_in(words, key)]

    def hide(found: re.Match[str]) -> str:
        if found[1]:
            return found[0]
        text = msgspec.json.decode(found[0], type=str)
        hidden = mask_keys(text, known=present)
        return found[0] if hidden == text else msgspec.json.encode(hidden).decode()

    return _STRING.sub(hide, words)


def _once(key: str, found: str) -> str:
    return found if _is_masked(found) else mask_key(key)


def _stands_in(words: str, key: str) -> bool:
    forms = _forms(key)
    return any(form in words or msgspec.json.encode(form).decode()[1:-1] in words for form in forms)


def _forms(key: str) -> list[str]:
    """Return the spellings of a key in texts, in JSON and in forms, longest first."""
    if _is_plain(key):
        return [key]
    in_json = {json.dumps(key, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
    in_forms = {quote(key, "", errors="replace"), quote_plus(key, errors="replace")}
    return sorted({key} | in_json | in_forms, key=len, reverse=True)
