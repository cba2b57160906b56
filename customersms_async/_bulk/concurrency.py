"""
How many requests a run dares to have in flight.

Rule: doubt makes slow. A run speeds up by answers, and starts over after an unknown.
"""

from __future__ import annotations

from attrs import define

__all__ = ["AdaptiveConcurrency"]


@define(eq=False)
class AdaptiveConcurrency:
    """
    How many requests a bulk run dares to have in flight.

    Attributes:
        most: The most that the caller allows.
        max_unknown: So many unknown requests in a row end the run.
        allowed: The most at this moment.
    """

    most: int
    max_unknown: int
    allowed: int = 1
    _unknown_in_a_row: int = 0

    def answered(self) -> None:
        """A request ended with a readable answer."""
        self._unknown_in_a_row = 0
        self.allowed = min(2 * self.allowed, self.most)

    def unknown(self) -> bool:
        """A request ended without one; tell whether that is too many in a row."""
        self._unknown_in_a_row += 1
        self.allowed = 1
        return self._unknown_in_a_row >= self.max_unknown
