"""
Serve the sandbox from the command line, until Ctrl-C.

``python -m customersms_async.sandbox --port 8025 --credits 500 --limit 100``
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence

from ._rules import RULE_NAMES
from ._sandbox import Sandbox

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Serve until interrupted.

    Args:
        arguments: The command line without the program; `sys.argv` if not given.

    Returns:
        Exit status: 0 after an interruption, 1 if the address cannot be had, 2 for an option
        that cannot be.
    """
    options = _parser().parse_args(arguments)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(_sandbox(options), options.key))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1 if isinstance(error, OSError) else 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m customersms_async.sandbox",
        description="A local SMS gateway that speaks the documented API and sends nothing.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8025, help="port, 0 for a free one (%(default)s)")
    add("--key", default="cspro_sandbox", help="API key of the account (%(default)s)")
    add("--credits", type=int, default=10_000, help="credits of the account (%(default)s)")
    add("--limit", type=int, help="requests in a period; no limit if not given")
    add("--per", type=float, default=60.0, help="the period in seconds (%(default)s)")
    add("--rule", choices=RULE_NAMES, default="sliding-log", help="counting rule (%(default)s)")
    add("--latency", type=float, default=0.0, help="seconds before each answer (%(default)s)")
    return parser


def _sandbox(options: argparse.Namespace) -> Sandbox:
    return Sandbox(
        keys={options.key: options.credits},
        host=options.host,
        port=options.port,
        limit=options.limit,
        per=options.per,
        rule=options.rule,
        latency=options.latency,
    )


async def _serve(sandbox: Sandbox, key: str) -> None:
    async with sandbox:
        sys.stdout.write(
            f"The sandbox listens at {sandbox.url} and sends nothing. Ctrl-C ends it.\n\n"
            f"export CUSTOMERSMS_API_KEY={key}\n"
            f"export CUSTOMERSMS_ENDPOINT={sandbox.endpoint}\n"
        )
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
