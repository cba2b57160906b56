"""Numbers that a caller gives: refused by name, with what would be right."""

from __future__ import annotations

import math
from typing import TypeGuard

from .errors import ConfigurationError

__all__ = ["check_count", "check_seconds", "check_seconds_or_none", "is_number"]


def check_seconds(name: str, value: object, *, or_zero: bool = False) -> float:
    """
    Give a duration back.

    Raises:
        ConfigurationError: It is not a finite number above 0 (or from 0).
    """
    if is_number(value) and (0 < value < math.inf or (or_zero and value == 0)):
        return value
    least = "of at least 0" if or_zero else "above 0"
    msg = f"{name} must be a number of seconds {least}, not {value!r}"
    raise ConfigurationError(msg)


def check_seconds_or_none(name: str, value: object) -> float | None:
    """Give a duration above 0 back, or None."""
    return None if value is None else check_seconds(name, value)


def check_count(name: str, value: object, least: int, most: int | None = None) -> int:
    """
    Give a whole number back.

    Raises:
        ConfigurationError: It is no whole number, or out of its range.
    """
    if _is_whole(value) and value >= least and (most is None or value <= most):
        return value
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    msg = f"{name} must be a whole number {bounds}, not {value!r}"
    raise ConfigurationError(msg)


def is_number(value: object) -> TypeGuard[float]:
    """Whether *value* is a number; True and False are none here."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
