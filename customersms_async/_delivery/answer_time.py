"""
How much of a message's time is kept free for its answer, learnt from the answers heard.

Theory of operation
===================

A slot that comes when little time is left turns into an unknown: the request is handed over, and
paid for, and its answer comes when nobody waits for it any more. In overload that is every slot,
since a queue settles at the length at which each slot comes as time runs out. So the time that an
answer takes is kept free: a message that cannot be handed over early enough is refused instead.

The estimate is that of TCP's retransmission timer (RFC 6298): the mean of the answers heard, and
four deviations. Only answers slower than the mean count as deviations, twice each: as many as both
sides of an even spread, and a gateway that gets faster is no reason for more care.

Rules of this module:

1. An answer that was lost counts as half as long again as it was waited for.
2. Where the estimate exceeds what a message has in all, one message at a time goes as a probe, or
   nobody would ever learn that the gateway is fast again.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

__all__ = ["AnswerTime"]

#: Seconds that are kept free before an answer was heard, and at least; of a shorter time, a half.
_FLOOR: Final = 0.25

#: Seconds by which an answer may come later than the mean though none ever did.
_LEAST_DEVIATION: Final = 0.05

#: Weights of a new answer. Source: RFC 6298, section 2.
_MEAN_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4
_DEVIATIONS: Final = 4

#: Seconds, and share of its time, for which a probe may wait: it is to meet an idle key.
_PROBE_WAIT: Final = 0.25
_PROBE_SHARE: Final = 0.25


@define(eq=False)
class AnswerTime:
    """
    The time that answers of one endpoint take, from the grant of a slot to the answer.

    Attributes:
        mean: Seconds; 0 before the first answer.
        deviation: Seconds.
        estimate: Seconds within which the next answer is to be expected; 0 before the first.
        probes: The accounts that have a probe under way, and when it ends at the latest.
    """

    mean: float = 0.0
    deviation: float = 0.0
    estimate: float = 0.0
    probes: dict[str, float] = field(factory=dict[str, float])

    def heard(self, seconds: float) -> None:
        """Learn from an answer that took so many *seconds*."""
        if self.mean:
            excess = 2 * max(seconds - self.mean, 0.0)
            self.deviation += _DEVIATION_GAIN * (excess - self.deviation)
            self.mean += _MEAN_GAIN * (seconds - self.mean)
        else:
            self.mean, self.deviation = seconds, seconds / 4
        self.estimate = self.mean + max(_DEVIATIONS * self.deviation, _LEAST_DEVIATION)

    def lost(self, seconds: float) -> None:
        """Learn from an answer that had not come after so many *seconds*."""
        self.heard(max(1.5 * seconds, self.mean))

    def needed(self, within: float) -> float:
        """
        Say how many seconds to keep free for an answer.

        Args:
            within: Seconds that a message has in all.

        Returns:
            Seconds, above 0; more than *within* where an answer in time is not to be expected.
        """
        return max(min(_FLOOR, within / 2), self.estimate)

    def begin_probe(self, account: str, now: float, within: float) -> float | None:
        """
        Let one message try though its answer is not to be expected in time.

        Returns:
            Seconds for which it may wait for its slot; None where another one is under way.
        """
        if self.probes.get(account, now) > now:
            return None
        self.probes[account] = now + within
        return min(_PROBE_WAIT, _PROBE_SHARE * within)

    def end_probe(self, account: str) -> None:
        """The probe has ended, by whatever."""
        self.probes.pop(account, None)
