"""
The client of a command.

Rule of this module: the key comes from the environment, a file or a prompt. It is never an option:
others on the machine can see options in the process list, and shells keep them in their history.
"""

from __future__ import annotations

import codecs
import contextlib
import getpass
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from cyclopts import Parameter

from .._environment import NOT_GIVEN, NotGiven, find_endpoint
from .._ports.limiter import Limiter
from .._ports.network_guard import limiter_in_force
from .._values.validation import check_endpoint, is_this_machine
from ..client import CustomerSMS
from ..errors import ConfigurationError
from ..limiters import FileLimiter, LocalLimiter
from .console import counted, say
from .interrupts import at_once
from .log_lines import log_shown

__all__ = ["FROM_ENVIRONMENT", "Connection"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Connection:
    """Which key and which gateway to use."""

    key_file: Annotated[
        Path | None, Parameter(help="A file with the key, instead of CUSTOMERSMS_API_KEY.")
    ] = None
    endpoint: Annotated[
        str | None, Parameter(help="The URL of another gateway, as CUSTOMERSMS_ENDPOINT.")
    ] = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[CustomerSMS]:
        """
        Make a client, with a limit that all commands of this user share.

        Raises:
            ConfigurationError: There is no key, or the key or the endpoint is not valid.
            OSError: The key file cannot be read.
        """
        key = self._key()
        endpoint = self.endpoint or NOT_GIVEN
        async with contextlib.AsyncExitStack() as stack:
            limiter: Limiter | NotGiven = NOT_GIVEN
            if (path := _limit_file()) is not None:
                limiter = await stack.enter_async_context(FileLimiter(path))
            stack.enter_context(log_shown())
            yield await stack.enter_async_context(
                CustomerSMS(key, endpoint=endpoint, limiter=limiter)
            )

    @contextlib.asynccontextmanager
    async def known(self) -> AsyncGenerator[CustomerSMS | None]:
        """
        Make a client that knows which account and gateway are set, and sends nothing.

        It is None if no key is set, or it cannot be used; there is no prompt for one.
        """
        client = self._silent_client()
        async with client or contextlib.nullcontext():
            yield client

    def _silent_client(self) -> CustomerSMS | None:
        if self.key_file is None and not os.environ.get("CUSTOMERSMS_API_KEY"):
            return None
        endpoint, limiter = self.endpoint or NOT_GIVEN, LocalLimiter()
        try:
            return CustomerSMS(self._key(), endpoint=endpoint, limiter=limiter)
        except (ConfigurationError, OSError):
            return None

    def announce(self, messages: int) -> None:
        """
        Announce that messages will cost money, unless the gateway is on this machine.

        Raises:
            ConfigurationError: The endpoint is not valid.
        """
        found = find_endpoint(self.endpoint or NOT_GIVEN)
        endpoint = check_endpoint(found, allow_insecure_http=False)
        if messages and not is_this_machine(endpoint):
            host = urlsplit(endpoint).hostname
            say(f"{host} is a real gateway: {counted(messages, 'message')} will cost money.")

    def _key(self) -> str | NotGiven:
        if self.key_file is not None:
            return _text_of(self.key_file).strip()
        if os.environ.get("CUSTOMERSMS_API_KEY"):
            return NOT_GIVEN
        if not sys.stdin.isatty():
            msg = "there is no key; set CUSTOMERSMS_API_KEY, or use --key-file"
            raise ConfigurationError(msg)
        with at_once():
            return getpass.getpass("API key: ", stream=sys.stderr).strip()


FROM_ENVIRONMENT: Final = Connection()


def _text_of(file: Path) -> str:
    """Read a small file, with or without the byte-order mark that Windows programs write."""
    content = file.read_bytes()
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")


def _limit_file() -> Path | None:
    """
    Return the file that remembers what was sent, so that later commands keep the limit.

    None if the environment or a test chooses the limiter, or the file cannot be created.
    """
    if os.environ.get("CUSTOMERSMS_LIMITER") or limiter_in_force() is not None:
        return None
    try:
        folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(folder) / "customersms" / "limit.db"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as exc:  # a user of a container may have no home
        say(f"later commands will not know what this one sends: {exc}")
        return None
    return path
