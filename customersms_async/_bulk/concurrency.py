"""
How many requests a run may have in flight.

Rule: doubt makes it slow. A run speeds up by answers about its numbers, and starts over after an
unknown.
"""

from __future__ import annotations

from attrs import define

__all__ = ["AdaptiveConcurrency"]


@define(eq=False)
class AdaptiveConcurrency:
    """
    How many requests a bulk run may have in flight.

    Attributes:
        most: The most that the caller allows.
        allowed: The most at this moment.
    """

    most: int
    allowed: int = 1

    def speed_up(self) -> None:
        """Allow twice as many, up to the most."""
        self.allowed = min(2 * self.allowed, self.most)

    def start_over(self) -> None:
        """Allow one."""
        self.allowed = 1
