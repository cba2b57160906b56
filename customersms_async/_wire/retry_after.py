"""
How long a server asks to wait when it refuses a request for the rate.

Rule of this module: hints can only make the pause longer. Of several hints the longest counts, none
counts for more than `LONGEST_PAUSE`, and unreadable ones are ignored.

Sources: RFC 9110, sections 10.2.3 and 5.6.7, for ``Retry-After``.
draft-ietf-httpapi-ratelimit-headers, in seconds from now: revisions 03 to 07 have
``RateLimit-Reset: 15`` and ``RateLimit: limit=100, remaining=0, reset=15``, later ones
``RateLimit: "default";r=0;t=15``. ``X-RateLimit-Reset`` has no standard: some give seconds from
now, others (GitHub) an instant in Unix time.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from collections.abc import Iterator, Mapping
from typing import Final

from .._ports.limiter import LONGEST_PAUSE
from .._values.refusal_words import word
from .lenient_json import Object, object_of

__all__ = ["asked_in", "asked_pause", "parse_retry_after"]

_SECONDS: Final = re.compile(r"[0-9]+")
_NUMBER: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,9})?")
_QUOTED: Final = re.compile(r'"[^"]*"')
_RESET: Final = re.compile(r"(?:^|[;,\s])(?:reset|t)=([0-9]+)")
_REMAINING: Final = re.compile(r"(?:^|[;,\s])(?:remaining|r)=0*[1-9]")
_SOME: Final = re.compile(r"0*[1-9][0-9]*")
_RESET_HEADERS: Final = (
    ("RateLimit-Reset", "RateLimit-Remaining"),
    ("X-RateLimit-Reset", "X-RateLimit-Remaining"),
    ("X-Rate-Limit-Reset", "X-Rate-Limit-Remaining"),
    ("X-RateLimit-Reset-After", "X-RateLimit-Remaining"),
)
_FIELDS: Final = {
    "RETRY_AFTER": 1.0,
    "RETRYAFTER": 1.0,
    "RETRY_AFTER_SECONDS": 1.0,
    "RETRY_AFTER_SEC": 1.0,
    "RETRY_AFTER_MS": 0.001,
}
_DEEPEST: Final = 3
#: From here on a number is a Unix timestamp: as seconds from now it would be 31 years.
_UNIX_TIME: Final = 1e9
_UNIX_TIME_IN_MS: Final = 1e12
_NO_NUMBER: Final = 1e18


def asked_pause(
    headers: Mapping[str, str], in_body: float | None = None, own: float = 1.0
) -> float | None:
    """
    Return how long a refusal for the rate asks to wait.

    Args:
        headers: The headers of the refusal; names are case-insensitive.

        in_body: The pause that its body asks for; see `asked_in`.

        own: Seconds to wait without a hint. A shorter hint other than ``Retry-After`` is ignored,
            since it would only cause the next refusal sooner.

    Returns:
        Seconds from 0 to 600; None if there is no usable hint.
    """
    date = headers.get("Date")
    hints = [_from_now(hint, date) for hint in (in_body, *_resets(headers)) if hint is not None]
    asked = [hint for hint in hints if hint is not None and hint >= own]
    retry_after = parse_retry_after(headers.get("Retry-After"), date)
    if retry_after is not None:
        asked.append(retry_after)
    return min(max(asked), LONGEST_PAUSE) if asked else None


def asked_in(found: Object) -> float | None:
    """Find ``retry_after`` in an answer, in any spelling and in nested objects."""
    return max(_fields(found, _DEEPEST), default=None)


def parse_retry_after(value: str | None, date: str | None) -> float | None:
    """
    Read a ``Retry-After`` header.

    Args:
        value: The header: seconds in ASCII digits, or an HTTP date.

        date: The ``Date`` header of the same answer. A date is relative to the server's own clock,
            so that an error of our clock does not matter.

    Returns:
        Seconds from 0 to 600, or None if it is not usable.

    Source: RFC 9110, sections 10.2.3 and 5.6.7; a date without a zone is UTC.
    """
    if value is None:
        return None
    seconds = value.strip(" \t")  # what counts as white space in a header
    if _SECONDS.fullmatch(seconds):
        return min(float(seconds), LONGEST_PAUSE)
    until, now = _http_date(value), _http_date(date or "")
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), LONGEST_PAUSE)


def _http_date(value: str) -> dt.datetime | None:
    try:
        parsed = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


def _resets(headers: Mapping[str, str]) -> Iterator[float | None]:
    """Read the headers that say when an exhausted limit is reset."""
    for reset, remaining in _RESET_HEADERS:
        if not _SOME.fullmatch(headers.get(remaining, "").strip()):
            yield _number(headers.get(reset))
    plain = _QUOTED.sub("", headers.get("RateLimit", ""))
    # Up to revision 07 there is one limit with comma-separated parts, later a list of limits.
    for limit in [plain] if "reset=" in plain else plain.split(","):
        found = _RESET.search(limit)
        if found and not _REMAINING.search(limit):
            yield _number(found[1])


def _fields(found: Object, depth: int) -> Iterator[float]:
    for name, value in found.items():
        inner = object_of(value)
        if inner is not None and depth > 1:
            yield from _fields(inner, depth - 1)
        elif (unit := _FIELDS.get(word(name) or "")) and (number := _number(value)) is not None:
            yield number * unit


def _number(value: object) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _NO_NUMBER else None


def _from_now(hint: float, date: str | None) -> float | None:
    """Read a hint as seconds from now or as a timestamp, depending on its size."""
    if hint < _UNIX_TIME:
        return hint
    now = _http_date(date or "")
    if now is None:
        return None
    return hint / (1_000 if hint >= _UNIX_TIME_IN_MS else 1) - now.timestamp()
