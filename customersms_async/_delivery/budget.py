"""How the time of one message is spent: waiting, attempts, and the answer."""

from __future__ import annotations

import math

from attrs import define

from .answer_time import AnswerTime

__all__ = ["TimeBudget"]

#: Seconds by which an event loop is late without being busy.
_SLACK = 0.025


@define(eq=False, kw_only=True)
class TimeBudget:
    """
    The time that one message has; instants are monotonic seconds.

    Attributes:
        answers: What is known of its endpoint.
        account: The account that it belongs to.
        within: Seconds in all; infinity for a request of a bulk run, which has no bound.
        ends_at: When they are over.
        attempt: Seconds that one attempt may take.
        probe_wait: Seconds for which it waits for a slot, where it is a probe; else None.
    """

    answers: AnswerTime
    account: str
    within: float
    ends_at: float
    attempt: float
    probe_wait: float | None = None

    def left(self, now: float) -> float:
        """Seconds left for all of it, at least 0."""
        return max(self.ends_at - now, 0.0)

    def kept(self) -> float:
        """Seconds kept free for the answer."""
        if self.within == math.inf or self.probe_wait is not None:
            return 0.0
        return min(self.answers.needed(self.within), self.attempt)

    def patience(self, now: float) -> float:
        """
        Seconds within which a slot is of use, as it is asked for now.

        0 or less where there is none: its time is over, or an answer in time is not to be expected
        and another message is the probe.
        """
        kept = self.kept()
        if kept >= self.within and self.probe_wait is None:
            self.probe_wait = self.answers.begin_probe(self.account, now, self.within)
        if self.probe_wait is not None:
            return min(self.probe_wait, self.left(now))
        return self.ends_at - now - kept

    def is_enough(self, now: float) -> bool:
        """Whether an attempt that begins at this instant can expect its answer in time."""
        left = self.ends_at - now
        return left > 0 and left + _SLACK >= self.kept()

    def tried_for(self, now: float) -> float:
        """Seconds for which another message is the probe, at most."""
        return max(self.answers.probes.get(self.account, now) - now, 0.0)

    def end(self) -> None:
        """The message has ended, by whatever."""
        if self.probe_wait is not None:
            self.answers.end_probe(self.account)
