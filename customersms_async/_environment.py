"""
Key and endpoint: from the argument, or from the environment if it is omitted.

Rule of this module: a wrong argument, or a variable that is set but empty, is an error. A silent
fallback would spend another account's money, or reach the real gateway instead of the sandbox.
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

#: The most requests in flight, if the system allows that many files.
_MOST_CONNECTIONS: Final = 500


class NotGiven(enum.Enum):
    """
    The type of `NOT_GIVEN`, which stands for an omitted argument.

    It lets typed settings pass on an optional value::

        endpoint: str | NotGiven = settings.endpoint or NOT_GIVEN
        CustomerSMS(endpoint=endpoint)
    """

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return self.name


#: As if the argument were omitted. None is a value, and is refused where a value is required.
NOT_GIVEN: Final = NotGiven.NOT_GIVEN


def find_key(given: object) -> ApiKey | ConfigurationError:
    """Return the key, or the error to raise in a frame without it; see `read_key`."""
    if given is not NOT_GIVEN:
        return read_key(given)
    if not os.environ.get("CUSTOMERSMS_API_KEY"):
        return ConfigurationError("api_key is missing; pass it, or set CUSTOMERSMS_API_KEY")
    return read_key(os.environ["CUSTOMERSMS_API_KEY"], "CUSTOMERSMS_API_KEY")


def find_endpoint(given: object) -> object:
    """
    Return the endpoint, unchecked.

    Raises:
        ConfigurationError: It is None, or the variable is set but empty.
    """
    if given is None:
        msg = "endpoint must be a URL, or NOT_GIVEN to read CUSTOMERSMS_ENDPOINT, not None"
        raise ConfigurationError(msg)
    if given is not NOT_GIVEN:
        return given
    found = os.environ.get("CUSTOMERSMS_ENDPOINT", _ENDPOINT)
    if not found:  # an empty variable must not silently select the real gateway
        msg = "CUSTOMERSMS_ENDPOINT is set but empty; unset it to use the real gateway"
        raise ConfigurationError(msg)
    return found


def most_connections() -> int:
    """Return how many requests may be in flight: half of the open-file limit, at most 500."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ModuleNotFoundError:
        return _MOST_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(files // 2, _MOST_CONNECTIONS)) if files > 0 else _MOST_CONNECTIONS
