"""Until when refusals for the rate hold everyone on a key."""

from __future__ import annotations

from typing import Final

from attrs import define

from .._ports.limiter import LONGEST_PAUSE

__all__ = ["FIRST_PAUSE", "LONGEST_OWN_PAUSE", "REFUSED_BELOW_OUR_COUNT", "RateLimitPause"]


#: Seconds of the first pause after a refusal for the rate that names none, and of the longest.
FIRST_PAUSE: Final = 1.0


LONGEST_OWN_PAUSE: Final = 60.0


#: What such a refusal means.
REFUSED_BELOW_OUR_COUNT: Final = (
    "the gateway refused for the rate below our own count: somebody else uses the key, "
    "or the gateway counts more strictly"
)


@define(eq=False)
class RateLimitPause:
    """
    Until when refusals for the rate hold everyone on a key.

    Attributes:
        until: Before this instant nothing leaves; monotonic seconds.
    """

    until: float = float("-inf")
    _began_at: float = float("-inf")
    _step: float = 0.0

    def refused(self, now: float, granted_at: float, retry_after: float | None) -> None:
        """
        Take in a refusal.

        Args:
            now: When it was read, monotonic seconds.

            granted_at: When the refused request was let go. One that was let go before the
                current pause began tells nothing new and does not make the pause grow.

            retry_after: Seconds that the gateway asked for, or None.
        """
        if granted_at >= self._began_at:
            self._began_at = now
            self._step = min(max(2 * self._step, FIRST_PAUSE), LONGEST_OWN_PAUSE)
        seconds = self._step if retry_after is None else min(retry_after, LONGEST_PAUSE)
        self.until = max(self.until, now + seconds)

    def accepted(self) -> None:
        """Take in that a request was let through: the next pause is a short one again."""
        self._step = 0.0
