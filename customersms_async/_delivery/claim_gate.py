"""What a bulk run asks of each try of its requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .result import DeliveryResult

__all__ = ["Gate"]


class Gate(Protocol):
    """Stands between a grant and an attempt, and between one try and the next."""

    async def admit(self, number: int) -> Sequence[str]:
        """
        Decide who may go; awaited with a slot in hand, right before the first byte may leave.

        Args:
            number: The number of the attempt that is about to begin.

        Returns:
            The numbers, in E.164, that may be sent to; none ends the delivery.

        Raises:
            Exception: Nothing is sent, and the delivery passes it on.
        """
        ...

    def may_start(self) -> bool:
        """Tell, right before the first byte, whether it may still leave."""
        ...

    async def may_try_again(self, result: DeliveryResult) -> bool:
        """Wait, after a try that sent nothing, until the next; False ends the delivery."""
        ...
