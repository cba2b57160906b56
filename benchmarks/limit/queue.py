"""
Order and cancellation: a thousand callers that wait at once, and half of them that go away.

A grant is *out of order* where somebody who began to wait earlier still waits.

Capacity is *lost* where cancellations make the limiter grant less than it would have: the grants
that callers got within `UNTIL` seconds while half of them were cancelled, against those that they
got within the same time while nobody was. Callers are left over in both cases, so that the limiter
alone decides how many are granted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from benchmarks._virtual import Loop
from benchmarks.limit.contestants import Contestant
from benchmarks.limit.server import COUNT, Departure
from customersms_async import Lane

__all__ = [
    "UNTIL",
    "Canceller",
    "cancelled_at_random",
    "cancelled_when_woken",
    "granted",
    "not_cancelled",
    "overtaking",
]

#: Seconds after which grants are counted: the windows of all have come round three times.
UNTIL = 200.0

#: Half of those who wait.
_CANCELLED = COUNT // 2

Callers = Sequence["asyncio.Task[None]"]
Canceller = Callable[[Callers, random.Random], object]


def overtaking(left: Sequence[Departure]) -> float:
    """Give the percentage of grants out of order; callers began to wait by their numbers."""
    waiting = set(range(len(left)))
    first = overtakers = 0
    for departure in left:
        overtakers += departure.caller > first
        waiting.remove(departure.caller)
        while first < len(left) and first not in waiting:
            first += 1
    return 100 * overtakers / len(left)


async def granted(contestant: Contestant, cancel: Canceller, seed: int) -> int:
    """Count the grants that callers got within `UNTIL` seconds, while *cancel* is at work."""
    count = 0

    async def caller() -> None:
        nonlocal count
        leave = await contestant.acquire(Lane.BULK)
        count += 1
        leave()

    callers = [asyncio.create_task(caller()) for _ in range(COUNT)]
    cancel(callers, random.Random(seed))
    await asyncio.sleep(UNTIL)
    in_time = count
    assert not all(task.done() for task in callers)
    await _send_away(callers)
    return in_time


async def _send_away(callers: Callers) -> None:
    _loop().before_turn = lambda: None
    for task in callers:
        task.cancel()
    await asyncio.gather(*callers, return_exceptions=True)


def _loop() -> Loop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    return loop


def not_cancelled(callers: Callers, dice: random.Random) -> None:
    """Let everybody wait."""


def cancelled_at_random(callers: Callers, dice: random.Random) -> None:
    """Cancel half of the callers, at random instants of the whole time."""
    loop = _loop()
    for task in dice.sample(callers, _CANCELLED):
        loop.call_at(loop.time() + dice.uniform(0, UNTIL), task.cancel)


def cancelled_when_woken(callers: Callers, dice: random.Random) -> None:
    """
    Cancel every other caller that is woken, after its grant and before it runs, up to one half.

    A caller that is woken only to ask again is cancelled as well.
    """
    left = _CANCELLED

    def before_turn() -> None:
        nonlocal left
        for task in callers:
            if left and _is_woken(task) and dice.random() < 0.5:
                left -= 1
                task.cancel()

    _loop().before_turn = before_turn


def _is_woken(task: asyncio.Task[None]) -> bool:
    """Whether what *task* waits for is there, and it has not run yet."""
    future: asyncio.Future[object] | None = task._fut_waiter  # type: ignore[attr-defined]  # noqa: SLF001  # only asyncio itself knows
    return future is not None and future.done() and not task.cancelling()
