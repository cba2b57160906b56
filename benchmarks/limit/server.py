"""
What the server sees: a thousand waiting requests, sent over a network with jitter.

Each request takes 10 to 500 ms to the server and 10 to 500 ms back, at random. There six rules
count it independently, each in a minute that begins at a random time. A refused request is only
counted, and repeated only in `repeated_until_accepted`.

This module needs no peers, so that a test can hold our own limiter to the same bounds.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence

from attrs import define, field, frozen

from benchmarks.limit.contestants import ACCOUNT, LIMIT, LONGEST, PER, Contestant, Ours
from customersms_async import Lane, Ticket
from customersms_async.sandbox._gateway.rate_rules import RULE_NAMES, Rule, RuleName, make_rule

__all__ = [
    "COUNT",
    "SEEDS",
    "Departure",
    "Feedback",
    "Network",
    "Sight",
    "departures",
    "look",
    "repeated_until_accepted",
]

#: Callers that wait at once.
COUNT = 1_000

#: The seeds of the runs.
SEEDS = range(20)

_SHORTEST, _LONGEST = 0.010, 0.500


class Network:
    """
    One-way latencies of each request, and the second of the server's minute at the start.

    The seconds of all `SEEDS` are spread evenly, since fixed windows depend on little else.
    """

    def __init__(self, seed: int, count: int = COUNT) -> None:
        dice = random.Random(seed)
        self.there = [dice.uniform(_SHORTEST, _LONGEST) for _ in range(count)]
        self.back = [dice.uniform(_SHORTEST, _LONGEST) for _ in range(count)]
        self.phase = PER * (seed % len(SEEDS) + dice.random()) / len(SEEDS)


@frozen
class Departure:
    """The time at which a caller left, in seconds since all began to wait."""

    caller: int
    at: float


async def departures(contestant: Contestant, network: Network) -> list[Departure]:
    """Let all callers wait at once and send when they may; return them in that order."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    left: list[Departure] = []

    async def send(caller: int) -> None:
        left.append(Departure(caller, loop.time() - began_at))
        await asyncio.sleep(network.there[caller] + network.back[caller])

    await contestant.for_each(send, len(network.there))
    return left


@frozen
class Sight:
    """
    What the server saw of one run.

    Attributes:
        busiest: The most arrivals in any half-open 60 seconds.
        refused: Refusals per 1,000 requests, by rule.
        last_left: The second in which the last request left.
        arrivals: Sorted times of arrival, in seconds.
    """

    busiest: int
    refused: dict[RuleName, float]
    last_left: float
    arrivals: list[float] = field(repr=False)


def look(left: Sequence[Departure], network: Network) -> Sight:
    """Deliver requests over *network*, and return what the server sees."""
    arrivals = sorted(one.at + network.there[one.caller] for one in left)
    return Sight(
        busiest=_busiest(arrivals),
        refused={name: _refused(name, arrivals, network.phase) for name in RULE_NAMES},
        last_left=max(one.at for one in left),
        arrivals=arrivals,
    )


def _busiest(arrivals: Sequence[float]) -> int:
    first = busiest = 0
    for last, arrived_at in enumerate(arrivals):
        while arrived_at - arrivals[first] >= PER:
            first += 1
        busiest = max(busiest, last - first + 1)
    return busiest


def _refused(name: RuleName, arrivals: Sequence[float], phase: float) -> float:
    rule = make_rule(name, LIMIT, per=PER)
    refused = sum(not rule.admit(phase + arrived_at) for arrived_at in arrivals)
    return 1000 * refused / len(arrivals)


@define
class Feedback:
    """
    Results of requests that are repeated until they are accepted.

    Attributes:
        refused: Refusals per 1,000 accepted requests.
        last_left: The second in which the last accepted one left.
    """

    refused: float = 0
    last_left: float = 0.0


async def repeated_until_accepted(ours: Ours, name: RuleName, network: Network) -> Feedback:
    """Report each refusal to our limiter, with the whole seconds that the server asks for."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    rule = make_rule(name, LIMIT, per=PER)
    seen = Feedback()
    count = len(network.there)

    async def send(caller: int) -> None:
        ticket: Ticket | None = None
        while True:
            slot = await ours.limiter.acquire(ACCOUNT, Lane.BULK, longest=LONGEST, ticket=ticket)
            left_at = loop.time() - began_at
            await asyncio.sleep(network.there[caller])
            retry_after = _asked(rule, network.phase + loop.time() - began_at)
            await asyncio.sleep(network.back[caller])
            if retry_after is None:
                seen.last_left = max(seen.last_left, left_at)
                slot.answered()
                return
            seen.refused += 1000 / count
            slot.refused(retry_after)
            ticket = slot.ticket

    await asyncio.gather(*map(send, range(count)))
    return seen


def _asked(rule: Rule, now: float) -> float | None:
    """Return the value of ``Retry-After``, or None if the request is accepted."""
    return None if rule.admit(now) else math.ceil(rule.retry_after(now))
