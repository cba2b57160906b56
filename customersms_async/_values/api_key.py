"""
The API key, as a value that is never shown.

Rule of this module: `ApiKey.reveal` is called in two places only: where the body of a request is
built, and where the key is removed from an error text.
"""

import hashlib
import re
from typing import Final, NoReturn

from ..errors import ConfigurationError
from .redaction import HIDDEN, SHORTEST_KEY

__all__ = ["ApiKey", "read_key"]

_HIDDEN: Final = HIDDEN.encode()


class ApiKey:
    """
    An API key that its ``repr`` and pickles never show.

    Attributes:
        account: 12 hexadecimal digits that stand for the key in logs and in shared state: the
            first 6 bytes of a BLAKE2b hash, from which the key cannot be recovered.
    """

    __slots__ = ("_encoded", "_value", "account")

    def __init__(self, value: str) -> None:
        self._value = value
        self._encoded = value.encode()
        digest = hashlib.blake2b(self._encoded, digest_size=6, person=b"customersms")
        self.account: str = digest.hexdigest()

    def reveal(self) -> str:
        """Return the key itself."""
        return self._value

    def hide_in(self, answer: bytes) -> bytes:
        """Replace the key in an answer that echoes it."""
        if len(self._encoded) < SHORTEST_KEY:
            return answer
        return answer.replace(self._encoded, _HIDDEN)

    def __repr__(self) -> str:
        return f"<ApiKey of account {self.account}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self.account)

    def __reduce__(self) -> NoReturn:
        msg = "an API key cannot be pickled; create the client where it is needed"
        raise TypeError(msg)


# What may surround a key in an env file or a template, and what is wrong. The first match counts.
_WRAPPED: Final = (
    (re.compile(r"\s.*|.*\s", re.DOTALL), "has white space around it; remove it"),
    (re.compile(r"[\"'`].*|.*[\"'`]"), "has quotes around it, as in an env file; remove them"),
    (re.compile(r"[A-Z_]*API_KEY=.*"), "has the name of a variable before it; remove it"),
    (re.compile(r"\$[{(\w].*|%\w+%|\{\{.*|<.*>"), "is a placeholder that was not filled in"),
)


def read_key(value: object, name: str = "api_key") -> ApiKey | ConfigurationError:
    """
    Read a key from an option.

    The error is returned, not raised: crash reporters show the locals of a raising frame, and here
    the key would be one of them.

    Args:
        value: The option; an `ApiKey` is returned as it is.

        name: The argument or variable it comes from.
    """
    if isinstance(value, ApiKey):
        return value
    problem = _problem(value) if isinstance(value, str) else _kind_problem(value)
    if isinstance(value, str) and problem is None:
        return ApiKey(value)
    return ConfigurationError(f"{name} {problem}; use the key as the gateway shows it")


def _kind_problem(value: object) -> str:
    return f"must be a string, not {type(value).__name__}"


def _problem(value: str) -> str | None:
    if not value:
        return "is empty"
    for wrapped, problem in _WRAPPED:
        if wrapped.fullmatch(value):
            return problem
    if not (value.isascii() and value.isprintable()) or " " in value:
        return "must be printable ASCII without spaces or line breaks"
    return None
