"""
Parameters of an HTTP call, from its query or its JSON body.

Rule of this module: a bad value or an unknown name is an error that names it and says what would be
right; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from attrs import frozen

from .._gateway.clock import read_seconds
from .._gateway.masking import mask_key, mask_keys
from .._gateway.message_query import MessageQuery
from .._gateway.records import number_in

__all__ = ["NotFound", "Parameters", "read_object"]

#: Trailing digits by which a masked key may be named.
_SHORT: Final = 6


class NotFound(LookupError):
    """There is no such account, message or request."""


@frozen
class Parameters:
    """
    The parameters of a call.

    Attributes:
        values: By name; texts from a query or a path, anything from JSON.
    """

    values: Mapping[str, object]

    def check(self, known: Iterable[str]) -> None:
        """
        Refuse names that are not *known*.

        Raises:
            ValueError: A name is unknown; the text lists the known ones.
        """
        names = list(known)
        for name in self.values:
            if name not in names:
                right = f"takes {', '.join(names)}" if names else "takes none"
                msg = f"there is no parameter {mask_keys(name)!r}; this call {right}"
                raise ValueError(msg)

    def text(self, name: str) -> str | None:
        """Return a text; None if it was not given."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            msg = f"{name} must be a text, not {value!r}"
            raise ValueError(msg)
        return value

    def required(self, name: str) -> str:
        """Return a text that is required and not empty."""
        value = self.text(name)
        if not value:
            msg = f"{name} is missing"
            raise ValueError(msg)
        return value

    def count(self, name: str, otherwise: int, most: int) -> int:
        """Return a whole number from 1 to *most*."""
        value = self.values.get(name, otherwise)
        number = int(value) if isinstance(value, str) and _is_number(value) else value
        if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most:
            return number
        msg = f"{name} must be a whole number from 1 to {most}, not {value!r}"
        raise ValueError(msg)

    def seconds(self, name: str, otherwise: float, most: float) -> float:
        """Return a number of seconds from 0 to *most*."""
        value = self.values.get(name, otherwise)
        if isinstance(value, str):
            value = _number_or_text(value)
        return read_seconds(name, value, most)

    def one_of(self, name: str, words: Iterable[str]) -> str | None:
        """Return one of *words*; None if it was not given."""
        value = self.text(name)
        right = list(words)
        if value is not None and value not in right:
            msg = f"{name} must be one of {', '.join(right)}, not {value!r}"
            raise ValueError(msg)
        return value

    def number(self, name: str) -> int | None:
        """Return the id of a request, or the number in a message id; None if it was not given."""
        if name not in self.values:
            return None
        given = str(self.values[name])
        number = number_in(given)
        if not number and given != "0":  # 0 precedes the first id; paging begins there
            msg = f"{name} must be an id like 7 or 'msg_123456', not {self.values[name]!r}"
            raise ValueError(msg)
        return number

    def key(self, known: Iterable[str]) -> str | None:
        """
        Find a key by its value, its masked name, or the six digits of that.

        Raises:
            NotFound: It is not *known*.
        """
        given = self.text("key")
        if given is None:
            return None
        keys = list(known)
        if given in keys:
            return given
        found = next((key for key in keys if mask_key(key).endswith(given[-_SHORT:])), None)
        if found is None or given not in (mask_key(found), mask_key(found)[-_SHORT:]):
            msg = f"key {_safe(given)} has no account here; GET /_sandbox/status lists them"
            raise NotFound(msg)
        return found

    def query(self, key: str | None) -> MessageQuery:
        """Return the query for messages."""
        return MessageQuery(
            phone=self.text("phone") or None,
            contains=self.text("contains") or None,
            key=key,
            request=self.number("request"),
            after=self.number("after") or 0,
        )


def read_object(body: bytes) -> dict[str, Any]:
    """
    Read the body of a call; an empty body means no parameters.

    Raises:
        ValueError: It is not a JSON object.
    """
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        msg = 'the body must be a JSON object, like {"advance": 60}'
        raise ValueError(msg) from None


def _safe(key: str) -> str:
    """Quote a masked key, mask any other."""
    return repr(key) if "…" in key or len(key) <= _SHORT else mask_key(key)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
