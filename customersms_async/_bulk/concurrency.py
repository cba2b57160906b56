"""
How many requests a run may have in flight.

Rule of this module: unknowns slow a run down. It speeds up with answers about its numbers, and
starts over after an unknown.
"""

from __future__ import annotations

from attrs import define

__all__ = ["AdaptiveConcurrency"]


@define(eq=False)
class AdaptiveConcurrency:
    """
    How many requests a bulk run may have in flight.

    Attributes:
        most: The caller's maximum.
        allowed: The current maximum.
    """

    most: int
    allowed: int = 1

    def speed_up(self) -> None:
        """Allow twice as many, up to the caller's maximum."""
        self.allowed = min(2 * self.allowed, self.most)

    def start_over(self) -> None:
        """Allow one."""
        self.allowed = 1
