"""
The client of a command.

Rule of this module: the key comes from the environment, from a file or from a prompt; never from an
option, which others on the machine can read in the list of processes, and which a shell remembers.
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
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from .._environment import NOT_GIVEN, NotGiven, find_endpoint
from .._ports.limiter import Limiter
from .._ports.network_guard import limiter_in_force
from .._values.validation import check_endpoint, is_this_machine
from ..client import CustomerSMS
from ..errors import ConfigurationError
from ..limiters import FileLimiter, LocalLimiter
from .console import say
from .log_lines import told

__all__ = ["Connection"]


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

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[CustomerSMS]:
        """
        Make a client, with a limit that all commands of this user keep together.

        Raises:
            ConfigurationError: There is no key, or the key or the endpoint cannot be one.
            OSError: The file of the key cannot be read.
        """
        key = self._key()
        endpoint = self.endpoint or NOT_GIVEN
        async with contextlib.AsyncExitStack() as stack:
            limiter: Limiter | NotGiven = NOT_GIVEN
            if (path := _limit_file()) is not None:
                limiter = await stack.enter_async_context(FileLimiter(path))
            stack.enter_context(told())
            yield await stack.enter_async_context(
                CustomerSMS(key, endpoint=endpoint, limiter=limiter)
            )

    @contextlib.asynccontextmanager
    async def known(self) -> AsyncGenerator[CustomerSMS | None]:
        """
        Make a client that says which account and gateway are set, and sends nothing.

        It is None where no key is set, or what is set cannot be used: nobody is asked for one.
        """
        async with contextlib.AsyncExitStack() as stack:
            client = None
            with contextlib.suppress(ConfigurationError, OSError):
                if self.key_file is not None or os.environ.get("CUSTOMERSMS_API_KEY"):
                    client = CustomerSMS(
                        self._key(),
                        endpoint=self.endpoint or NOT_GIVEN,
                        limiter=LocalLimiter(),
                    )
                    await stack.enter_async_context(client)
            yield client

    def announce(self, messages: int) -> None:
        """
        Say that messages will be paid for, unless the gateway is on this machine.

        Raises:
            ConfigurationError: The endpoint cannot be one.
        """
        found = find_endpoint(self.endpoint or NOT_GIVEN)
        endpoint = check_endpoint(found, allow_insecure_http=False)
        if messages and not is_this_machine(endpoint):
            host = urlsplit(endpoint).hostname
            noun = "message" if messages == 1 else "messages"
            say(f"{host} is a real gateway: {messages:,} {noun} will be paid for.")

    def _key(self) -> str | NotGiven:
        if self.key_file is not None:
            return _text_of(self.key_file).strip()
        if os.environ.get("CUSTOMERSMS_API_KEY"):
            return NOT_GIVEN
        if not sys.stdin.isatty():
            msg = "there is no key; set CUSTOMERSMS_API_KEY, or name a file with it by --key-file"
            raise ConfigurationError(msg)
        return getpass.getpass("API key: ", stream=sys.stderr).strip()


def _text_of(file: Path) -> str:
    """Read a small file as editors and shells of Windows write it, too: with a byte-order mark."""
    content = file.read_bytes()
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")


def _limit_file() -> Path | None:
    """
    Name the file that remembers what was sent, so that a command begun again keeps the limit.

    None where the environment says how the limit is kept, a test does, or no file can be made.
    """
    if os.environ.get("CUSTOMERSMS_LIMITER") or limiter_in_force() is not None:
        return None
    folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(folder) / "customersms" / "limit.db"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        say(f"what is sent will not be remembered by later commands: {exc}")
        return None
    return path
