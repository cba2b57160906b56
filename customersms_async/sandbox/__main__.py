"""
Serve the sandbox from the command line, until Ctrl-C.

``python -m customersms_async.sandbox --port 8025 --credits 500 --limit 100``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ._gateway.accounts import MOST_NUMBERS
from ._gateway.faults import RATE_REFUSALS
from ._gateway.rate_rules import RULE_NAMES
from ._gateway.validation import BY_SEGMENT
from ._sandbox import Sandbox

__all__ = ["DEFAULT_KEY", "main"]

_Add = Callable[..., object]
_Number = TypeVar("_Number", int, float)

#: Name of the account if none is given.
DEFAULT_KEY: Final = "cspro_sandbox"

_EPILOG: Final = """\
Several accounts: --key cspro_one --key cspro_two=50. Faults: --script "500, reset, ok*3",
--standing answer-lost, --probability answer-lost=0.05 --seed 7, --latency "uniform(0.1, 0.5)".
The help page, whose address it prints, lists all faults and how to set them while it runs.
"""


#: The name of this program in its help.
_PROGRAM: Final = "python -m customersms_async.sandbox"


def main(arguments: Sequence[str] | None = None, program: str = _PROGRAM) -> int:
    """
    Serve until interrupted.

    Args:
        arguments: The command line without the program; `sys.argv` if not given.

        program: Its name in its help.

    Returns:
        Exit status: 0 after an interruption, 1 if the address is not available, 2 for an invalid
        option.
    """
    options = _parser(program).parse_args(arguments)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            keys = _keys(options.key or [DEFAULT_KEY], options.credits)
            asyncio.run(_serve(_sandbox(options, keys), next(iter(keys))))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{_explained(error, options.host, options.port)}\n")
        return 1 if isinstance(error, OSError) else 2
    return 0


def _explained(error: OSError | ValueError, host: str, port: int) -> str:
    if isinstance(error, ValueError):
        return str(error)
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; choose another with --port, or a free one with --port 0"
    return f"cannot listen on {host}, port {port}: {error.strerror}; see --host and --port"


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="A local SMS gateway that speaks the documented API and sends nothing.",
        epilog=_EPILOG,
    )
    _add_accounts(parser.add_argument_group("accounts and address").add_argument)
    _add_limit(parser.add_argument_group("limit, for each key").add_argument)
    _add_faults(parser.add_argument_group("faults").add_argument)
    return parser


def _add_accounts(add: _Add) -> None:
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8025, help="port, 0 for a free one (%(default)s)")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name to accept, as in docker-compose; may be repeated",
    )
    add(
        "--key",
        action="append",
        metavar="KEY[=CREDITS]",
        help=f"API key of an account; may be repeated ({DEFAULT_KEY})",
    )
    add("--credits", type=int, default=10_000, help="credits of an account (%(default)s)")
    add(
        "--price",
        type=_price,
        default=1,
        help=f"credits per message, or {BY_SEGMENT}: one per segment (%(default)s)",
    )
    add(
        "--most-numbers",
        type=int,
        default=MOST_NUMBERS,
        help="the most numbers in one request (%(default)s)",
    )


def _add_limit(add: _Add) -> None:
    add("--limit", type=int, help="requests per period; no limit if not given")
    add("--per", type=float, default=60.0, help="the period in seconds (%(default)s)")
    add("--rule", choices=RULE_NAMES, default="sliding-log", help="counting rule (%(default)s)")
    add("--burst", type=int, help="requests at once with gcra (10) and nginx (20)")
    add(
        "--rate-refusal",
        choices=[str(fault) for fault in RATE_REFUSALS],
        default="rate-limited",
        help="how a request above the limit is refused (%(default)s)",
    )
    add(
        "--retry-after",
        default="seconds",
        help="the Retry-After it sends: seconds, date, none or any text (%(default)s)",
    )


def _add_faults(add: _Add) -> None:
    add("--script", default="", help="what happens to the next requests")
    add("--standing", metavar="FAULT", help="what happens to every request")
    add(
        "--probability",
        action="append",
        default=[],
        metavar="FAULT=P",
        help="probability of a fault, from 0 to 1; may be repeated",
    )
    add("--seed", type=int, default=0, help="random seed (%(default)s)")
    add("--latency", default="0", help="seconds before an answer, or a distribution (%(default)s)")
    add("--no-magic", action="store_true", help="ignore magic numbers")


def _sandbox(options: argparse.Namespace, keys: dict[str, int]) -> Sandbox:
    return Sandbox(
        keys=keys,
        host=options.host,
        port=options.port,
        allowed_hosts=options.allow_host,
        price=options.price,
        most_numbers=options.most_numbers,
        limit=options.limit,
        per=options.per,
        rule=options.rule,
        burst=options.burst,
        rate_refusal=options.rate_refusal,
        retry_after=options.retry_after,
        script=options.script,
        standing=options.standing,
        probabilities=dict(map(_probability, options.probability)),
        seed=options.seed,
        latency=options.latency,
        magic=not options.no_magic,
    )


def _keys(given: Sequence[str], otherwise: int) -> dict[str, int]:
    return {
        key: _number("credits of a key", text, int) if equals else otherwise
        for key, equals, text in (one.partition("=") for one in given)
    }


def _price(given: str) -> int | str:
    return given if given == BY_SEGMENT else int(given)


def _probability(given: str) -> tuple[str, float]:
    fault, equals, text = given.partition("=")
    if not equals:
        msg = f"--probability must be like answer-lost=0.05, not {given!r}"
        raise ValueError(msg)
    return fault, _number(f"probability of {fault}", text, float)


def _number(name: str, text: str, kind: Callable[[str], _Number]) -> _Number:
    try:
        return kind(text)
    except ValueError:
        msg = f"the {name} must be a number, not {text!r}"
        raise ValueError(msg) from None


async def _serve(sandbox: Sandbox, key: str) -> None:
    async with sandbox:
        sys.stdout.write(
            f"The sandbox listens at {sandbox.url} and sends nothing. Ctrl-C stops it.\n"
            f"Inbox  {sandbox.inbox_url}\n"
            f"Help   {sandbox.help_url}\n\n"
            f"export CUSTOMERSMS_API_KEY={key}\n"
            f"export CUSTOMERSMS_ENDPOINT={sandbox.endpoint}\n"
        )
        sys.stdout.flush()
        await _termination()


async def _termination() -> None:
    """Wait for SIGTERM, which stops it like Ctrl-C; containers are stopped that way."""
    ended = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


if __name__ == "__main__":
    sys.exit(main())
