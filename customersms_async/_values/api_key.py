"""
The API key: a value that hides itself.

Rule of this module: `ApiKey.reveal` is called in two places: where the body of a request is made,
and where the key is removed from an error text.
"""

import hashlib
import re
from typing import Final, NoReturn

from ..errors import ConfigurationError

__all__ = ["ApiKey", "read_key"]

#: A shorter key, as tests have, may be part of an ordinary word of an answer.
_SHORTEST_KEY = 8


class ApiKey:
    """
    A key that never shows itself.

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
        if len(self._encoded) < _SHORTEST_KEY:
            return answer
        return answer.replace(self._encoded, b"[hidden]")

    def __repr__(self) -> str:
        return f"<ApiKey of account {self.account}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self.account)

    def __reduce__(self) -> NoReturn:
        msg = "an API key is not pickled; create the client where it is needed"
        raise TypeError(msg)


# What wraps a key in an env file or a template, and what is wrong with it. The first match counts.
_WRAPPED: Final = (
    (re.compile(r"\s.*|.*\s", re.DOTALL), "has white space around it; take it away"),
    (re.compile(r"[\"'`].*|.*[\"'`]"), "has quotes around it, as an env file has; take them away"),
    (re.compile(r"[A-Z_]*API_KEY=.*"), "has the name of a variable before it; take it away"),
    (re.compile(r"\$[{(\w].*|%\w+%|\{\{.*|<.*>"), "is a placeholder that nothing has filled in"),
)


def read_key(value: object, name: str = "api_key") -> ApiKey | ConfigurationError:
    """
    Make a key of an option.

    The error is returned and not raised: crash reporters show the locals of a frame that raises,
    and here the key would be one of them.

    Args:
        value: What was given; a key that was read before is given back.

        name: Where it was given: the argument or the variable.
    """
    if isinstance(value, ApiKey):
        return value
    problem = _problem(value) if isinstance(value, str) else _kind_problem(value)
    if isinstance(value, str) and problem is None:
        return ApiKey(value)
    return ConfigurationError(f"{name} {problem}; give the key as the gateway shows it")


def _kind_problem(value: object) -> str:
    return f"must be a string, not {type(value).__name__}"


def _problem(value: str) -> str | None:
    if not value:
        return "is empty"
    for wrapped, problem in _WRAPPED:
        if wrapped.fullmatch(value):
            return problem
    if not (value.isascii() and value.isprintable()) or " " in value:
        return "must be printable ASCII without spaces and line ends"
    return None
