"""What the sandbox keeps of a message and of a request. No repr shows a key."""

from __future__ import annotations

from attrs import field, frozen

from .faults import Fault
from .masking import mask_key
from .replies import Ending

__all__ = ["SandboxMessage", "SandboxRequest", "number_in"]


@frozen
class SandboxMessage:
    """
    A message that was accepted.

    Attributes:
        phone: The number, in E.164.
        text: The text as it arrived.
        message_id: The id that the answer gave, or would have given.
        key: The key that paid; masked in the repr.
        at: When, in seconds of the sandbox's clock: by default since 1970, UTC.
        request: The `SandboxRequest.id` of its request.
    """

    phone: str
    text: str
    message_id: str
    key: str = field(repr=mask_key)
    at: float
    request: int

    @property
    def number(self) -> int:
        """The number in its id; later messages have higher ones."""
        return number_in(self.message_id)


@frozen
class SandboxRequest:
    """
    A request that arrived, and its result.

    Attributes:
        id: 1 for the first request, 2 for the next.
        at: When it was complete, in seconds of the sandbox's clock.
        key: Its key, empty if none could be read; masked in the repr.
        phones: The numbers as they arrived, the first 10,000 at most; empty if the body could not
            be read.
        text: The text as it arrived.
        accepted: How many of its messages were accepted.
        fault: The fault that was applied, if any.
        status: HTTP status of the answer; None if the connection is closed without one.
        code: Why the whole request was refused; None if it was carried out or broken off.
        ending: How much of the answer arrived, and how it ended.
    """

    id: int
    at: float
    key: str = field(repr=mask_key)
    phones: tuple[str, ...]
    text: str
    accepted: int
    fault: Fault | None
    status: int | None
    code: str | None
    ending: Ending = Ending.WHOLE


def number_in(message_id: str) -> int:
    """Return the number in the id of a message, 0 if there is none."""
    digits = message_id.removeprefix("msg_")
    return int(digits) if digits.isascii() and digits.isdecimal() else 0
