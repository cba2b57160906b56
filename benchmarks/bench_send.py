"""
The cost of one message: CPU time of the client's process, compared with its peers.

1, 10 and 50 messages are in flight, to a fast gateway in a separate process. All take turns in each
round. The results go to ``benchmarks/results``: ``send.json`` and ``send.md``.
It fails if our client costs more than 1.15 × the same POST with aiohttp and orjson, or 1.2 × with
one in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
from collections.abc import Mapping, Sequence

from benchmarks._gateway import gateway
from benchmarks._results import Bound, Result, Row, Table, median
from benchmarks._rounds import Rounds, cpu_rounds, ratio
from benchmarks.send.senders import BARE, OURS, QUICK, SENDERS, SendAll

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "101"))
IN_FLIGHT = (1, 10, 50)
#: Messages per round, for the fast clients and for the others.
MANY, FEW = 100, 50
PACKAGES = (
    "customersms-async",
    "aiohttp",
    "orjson",
    "httpx",
    "niquests",
    "requests",
    "telnyx",
    "twilio",
)

#: CPU relative to `BARE`, by requests in flight.
MOST = {1: 1.20, 10: 1.15, 50: 1.15}


async def _work(send_all: SendAll, count: int) -> int:
    await send_all([f"+1212{number:07d}" for number in range(count)])
    return count


async def measure(base: str, in_flight: int) -> Mapping[str, Sequence[float]]:
    """Return the microseconds per message, by client, one figure per round."""
    async with contextlib.AsyncExitStack() as stack:
        works = {
            name: functools.partial(
                _work,
                await stack.enter_async_context(sender(base, in_flight)),
                MANY if name in QUICK else FEW,
            )
            for name, sender in SENDERS.items()
        }
        return await cpu_rounds(works, ROUNDS)


def _row(name: str, seen: Mapping[int, Rounds]) -> Row:
    row: dict[str, object] = {"client": name}
    for in_flight, rounds in seen.items():
        row[f"{in_flight} in flight, µs"] = median(rounds[name])
    for in_flight, rounds in seen.items():
        row[f"{in_flight}: ÷ {BARE}"] = ratio(rounds, name, BARE)
    return row  # type: ignore[return-value]  # every value is a cell


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    with gateway() as base:
        seen = {number: asyncio.run(measure(base, number)) for number in IN_FLIGHT}
    note = (
        f"CPU time of the client's process for one message: median (lowest–highest) of {ROUNDS} "
        "rounds in which all take turns, and the median of the rounds' ratios. Connections stay "
        "open. requests blocks: above one in flight each caller has a thread and a session. "
        "twilio and telnyx send the request of their own API, and are answered as it documents."
    )
    rows = [_row(name, seen) for name in SENDERS]
    return Result(
        name="send",
        title="What one message costs",
        packages=PACKAGES,
        tables={"cpu": Table("CPU of one message", rows, note)},
        bounds=[
            Bound(
                f"{OURS}, {number} in flight: CPU ÷ {BARE}'s",
                ratio(rounds, OURS, BARE),
                MOST[number],
            )
            for number, rounds in seen.items()
        ],
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
