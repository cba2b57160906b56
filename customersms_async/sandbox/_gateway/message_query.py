"""A filter for messages."""

from __future__ import annotations

from attrs import converters, field, frozen

from .records import SandboxMessage

__all__ = ["MessageQuery"]


def _in_e164(phone: str) -> str:
    return "+" + "".join(filter(str.isdecimal, phone))


@frozen
class MessageQuery:
    """
    A filter for messages; an omitted field matches all.

    Attributes:
        phone: The number, in any notation: only its digits count.
        contains: A part of the text.
        key: The key that paid.
        request: The id of its request.
        after: A `SandboxMessage.number`; only later messages match.
    """

    phone: str | None = field(default=None, converter=converters.optional(_in_e164))
    contains: str | None = None
    key: str | None = field(default=None, repr=False)
    request: int | None = None
    after: int = 0

    def __str__(self) -> str:
        to = "" if self.phone is None else f" to {self.phone}"
        return to if self.contains is None else f"{to} that contains {self.contains!r}"

    def matches(self, message: SandboxMessage) -> bool:
        """Whether *message* matches."""
        # The test that most messages fail comes first: a search checks all messages.
        return (
            (self.contains is None or self.contains in message.text)
            and self.phone in (None, message.phone)
            and self.key in (None, message.key)
            and self.request in (None, message.request)
            and (not self.after or self.after < message.number)
        )
