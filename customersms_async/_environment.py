"""
Key and endpoint: the argument, else the environment.

Rule of this module: what was given wrongly, or set and left empty, is refused. A silent fall-back
would spend another account's money, or real money instead of the sandbox's.
"""

from __future__ import annotations

import enum
import os
from typing import Final

from ._key import ApiKey, read_key
from .errors import ConfigurationError

__all__ = ["FROM_ENVIRONMENT", "FromEnvironment", "find_endpoint", "find_key"]

#: Source: the gateway's documentation of the SMS HTTP API; all its examples but one use this path.
_ENDPOINT: Final = "https://customersms.pro/sms_system/api.php"


class FromEnvironment(enum.Enum):
    """Stands for an argument that was not given; None would be one that was."""

    VALUE = "read from the environment"


FROM_ENVIRONMENT: Final = FromEnvironment.VALUE


def find_key(given: object) -> ApiKey | ConfigurationError:
    """Give the key, or the error to raise where no local variable holds it; see `read_key`."""
    if given is not FROM_ENVIRONMENT:
        return read_key(given)
    if not os.environ.get("CUSTOMERSMS_API_KEY"):
        return ConfigurationError("api_key is missing; give it, or set CUSTOMERSMS_API_KEY")
    return read_key(os.environ["CUSTOMERSMS_API_KEY"])


def find_endpoint(given: object) -> object:
    """
    Give the endpoint, unchecked.

    Raises:
        ConfigurationError: The variable is set and empty.
    """
    if given is not FROM_ENVIRONMENT:
        return given
    found = os.environ.get("CUSTOMERSMS_ENDPOINT", _ENDPOINT)
    if not found:  # a variable that failed to be set must not mean the gateway that costs money
        msg = "CUSTOMERSMS_ENDPOINT is set and empty; unset it to use the real gateway"
        raise ConfigurationError(msg)
    return found
