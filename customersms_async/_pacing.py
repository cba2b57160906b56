"""
The second gate: how fast bulk runs leave, whatever the window would allow.

Rules of this module:

1. Just under the limit, with a small burst: servers that dislike bursts are content too.
2. Once the gateway has refused an account for its rate, everything of it is paced, one by one and
   a little slower.
3. The first bucket of an account starts full. Each later one, of another event loop or after a
   refusal, starts empty: the burst was spent, or may have been.
"""

from __future__ import annotations

from typing import Final

from aiolimiter import AsyncLimiter
from attrs import define

from ._ports import Lane
from ._window import Rate

__all__ = ["Pace", "Pacer"]

#: Of the limit, how much bulk runs use; how much once the gateway has refused for the rate.
_PACE: Final = 0.98
_PACE_ONCE_REFUSED: Final = 0.95


@define(eq=False)
class Pace:
    """
    The pace of one account, which all event loops share.

    Attributes:
        rate: The limit.
        burst: Requests of bulk runs that may leave at once.
        was_refused: Whether the gateway has refused for the rate.
        has_bucket: Whether a bucket was made before.
    """

    rate: Rate
    burst: int
    was_refused: bool = False
    has_bucket: bool = False

    def is_for(self, lane: Lane) -> bool:
        """Whether *lane* needs a token of the bucket."""
        return self.was_refused or (lane is Lane.BULK and self.burst < self.rate.limit)

    @property
    def slow_interval(self) -> float:
        """Seconds between two requests once the gateway has refused for the rate."""
        return self.rate.per / (_PACE_ONCE_REFUSED * self.rate.limit)

    def bucket(self) -> tuple[int, float]:
        """Give the burst, and the seconds in which it comes back."""
        if self.was_refused:
            return 1, self.slow_interval
        return self.burst, self.burst * self.rate.per / (_PACE * self.rate.limit)


class Pacer:
    """The token bucket of one queue, and the one token that was drawn and not used yet."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._bucket: AsyncLimiter | None = None
        self._is_slow = False
        self.has_token = False

    async def draw_if_ready(self) -> None:
        """Draw a token if one is there; never waits."""
        if not self.has_token and (await self._current()).has_capacity():
            await self.draw()

    async def draw(self) -> None:
        """Draw a token, as soon as there is one."""
        await (await self._current()).acquire()
        self.has_token = True

    async def _current(self) -> AsyncLimiter:
        """Give the bucket, made anew once the account was refused. Never waits."""
        pace = self._pace
        if self._bucket is None or self._is_slow != pace.was_refused:
            self._is_slow = pace.was_refused
            burst, period = pace.bucket()
            self._bucket = AsyncLimiter(burst, period)
            if pace.has_bucket:
                await self._bucket.acquire(burst)
            pace.has_bucket = True
        return self._bucket
