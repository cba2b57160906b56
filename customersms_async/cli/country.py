"""The parser of numbers for a country given on the command line."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..phones import ParsePhone, national, normalize_phone
from .exits import UsageError

__all__ = ["parser_of"]


def parser_of(country: str | None) -> ParsePhone:
    """
    Return the parser of numbers.

    Raises:
        UsageError: There is no such country.
        ModuleNotFoundError: phonenumbers is not installed.
    """
    if country is None:
        return normalize_phone
    try:
        return national(country)
    except ConfigurationError as exc:
        msg = f"--{exc}"
        raise UsageError(msg) from None
