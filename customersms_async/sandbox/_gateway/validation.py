"""Checks of a sandbox's options; an error names the option, its value and what would be right."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeGuard, cast

from attrs import Attribute

from .faults import RATE_REFUSALS
from .masking import mask_key
from .rate_rules import RULE_NAMES

__all__ = [
    "BY_SEGMENT",
    "check_credits",
    "is_at_most",
    "is_count",
    "is_count_or_function",
    "is_count_or_none",
    "is_function",
    "is_header",
    "is_hosts",
    "is_keys",
    "is_not_too_large",
    "is_period",
    "is_port",
    "is_rate_refusal",
    "is_rule",
    "is_seconds",
    "is_status",
    "is_text",
    "reusable",
]

_is_host = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]").fullmatch
_LAST_PORT: Final = 65_535

#: The price that charges by segment.
BY_SEGMENT: Final = "segment"

#: Bounds of a period in seconds: a millisecond to a year.
_SHORTEST, _LONGEST = 0.001, 366 * 86_400

#: The highest limit, in requests.
_MOST: Final = 1_000_000_000

_STATUSES: Final = range(200, 600)

_Validator = Callable[[object, "Attribute[Any]", object], None]


def _must_be(wanted: str, fits: Callable[[object], bool]) -> _Validator:
    def check(_sandbox: object, option: Attribute[Any], value: object) -> None:
        if not fits(value):
            msg = f"{option.name} must be {wanted}, not {value!r}"
            raise ValueError(msg)

    return check


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, float | int):
        return False
    return abs(value) <= sys.float_info.max


def _is_count(value: object) -> bool:
    return _is_whole(value) and value >= 1


def _is_seconds(value: object) -> bool:
    return _is_finite(value) and value >= 0


def _are_hosts(value: object) -> bool:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return False
    names = list(cast("Iterable[object]", value))
    return all(isinstance(name, str) and _is_host(name) for name in names)


is_text = _must_be("the name or address of a host", lambda v: isinstance(v, str) and v != "")
is_port = _must_be("a port from 0 to 65535", lambda v: _is_whole(v) and 0 <= v <= _LAST_PORT)
is_count = _must_be("a whole number of at least 1", _is_count)
is_count_or_none = _must_be(
    "a whole number of at least 1, or None", lambda v: v is None or _is_count(v)
)


def is_at_most(most: int) -> _Validator:
    """Refuse whole numbers above *most*."""
    return _must_be(f"at most {most}", lambda v: not _is_whole(v) or v <= most)


is_not_too_large = is_at_most(_MOST)
is_count_or_function = _must_be(
    f"a whole number of at least 1, {BY_SEGMENT!r}, or a function of the text",
    lambda v: callable(v) or v == BY_SEGMENT or _is_count(v),
)
is_function = _must_be("a function", callable)
is_period = _must_be(
    f"a number of seconds from {_SHORTEST} to {_LONGEST}, a year",
    lambda v: _is_finite(v) and _SHORTEST <= v <= _LONGEST,
)
is_seconds = _must_be("a number of seconds of at least 0", _is_seconds)
is_rule = _must_be(f"one of {', '.join(RULE_NAMES)}", lambda v: v in RULE_NAMES)
is_rate_refusal = _must_be(
    f"one of {', '.join(RATE_REFUSALS)}", lambda v: isinstance(v, str) and v in RATE_REFUSALS
)
is_header = _must_be(
    "seconds, date, none, or one printable line of ASCII for the header",
    lambda v: isinstance(v, str) and v != "" and v.isascii() and v.isprintable(),
)
is_hosts = _must_be("names of hosts, without ports, like ['sandbox', 'sms.test']", _are_hosts)
is_status = _must_be("an HTTP status from 200 to 599", lambda v: _is_whole(v) and v in _STATUSES)


def reusable(value: Iterable[str]) -> Iterable[str]:
    """Store an iterable that can be read only once."""
    return tuple(value) if isinstance(value, Iterator) else value


def is_keys(_sandbox: object, _option: Attribute[Any], keys: object) -> None:
    """Refuse accounts without a key or without a number of credits; no key is shown."""
    if not isinstance(keys, Mapping) or not keys:
        msg = "keys must give the credits of at least one key, like {'cspro_test': 98}"
        raise ValueError(msg)
    accounts = cast("Mapping[object, object]", keys)
    for key, credits_left in accounts.items():
        check_credits(key, credits_left)


def check_credits(key: object, credits_left: object) -> None:
    """
    Refuse an invalid account.

    Raises:
        ValueError: The key is not a text or is empty, or its credits are not a whole number ≥ 0.
    """
    if not isinstance(key, str) or not key:
        msg = "a key must be a text that is not empty, like 'cspro_test'"
        raise ValueError(msg)
    if not _is_whole(credits_left) or credits_left < 0:
        msg = (
            f"the credits of {mask_key(key)} must be a whole number of at least 0, "
            f"not {credits_left!r}"
        )
        raise ValueError(msg)
