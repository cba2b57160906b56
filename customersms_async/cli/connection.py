"""
The client of a command.

Rule of this module: the key comes from the environment, from a file or from a prompt; never from an
option, which others on the machine can read in the list of processes, and which a shell remembers.
"""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from .._environment import NOT_GIVEN, NotGiven, find_endpoint
from .._values.validation import is_loopback
from ..client import CustomerSMS
from ..phones import ParsePhone, national, normalize_phone
from .console import say

__all__ = ["Connection", "parser_of"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Connection:
    """With which key, and to which gateway."""

    key_file: Annotated[
        Path | None, Parameter(help="A file with the key, instead of CUSTOMERSMS_API_KEY.")
    ] = None
    endpoint: Annotated[
        str | None, Parameter(help="The URL of another gateway, as CUSTOMERSMS_ENDPOINT.")
    ] = None

    def open(self, parse_phone: ParsePhone = normalize_phone) -> CustomerSMS:
        """
        Make a client.

        Raises:
            ConfigurationError: There is no key, or the key or the endpoint cannot be one.
            OSError: The file of the key cannot be read.
        """
        return CustomerSMS(
            self._key(), endpoint=self.endpoint or NOT_GIVEN, parse_phone=parse_phone
        )

    def announce(self, messages: int) -> None:
        """Say that messages will be paid for, unless the gateway is on this machine."""
        host = urlsplit(str(find_endpoint(self.endpoint or NOT_GIVEN))).hostname or ""
        if not is_loopback(host):
            noun = "message" if messages == 1 else "messages"
            say(f"{host} is a real gateway: {messages:,} {noun} will be paid for.")

    def _key(self) -> str | NotGiven:
        if self.key_file is not None:
            return self.key_file.read_text("utf-8").strip()
        if os.environ.get("CUSTOMERSMS_API_KEY") or not sys.stdin.isatty():
            return NOT_GIVEN
        return getpass.getpass("API key: ", stream=sys.stderr).strip()


def parser_of(country: str | None) -> ParsePhone:
    """Give what reads numbers."""
    return normalize_phone if country is None else national(country)
