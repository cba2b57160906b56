"""
Key and endpoint: the argument, or the environment where none was given.

Rule of this module: a wrong argument, or a variable that is set and empty, is refused. A silent
fall-back would spend another account's money, or reach the real gateway instead of the sandbox.
"""

from __future__ import annotations

import enum
import os
from typing import Final

from ._values.api_key import ApiKey, read_key
from .errors import ConfigurationError

__all__ = ["NOT_GIVEN", "NotGiven", "find_endpoint", "find_key", "most_connections"]

#: Source: the gateway's documentation of the SMS HTTP API; all its examples but one use this path.
_ENDPOINT: Final = "https://customersms.pro/sms_system/api.php"

#: The most requests under way at once, where the system allows as many files.
_MOST_CONNECTIONS: Final = 500


class NotGiven(enum.Enum):
    """
    The type of `NOT_GIVEN`, which stands for an argument that was left out.

    Settings that may lack a value pass it on with types::

        endpoint: str | NotGiven = settings.endpoint or NOT_GIVEN
        CustomerSMS(endpoint=endpoint)
    """

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return self.name


#: As if the argument had not been given. None is a value, and refused where one is needed.
NOT_GIVEN: Final = NotGiven.NOT_GIVEN


def find_key(given: object) -> ApiKey | ConfigurationError:
    """Return the key, or the error to raise in a frame without it; see `read_key`."""
    if given is not NOT_GIVEN:
        return read_key(given)
    if not os.environ.get("CUSTOMERSMS_API_KEY"):
        return ConfigurationError("api_key is missing; give it, or set CUSTOMERSMS_API_KEY")
    return read_key(os.environ["CUSTOMERSMS_API_KEY"], "CUSTOMERSMS_API_KEY")


def find_endpoint(given: object) -> object:
    """
    Return the endpoint, unchecked.

    Raises:
        ConfigurationError: It is None, or the variable is set and empty.
    """
    if given is None:
        msg = "endpoint must be a URL, or NOT_GIVEN to read CUSTOMERSMS_ENDPOINT, not None"
        raise ConfigurationError(msg)
    if given is not NOT_GIVEN:
        return given
    found = os.environ.get("CUSTOMERSMS_ENDPOINT", _ENDPOINT)
    if not found:  # a variable that failed to be set must not mean the gateway that costs money
        msg = "CUSTOMERSMS_ENDPOINT is set and empty; unset it to use the real gateway"
        raise ConfigurationError(msg)
    return found


def most_connections() -> int:
    """Return how many requests may be under way: half of the files that may be open, or 500."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ModuleNotFoundError:
        return _MOST_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(files // 2, _MOST_CONNECTIONS)) if files > 0 else _MOST_CONNECTIONS
