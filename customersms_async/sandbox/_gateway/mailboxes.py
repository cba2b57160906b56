"""
The memory of the sandbox: accepted messages, and the requests that arrived.

Rules of this module:

1. Memory is bounded: beyond ``keep`` messages, or requests with ``keep`` numbers in total, the
   oldest are dropped.
2. Each key has a mailbox, indexed by number; duplicates are found as they arrive.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile

from attrs import define, field

from .login_codes import code_in
from .message_query import MessageQuery
from .records import SandboxMessage, SandboxRequest, number_in

__all__ = ["Mailbox", "Mailboxes"]


@define(eq=False)
class Mailbox:
    """
    The messages and requests of one key, oldest first.

    Attributes:
        messages: The accepted messages.
        requests: The requests that arrived, refused ones included.
        by_phone: The messages of each number; the number of the newest message is last.
        duplicates: Each message whose number and text had been accepted before.
        repeats: Their `SandboxMessage.number`.
    """

    messages: deque[SandboxMessage] = field(factory=deque[SandboxMessage])
    requests: deque[SandboxRequest] = field(factory=deque[SandboxRequest])
    by_phone: dict[str, list[SandboxMessage]] = field(factory=dict[str, "list[SandboxMessage]"])
    duplicates: deque[SandboxMessage] = field(factory=deque[SandboxMessage])
    repeats: set[int] = field(factory=set[int])
    _pairs: Counter[tuple[str, str]] = field(factory=Counter[tuple[str, str]])

    def add(self, message: SandboxMessage) -> None:
        """Add a message."""
        self.messages.append(message)
        of_phone = self.by_phone.pop(message.phone, None) or []
        of_phone.append(message)
        self.by_phone[message.phone] = of_phone
        pair = (message.phone, message.text)
        if self._pairs[pair]:
            self.duplicates.append(message)
            self.repeats.add(message.number)
        self._pairs[pair] += 1

    def forget_oldest(self) -> None:
        """Forget the oldest message."""
        message = self.messages.popleft()
        of_phone = self.by_phone[message.phone]
        del of_phone[0]
        if not of_phone:
            del self.by_phone[message.phone]
        if self.duplicates and self.duplicates[0] is message:
            self.repeats.discard(self.duplicates.popleft().number)
        pair = (message.phone, message.text)
        self._pairs[pair] -= 1
        if not self._pairs[pair]:
            del self._pairs[pair]

    def to(self, phone: str | None) -> Sequence[SandboxMessage]:
        """Return the messages to one number, or all."""
        return self.messages if phone is None else self.by_phone.get(phone, ())


@define(eq=False)
class Mailboxes:
    """
    All mailboxes, and the overall order of messages and requests.

    Attributes:
        keep: Messages held; requests are held up to the same count of numbers.
        messages: All messages, oldest first.
        requests: All requests, oldest first.
        by_key: The mailbox of each key.
    """

    keep: int
    messages: deque[SandboxMessage] = field(init=False, factory=deque[SandboxMessage])
    requests: deque[SandboxRequest] = field(init=False, factory=deque[SandboxRequest])
    by_key: dict[str, Mailbox] = field(init=False, factory=dict[str, Mailbox], repr=False)
    _numbers: int = field(init=False, default=0)

    def record(self, request: SandboxRequest, messages: Iterable[SandboxMessage]) -> None:
        """Add a request with its messages, and drop the oldest beyond `keep`."""
        mailbox = self.by_key.setdefault(request.key, Mailbox())
        for message in messages:
            self.messages.append(message)
            mailbox.add(message)
        self.requests.append(request)
        mailbox.requests.append(request)
        self._numbers += _weight(request)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self.messages) > self.keep:
            self.by_key[self.messages.popleft().key].forget_oldest()
        while self._numbers > self.keep and len(self.requests) > 1:
            request = self.requests.popleft()
            self._numbers -= _weight(request)
            self._forget_request(request.key)

    def _forget_request(self, key: str) -> None:
        mailbox = self.by_key[key]
        mailbox.requests.popleft()
        if not mailbox.requests and not mailbox.messages:
            del self.by_key[key]

    def clear(self, key: str | None = None) -> None:
        """Forget everything, or everything of one key."""
        if key is None:
            self.by_key.clear()
        elif self.by_key.pop(key, None) is None:
            return
        self.messages = deque(m for m in self.messages if m.key in self.by_key)
        self.requests = deque(r for r in self.requests if r.key in self.by_key)
        self._numbers = sum(map(_weight, self.requests))

    def of(self, key: str | None) -> Mailbox | Mailboxes:
        """Return the mailbox of a key, or all of them for None."""
        return self if key is None else self.by_key.get(key) or Mailbox()

    def find(self, query: MessageQuery) -> Iterator[SandboxMessage]:
        """Return the matching messages, oldest first."""
        return filter(query.matches, self.of(query.key).to(query.phone))

    def find_newest(self, query: MessageQuery) -> Iterator[SandboxMessage]:
        """Yield the matching messages, newest first, lazily."""
        newest_first: Iterator[SandboxMessage] = reversed(self.of(query.key).to(query.phone))
        if query.after:
            newest_first = takewhile(lambda message: query.after < message.number, newest_first)
        return filter(query.matches, newest_first)

    def message(self, message_id: str) -> SandboxMessage | None:
        """Find a message by its id."""
        number = number_in(message_id)
        index = bisect_left(self.messages, number, key=lambda message: message.number)
        found = next(islice(self.messages, index, None), None)
        return found if found is not None and found.number == number else None

    def request(self, request_id: int) -> SandboxRequest | None:
        """Find a request by its id."""
        index = bisect_left(self.requests, request_id, key=lambda request: request.id)
        found = next(islice(self.requests, index, None), None)
        return found if found is not None and found.id == request_id else None

    def first(self, query: MessageQuery) -> SandboxMessage | None:
        """Return the oldest matching message."""
        return next(self.find(query), None)

    def to(self, phone: str | None) -> Sequence[SandboxMessage]:
        """Return the messages to one number, or all, of every key."""
        if phone is None:
            return self.messages
        found = [mailbox.to(phone) for mailbox in self.by_key.values()]
        return _merged(filter(None, found))

    def refused(self, key: str | None = None) -> list[SandboxRequest]:
        """Return the requests that were refused entirely."""
        return [request for request in self.of(key).requests if request.code is not None]

    def duplicates(self, key: str | None = None) -> Sequence[SandboxMessage]:
        """Return each message whose number and text the same key had sent before."""
        boxes = self.by_key.values() if key is None else [self.by_key.get(key, Mailbox())]
        return _merged(mailbox.duplicates for mailbox in boxes)

    def count_duplicates(self, key: str) -> int:
        """Count the duplicates of a key."""
        return len(self.by_key[key].duplicates) if key in self.by_key else 0

    def is_duplicate(self, message: SandboxMessage) -> bool:
        """Whether the same key had sent the message's number and text before."""
        mailbox = self.by_key.get(message.key)
        return mailbox is not None and message.number in mailbox.repeats

    def last_code(self, phone: str | None, key: str | None = None) -> str | None:
        """Return the code in the newest message with one, to *phone* or anyone; see `code_in`."""
        newest_first = self.find_newest(MessageQuery(phone, key=key))
        return next(filter(None, (code_in(message.text) for message in newest_first)), None)

    def newest(self, count: int, key: str | None = None) -> list[SandboxMessage]:
        """Return the newest messages, oldest first."""
        return list(islice(reversed(self.of(key).messages), count))[::-1]


def _merged(parts: Iterable[Iterable[SandboxMessage]]) -> list[SandboxMessage]:
    return list(heapq.merge(*parts, key=lambda message: message.number))


def _weight(request: SandboxRequest) -> int:
    return max(1, len(request.phones))
