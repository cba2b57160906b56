"""
How much of a message's time is reserved for its answer, learnt from earlier answers.

Theory of operation
===================

A slot that comes when little time is left produces an unknown: the request is sent and paid for,
but its answer arrives after the caller has gone. In overload that is every slot, because a queue
settles at the length at which each slot comes just as time runs out. So the time for the answer is
reserved: a message that cannot be sent early enough is refused instead.

The estimate is that of TCP's retransmission timer (RFC 6298): the mean answer time plus four
deviations. Only answers slower than the mean count as deviations, at twice their size: for a
symmetric spread that equals the mean deviation, and a gateway that gets faster does not raise the
estimate.

Rules of this module:

1. A lost answer counts as 1.5 times the wait for it.
2. When the estimate exceeds a message's timeout, one message at a time is sent as a probe; else the
   client would never learn that the gateway is fast again.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

__all__ = ["AnswerTime"]

#: The least number of seconds to reserve; half of the timeout, if that is less.
_FLOOR: Final = 0.25

#: Seconds; the least allowance for deviations.
_LEAST_DEVIATION: Final = 0.05

#: Weights of a new answer. Source: RFC 6298, section 2.
_MEAN_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4
_DEVIATIONS: Final = 4

#: How long a probe may wait for a slot, in seconds and as a share of its timeout. Short, so that it
#: goes only when the key is idle.
_PROBE_WAIT: Final = 0.25
_PROBE_SHARE: Final = 0.25


@define(eq=False)
class AnswerTime:
    """
    The time that answers of one endpoint take, from the grant of a slot to the answer.

    Attributes:
        mean: Seconds; 0 before the first answer.
        deviation: Seconds.
        estimate: Seconds within which the next answer is expected; 0 before the first.
        probes: The accounts with a probe in flight, and when it ends at the latest.
    """

    mean: float = 0.0
    deviation: float = 0.0
    estimate: float = 0.0
    probes: dict[str, float] = field(factory=dict[str, float])

    def heard(self, seconds: float) -> None:
        """Learn from an answer that took *seconds*."""
        if self.mean:
            excess = 2 * (seconds - self.mean) if seconds > self.mean else 0.0
            self.deviation += _DEVIATION_GAIN * (excess - self.deviation)
            self.mean += _MEAN_GAIN * (seconds - self.mean)
        else:
            self.mean, self.deviation = seconds, seconds / 4
        allowed = _DEVIATIONS * self.deviation
        self.estimate = self.mean + (allowed if allowed > _LEAST_DEVIATION else _LEAST_DEVIATION)

    def lost(self, seconds: float) -> None:
        """Learn from an answer that had not arrived after *seconds*."""
        self.heard(max(1.5 * seconds, self.mean))

    def needed(self, within: float) -> float:
        """
        Return how many seconds to reserve for an answer.

        Args:
            within: The message's timeout, seconds.

        Returns:
            Seconds, above 0; more than *within* if no answer is expected in time.
        """
        least = _FLOOR if within > 2 * _FLOOR else within / 2
        return least if least > self.estimate else self.estimate

    def begin_probe(self, account: str, now: float, within: float) -> float | None:
        """
        Let one message try although no answer is expected in time.

        Returns:
            Seconds that it may wait for a slot; None if the account has a probe in flight.
        """
        if self.probes.get(account, now) > now:
            return None
        self.probes[account] = now + within
        return min(_PROBE_WAIT, _PROBE_SHARE * within)

    def end_probe(self, account: str) -> None:
        """Allow the next probe."""
        self.probes.pop(account, None)
