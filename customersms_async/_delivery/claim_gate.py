"""The gate through which a bulk run controls each try of its requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .result import DeliveryResult

__all__ = ["Gate"]


class Gate(Protocol):
    """Decides between a grant and an attempt, and between one try and the next."""

    async def admit(self, number: int) -> Sequence[str]:
        """
        Decide which numbers may be sent; awaited with a slot, right before the first byte.

        Args:
            number: The number of the attempt that is about to begin.

        Returns:
            The numbers, in E.164, that may be sent; an empty result ends the delivery.

        Raises:
            Exception: Nothing is sent, and the delivery re-raises it.
        """
        ...

    def may_start(self) -> bool:
        """Return, right before the first byte, whether the request may still be sent."""
        ...

    def count(self, begun: int, ended: int) -> None:
        """Count the numbers of an attempt that has begun or ended."""
        ...

    async def may_try_again(self, result: DeliveryResult) -> bool:
        """Wait for the next try after one that sent nothing; False ends the delivery."""
        ...
