"""
What the sandbox remembers: the messages that it accepted and the requests that arrived.

Rules of this module:

1. Memory is bounded: beyond ``keep`` messages, or requests with ``keep`` numbers between them,
   the oldest go first.
2. A key never stands in a repr; `masked` tells keys apart without showing them.
"""

import hashlib
import re
from collections import deque
from collections.abc import Iterable

import attrs

from ._faults import Fault

__all__ = ["Ledger", "Query", "SandboxMessage", "SandboxRequest", "masked"]

# A code as login messages write it: 4711, 123456, 123-456 or 123 456.
_CODE = re.compile(r"(?<![0-9])(?:[0-9]{3}[ -][0-9]{3}|[0-9]{4,8})(?![0-9])")


def masked(key: str) -> str:
    """Name a key without showing it: six digits of its hash tell two keys apart."""
    return f"cspro_…{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:6]}"


@attrs.frozen
class SandboxMessage:
    """
    A message that was accepted.

    Attributes:
        phone: The number, in E.164.

        text: The text as it arrived.

        message_id: The id that the answer gave, or would have given.

        key: The key that paid; masked in the repr.

        at: When, in seconds of the sandbox's clock.

        request: The `SandboxRequest.id` of the request that brought it.
    """

    phone: str
    text: str
    message_id: str
    key: str = attrs.field(repr=masked)
    at: float
    request: int


@attrs.frozen
class SandboxRequest:
    """
    A request that arrived, and what became of it.

    Attributes:
        id: 1 for the first request, 2 for the next.

        at: When it was complete, in seconds of the sandbox's clock.

        key: The key that it carried, empty if none could be read; masked in the repr.

        phones: The numbers as they arrived; none if the body could not be read.

        text: The text as it arrived.

        accepted: How many of its messages were accepted.

        fault: What was made to go wrong, if anything.

        status: HTTP status of the answer; none where the connection is closed without one.

        code: Why the whole request was refused; none where it was carried out or broken off.
    """

    id: int
    at: float
    key: str = attrs.field(repr=masked)
    phones: tuple[str, ...]
    text: str
    accepted: int
    fault: Fault | None
    status: int | None
    code: str | None


def _in_e164(phone: str) -> str:
    return "+" + "".join(filter(str.isdecimal, phone))


@attrs.frozen
class Query:
    """
    Which messages are meant; what is not said matches all.

    Attributes:
        phone: The number, however it is written: only its digits count.

        contains: A part of the text.
    """

    phone: str | None = attrs.field(default=None, converter=attrs.converters.optional(_in_e164))
    contains: str | None = None

    def __str__(self) -> str:
        to = "" if self.phone is None else f" to {self.phone}"
        return to if self.contains is None else f"{to} that contains {self.contains!r}"

    def matches(self, message: SandboxMessage) -> bool:
        """Tell whether *message* is meant."""
        if self.phone is not None and self.phone != message.phone:
            return False
        return self.contains is None or self.contains in message.text

    def first(self, messages: Iterable[SandboxMessage]) -> SandboxMessage | None:
        """Give the first of *messages* that is meant."""
        return next(filter(self.matches, messages), None)


@attrs.define(eq=False)
class Ledger:
    """
    The accepted messages and the requests, oldest first.

    Attributes:
        keep: How many messages are held; as many numbers are held with the requests.
    """

    keep: int
    messages: deque[SandboxMessage] = attrs.field(init=False)
    requests: deque[SandboxRequest] = attrs.field(init=False, factory=deque[SandboxRequest])
    _numbers: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.messages = deque(maxlen=self.keep)

    def record(self, request: SandboxRequest, messages: Iterable[SandboxMessage]) -> None:
        """Remember a request with the messages that it brought, and forget what is too much."""
        self.messages.extend(messages)
        self.requests.append(request)
        self._numbers += _weight(request)
        while self._numbers > self.keep and len(self.requests) > 1:
            self._numbers -= _weight(self.requests.popleft())

    def clear(self) -> None:
        """Forget everything."""
        self.messages.clear()
        self.requests.clear()
        self._numbers = 0

    def refused(self) -> list[SandboxRequest]:
        """Give the requests that were refused as a whole."""
        return [request for request in self.requests if request.code is not None]

    def duplicates(self) -> list[SandboxMessage]:
        """Give each message whose number and text had been accepted before."""
        seen: set[tuple[str, str]] = set()
        repeats: list[SandboxMessage] = []
        for message in self.messages:
            pair = (message.phone, message.text)
            if pair in seen:
                repeats.append(message)
            seen.add(pair)
        return repeats

    def last_code(self, phone: str) -> str | None:
        """
        Give the code in the newest message to *phone* that has one.

        Returns:
            The first 4 to 8 digits of the message, ``123-456`` and ``123 456`` joined to six;
            none when no message to the number has a code.
        """
        query = Query(phone)
        texts = (message.text for message in reversed(self.messages) if query.matches(message))
        found = next(filter(None, map(_CODE.search, texts)), None)
        return found and found[0].replace(" ", "").replace("-", "")


def _weight(request: SandboxRequest) -> int:
    return max(1, len(request.phones))
