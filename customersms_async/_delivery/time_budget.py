"""How a message's timeout is divided between waiting, attempts and the answer."""

from __future__ import annotations

import math

import msgspec

from .answer_time import AnswerTime

__all__ = ["TimeBudget"]

#: Seconds by which an event loop may be late without being busy.
_SLACK = 0.025


class TimeBudget(msgspec.Struct, eq=False, gc=False):
    """
    The time one message has. Instants are monotonic seconds.

    Attributes:
        answers: The answer times of its endpoint.
        account: The hash that stands for the key.
        within: Total seconds; infinity for a request of a bulk run.
        ends_at: The deadline.
        attempt: Seconds that one attempt may take.
        probe_wait: If it is a probe, the seconds it may wait for a slot; else None.
        asked_at: When it last asked for a slot.
    """

    answers: AnswerTime
    account: str
    within: float
    ends_at: float
    attempt: float
    probe_wait: float | None = None
    asked_at: float = -math.inf

    def left(self, now: float) -> float:
        """Seconds until the deadline, at least 0."""
        return max(self.ends_at - now, 0.0)

    def longest(self, now: float) -> float:
        """Return the most seconds that an attempt from now on may take."""
        left = self.ends_at - now
        return left if left < self.attempt else self.attempt

    def kept(self) -> float:
        """Seconds reserved for the answer."""
        if self.within == math.inf or self.probe_wait is not None:
            return 0.0
        needed = self.answers.needed(self.within)
        return needed if needed < self.attempt else self.attempt

    def patience(self, now: float) -> float:
        """
        Return how long a request for a slot may wait, if it is made now.

        0 or less means not at all: too little time is left, or no answer is expected in time and
        another message is the probe.
        """
        self.asked_at = now
        kept = self.kept()
        if kept >= self.within and self.probe_wait is None:
            self.probe_wait = self.answers.begin_probe(self.account, now, self.within)
        if self.probe_wait is not None:
            return min(self.probe_wait, self.left(now))
        return self.ends_at - now - kept

    def is_enough(self, now: float) -> bool:
        """Whether an attempt that starts now can expect its answer in time."""
        left = self.ends_at - now
        has_not_waited = now - self.asked_at <= _SLACK
        return left > 0 and (has_not_waited or left + _SLACK >= self.kept())

    def tried_for(self, now: float) -> float:
        """Seconds until the account's probe must end."""
        return max(self.answers.probes.get(self.account, now) - now, 0.0)

    def end(self) -> None:
        """Release the probe, if this message is it."""
        if self.probe_wait is not None:
            self.answers.end_probe(self.account)
