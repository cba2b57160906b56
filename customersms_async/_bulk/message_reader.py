"""Reads messages; equal texts that are near each other share requests."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterable, Iterable
from typing import TypeAlias

from attrs import define, field

from .._plan.bad_row import Refusal
from .._ports.journal import Batch
from .._wire.codec import check_text
from ..errors import InvalidMessage, InvalidPhone
from ..outcomes import Message, Outcome
from ..phones import ParsePhone
from .options import LookingOptions
from .reader import DUPLICATE, Chunk, Reader, RefusedInput, Skip, as_given, invalid, read_skip
from .source import open_source

__all__ = ["MessageReader", "read_messages"]


#: Index, number and ref of a message that is held back.
_Member: TypeAlias = tuple[int, str, object]


@define(eq=False)
class _Group:
    """Messages of one text that wait for others, and since when the oldest has waited."""

    since: float
    members: list[_Member] = field(factory=list[_Member])


class MessageReader(Reader):
    """
    Reads messages, each with its own text; see `Reader`.

    Args:
        look_ahead: The most messages held back to find equal texts.
    """

    def __init__(
        self,
        messages: Iterable[Message] | AsyncIterable[Message],
        *,
        batch_size: int,
        dedupe: bool,
        parse: ParsePhone,
        skip: Skip,
        look_ahead: int,
    ) -> None:
        source = open_source(messages, "messages")
        super().__init__(source, batch_size=batch_size, dedupe=dedupe, parse=parse, skip=skip)
        self._look_ahead = look_ahead
        self._seen: dict[bytes, int] = {}  # index of each pair's first occurrence
        # Oldest first. A plain dict that is emptied from the front is scanned from its beginning
        # each time.
        self._groups: OrderedDict[str, _Group | tuple[float, int, str, object]] = OrderedDict()
        self._held = 0

    @property
    def wanted(self) -> int:
        """Enough to find a batch of equal texts, within the look-ahead."""
        return max(1, min(self._batch_size, self.at_once, self._look_ahead - self._held))

    @property
    def wanted_ahead(self) -> int:
        """The rest of the look-ahead, up to one chunk."""
        return min(self.at_once, self._look_ahead - self._held)

    @property
    def oldest_at(self) -> float | None:
        if not self._groups:
            return None
        oldest = next(iter(self._groups.values()))
        return oldest[0] if isinstance(oldest, tuple) else oldest.since

    def take(self, now: float) -> Chunk:
        items = self.source.take()
        chunk = self._begin(len(items))
        for offset, item in enumerate(items):
            self._take_one(chunk, offset, item, now)
        while self._held >= self._look_ahead:
            chunk.batches.append(self._cut(next(iter(self._groups))))
        return chunk

    def flush(self) -> Batch | None:
        return self._cut(next(iter(self._groups))) if self._groups else None

    def forget(self) -> None:
        self._seen.clear()

    def _take_one(self, chunk: Chunk, offset: int, item: object, now: float) -> None:
        index = chunk.first + offset
        if isinstance(item, Refusal):
            chunk.refs.append((index, item.ref))
            chunk.refused.append(RefusedInput(index, item.phone, item.verdict))
            return
        if isinstance(item, Message | Outcome) and item.ref is not None:
            chunk.refs.append((index, item.ref))
        try:
            message = _message(item)
            phone = self._number(message.phone)
            text = check_text(message.text)
        except (InvalidPhone, InvalidMessage) as exc:
            chunk.refused.append(RefusedInput(index, as_given(item), invalid(exc)))
            return
        chunk.numbers[offset] = int(phone)
        if refusal := self._refusal(index, phone, text):
            chunk.refused.append(refusal)
            return
        self._hold(chunk, (index, phone, message.ref), text, now)

    def _refusal(self, index: int, phone: str, text: str) -> RefusedInput | None:
        """Refuse a valid message that must be skipped, or is a duplicate."""
        if skipped := self._skipped(phone):
            return RefusedInput(index, phone, skipped)
        if not self._dedupe:
            return None
        pair = hashlib.blake2b(f"{phone} {text}".encode(), digest_size=16).digest()
        first = self._seen.setdefault(pair, index)
        return None if first == index else RefusedInput(index, phone, DUPLICATE, first)

    def _hold(self, chunk: Chunk, member: _Member, text: str, now: float) -> None:
        self._held += 1
        held = self._groups.get(text)
        if held is None and self._batch_size > 1:
            # In a personal campaign nearly every text is unique, and tuples without containers cost
            # the garbage collector nothing, however many there are.
            self._groups[text] = (now, *member)
            return
        group = held if isinstance(held, _Group) else _Group(now)
        if isinstance(held, tuple):
            group = _Group(held[0], [held[1:]])
        group.members.append(member)
        self._groups[text] = group
        if len(group.members) >= self._batch_size:
            chunk.batches.append(self._cut(text))

    def _cut(self, text: str) -> Batch:
        held = self._groups.pop(text)
        members = [held[1:]] if isinstance(held, tuple) else held.members
        self._held -= len(members)
        indexes, phones, refs = zip(*members, strict=True)
        has_refs = any(ref is not None for ref in refs)
        return Batch(indexes, list(phones), text, refs if has_refs else (), is_personal=True)


def read_messages(
    messages: Iterable[Message] | AsyncIterable[Message], options: LookingOptions, parse: ParsePhone
) -> Reader:
    """
    Make the reader of a run over messages.

    Raises:
        TypeError: *messages* cannot be iterated over.
        InvalidPhone: A number in the option ``skip`` is not valid.
    """
    return MessageReader(
        messages,
        batch_size=options.batch_size,
        dedupe=options.dedupe,
        parse=parse,
        skip=read_skip(options.skip, parse),
        look_ahead=options.look_ahead,
    )


def _message(item: object) -> Message:
    if isinstance(item, Outcome) and item.text is not None:
        return Message(item.phone, item.text, item.ref)
    if not isinstance(item, Message):
        raise InvalidPhone(item, f"must be a Message(phone, text), not {type(item).__name__}")
    return item
