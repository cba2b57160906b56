"""
Order and cancellation: a thousand callers that wait at once, half of which are cancelled.

A grant is *out of order* if somebody who began to wait earlier is still waiting.

Capacity is *lost* if cancellations reduce the number of grants: grants within `UNTIL` seconds while
half of the callers were cancelled, compared with those in the same time without cancellations. Some
callers are still waiting at the end in both cases, so that only the limiter decides the number.
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

#: Seconds after which grants are counted: all windows have passed three times.
UNTIL = 200.0

#: Half of the waiting callers.
_CANCELLED = COUNT // 2

Callers = Sequence["asyncio.Task[None]"]
Canceller = Callable[[Callers, random.Random], object]


def overtaking(left: Sequence[Departure]) -> float:
    """Return the percentage of grants out of order; callers began to wait in order of number."""
    waiting = set(range(len(left)))
    first = overtakers = 0
    for departure in left:
        overtakers += departure.caller > first
        waiting.remove(departure.caller)
        while first < len(left) and first not in waiting:
            first += 1
    return 100 * overtakers / len(left)


async def granted(contestant: Contestant, cancel: Canceller, seed: int) -> int:
    """Count the grants within `UNTIL` seconds while *cancel* is active."""
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
    """Cancel nobody."""


def cancelled_at_random(callers: Callers, dice: random.Random) -> None:
    """Cancel half of the callers at random times."""
    loop = _loop()
    for task in dice.sample(callers, _CANCELLED):
        loop.call_at(loop.time() + dice.uniform(0, UNTIL), task.cancel)


def cancelled_when_woken(callers: Callers, dice: random.Random) -> None:
    """
    Cancel half of the callers, each after its grant and before it runs.

    A caller that is woken only to ask again may be cancelled as well.
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
    """Whether *task* was woken and has not run yet."""
    future: asyncio.Future[object] | None = task._fut_waiter  # type: ignore[attr-defined]  # noqa: SLF001  # only asyncio itself knows
    return future is not None and future.done() and not task.cancelling()
