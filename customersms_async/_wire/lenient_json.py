"""
JSON as PHP writes it: loose types, and warnings printed before and after it.

Only the deciding fields must be exact. A value that does not fit its field counts as absent; it is
never guessed, and never affects its neighbours.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Final, Never, TypeAlias, cast

import msgspec

__all__ = ["Object", "balance", "boolean", "decode", "digits", "object_of", "objects_in", "text"]

Object: TypeAlias = dict[str, object]

_MOST_OBJECTS: Final = 20  # positions amid text where an object may begin; each costs a pass
_OPENING: Final = re.compile(r'\{\s*"')
_STRING_OR_BRACE: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}]', re.DOTALL)
# Half of a surrogate pair, which is not a character; JSON can spell it, but no decoder accepts it.
_LONE_SURROGATE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]..",
)
#: Three decimals are excluded: in Italy ``1.234`` is a thousand, elsewhere it is about one.
_BALANCE: Final = re.compile(r"\s*-?[0-9]{1,15}(?:\.(?:[0-9]{1,2}|[0-9]{4,9}))?\s*", re.ASCII)
_NO_BALANCE: Final = 1e15
_MOST_DIGITS: Final = 20  # `int` refuses thousands of them

_decoder: Final = msgspec.json.Decoder()


def decode(body: str) -> object:
    """Decode JSON, with numbers of any size; `msgspec.UNSET` if it is not JSON."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return _decode_at_leisure(_LONE_SURROGATE.sub(r"\\ufffd", body))


def _decode_at_leisure(body: str) -> object:
    """Decode with the standard library, which reads numbers beyond a double as infinite."""
    try:
        return json.loads(body, parse_int=_whole, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return msgspec.UNSET


def _whole(number: str) -> float:
    return int(number) if len(number) <= _MOST_DIGITS else float(number)


def _refuse(constant: str) -> Never:
    """NaN and Infinity are not JSON."""
    raise ValueError(constant)


def objects_in(body: str) -> Iterator[Object]:
    """
    Find complete JSON objects amid text; of nested ones, the outermost.

    Truncated objects, and objects inside others, do not count.
    """
    begin = 0
    for _ in range(_MOST_OBJECTS):
        opening = _OPENING.search(body, begin)
        if opening is None:
            return
        end = _end_of_object(body, opening.start())
        found = object_of(decode(body[opening.start() : end]) if end else None)
        if found is not None:
            yield found
        begin = opening.start() + 1 if found is None or end is None else end


def _end_of_object(body: str, begin: int) -> int | None:
    depth = 0
    for token in _STRING_OR_BRACE.finditer(body, begin):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return None


def object_of(value: object) -> Object | None:
    """Return a JSON object; None for anything else."""
    return cast("Object", value) if isinstance(value, dict) else None


def boolean(value: object) -> bool | None:
    """Read true, false, 1 and 0; nothing else is a clear yes or no."""
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def balance(value: object) -> int | None:
    """
    Read a number of credits of any numeric type: ``98``, ``98.0``, ``"98"``, ``"98.00"``.

    A fraction is rounded down, so that a minimum is never undercut. ``"1,234"`` and ``"1.234"``
    mean different numbers in different countries and count as absent; so do ``true``, infinity and
    text.
    """
    if type(value) is int and -_NO_BALANCE < value < _NO_BALANCE:
        return value  # as in nearly every answer
    if isinstance(value, str):
        value = float(value) if _BALANCE.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return math.floor(value) if -_NO_BALANCE < value < _NO_BALANCE else None


def digits(value: object) -> str | None:
    """Read a phone number of any numeric type: ``"+12125551234"``, 12125551234, 12125551234.0."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _NO_BALANCE:
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def text(value: object) -> str | None:
    """Return a string that is not empty; None for anything else."""
    return value if isinstance(value, str) and value else None
