"""
The caller's input, read lazily: numbers checked, doubles dropped, batches made.

Rules of this module:

1. What was taken from the input is never lost: a read that is cancelled, or an input that raises,
   leaves what came before it to be taken.
2. A wrong item is refused by itself and never ends the run.
3. A chunk that is clean already (strings in E.164, no doubles) costs a few calls that run in C.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Iterable,
    Iterator,
    Sequence,
    Sized,
)
from itertools import islice
from typing import Final, TypeAlias, cast

from attrs import define, field

from .. import codes
from .._ports.journal import Batch
from .._status import Status, Verdict
from .._wire.codec import check_text
from ..errors import InvalidMessage, InvalidPhone
from ..outcomes import Message, Outcome
from ..phones import ParsePhone, checked, e164_digits, normalize_phone, split_phones

__all__ = ["Chunk", "MessageReader", "PhoneReader", "Phones", "Reader", "Source"]

#: Numbers: any iterable, sync or async; one number; or several separated by commas. An `Outcome`
#: stands for its number.
Phones: TypeAlias = str | Iterable[str | Outcome] | AsyncIterable[str | Outcome]

_DUPLICATE: Final = Verdict(Status.NOT_SENT, codes.DUPLICATE, "stood earlier in the same run")


@define(eq=False)
class Chunk:
    """
    Some inputs, in input order, and the batches that they completed.

    Attributes:
        first: The index of the first.
        numbers: One each: the digits of the number, or 0 where it was refused.
        refused: Index, what was given, and the verdict, of each that goes no further.
        batches: Batches that are ready to leave.
        refs: Index and `Message.ref` of each that has one.
    """

    first: int
    numbers: list[int]
    refused: list[tuple[int, str, Verdict]] = field(factory=list[tuple[int, str, Verdict]])
    batches: list[Batch] = field(factory=list[Batch])
    refs: list[tuple[int, object]] = field(factory=list[tuple[int, object]])


class Source:
    """
    Somebody's iterable, read in chunks by one task.

    Args:
        source: Any iterable, sync or async.

        name: What the caller knows it as, for the error.

    Raises:
        TypeError: It cannot be iterated over.
    """

    def __init__(self, source: object, name: str) -> None:
        is_text = isinstance(source, str | bytes | bytearray)
        if is_text or not isinstance(source, Iterable | AsyncIterable):
            msg = f"{name} must be an iterable or async iterable, not {type(source).__name__}"
            raise TypeError(msg)
        self._source = cast("Iterable[object] | AsyncIterable[object]", source)
        self._sync: Iterator[object] | None = None
        self._async: AsyncIterator[object] | None = None
        self._gathered: list[object] = []
        self.is_sized: bool = isinstance(source, Sized) and not isinstance(source, AsyncIterable)
        self.is_exhausted: bool = False
        self.failure: Exception | None = None

    async def gather(self, count: int) -> None:
        """Read up to *count* items; what an item raises becomes ``failure`` and ends the input."""
        if not isinstance(self._source, AsyncIterable):
            self.gather_now(count)
            return
        try:
            if self._async is None:
                self._async = aiter(self._source)
            while len(self._gathered) < count:
                self._gathered.append(await anext(self._async))
        except StopAsyncIteration:
            self.is_exhausted = True
        except Exception as exc:  # noqa: BLE001  # the caller's iterable raises what it likes
            self._fail(exc)

    def gather_now(self, count: int) -> None:
        """Read up to *count* items of an input that is not async."""
        want = max(count - len(self._gathered), 0)
        try:
            if self._sync is None:
                self._sync = iter(cast("Iterable[object]", self._source))
            # `extend` keeps what came before the iterator raises.
            self._gathered.extend(islice(self._sync, want))
        except Exception as exc:  # noqa: BLE001  # the caller's iterable raises what it likes
            self._fail(exc)
        self.is_exhausted |= len(self._gathered) < count

    def take(self) -> list[object]:
        """Hand over what was read."""
        taken, self._gathered = self._gathered, []
        return taken

    async def close(self) -> None:
        """Close a generator that was not read to its end; what it raises becomes ``failure``."""
        try:
            # Only generators: an open file, say, is the caller's to close.
            if inspect.isasyncgen(self._async):
                await self._async.aclose()
            elif inspect.isgenerator(self._sync):
                self._sync.close()
        except Exception as exc:  # noqa: BLE001  # the caller's generator raises what it likes
            self.failure = self.failure or exc

    def _fail(self, exc: Exception) -> None:
        self.failure = exc
        self.is_exhausted = True


class Reader(ABC):
    """What both kinds of runs read with: indexes, checks, and the memory of what was seen."""

    def __init__(self, source: Source, *, batch_size: int, dedupe: bool, parse: ParsePhone) -> None:
        self.input = source
        self._batch_size = batch_size
        self._parse = parse
        self._dedupe = dedupe
        self._next = 0

    @property
    @abstractmethod
    def wanted(self) -> int:
        """How many items to read before the next `take`."""

    @abstractmethod
    def take(self, *, is_last: bool = False) -> Chunk:
        """Check what was read; *is_last* also gives the batches that are not full."""

    def _number(self, item: object) -> str:
        if isinstance(item, Outcome):
            item = item.phone
        return checked(self._parse, item)

    def _begin(self, count: int) -> Chunk:
        chunk = Chunk(self._next, [0] * count)
        self._next += count
        return chunk


class PhoneReader(Reader):
    """Reads numbers that share one text."""

    def __init__(
        self,
        phones: Phones,
        text: str,
        *,
        batch_size: int,
        dedupe: bool,
        parse: ParsePhone,
    ) -> None:
        source = Source(split_phones(phones) if isinstance(phones, str) else phones, "phones")
        super().__init__(source, batch_size=batch_size, dedupe=dedupe, parse=parse)
        self._text = text
        self._seen: set[int] = set()
        self._indexes: Sequence[int] = ()
        self._phones: list[str] = []

    @property
    def wanted(self) -> int:
        """So many as the batch that is being filled lacks."""
        return self._batch_size - len(self._phones)

    def take(self, *, is_last: bool = False) -> Chunk:
        items = self.input.take()
        chunk = self._take_clean(items) or self._take_each(items)
        if len(self._phones) >= self._batch_size or (is_last and self._phones):
            chunk.batches.append(Batch(self._indexes, self._phones, self._text))
            self._indexes, self._phones = (), []
        return chunk

    def _take_clean(self, items: list[object]) -> Chunk | None:
        """Take a whole chunk at once; None where one of it needs a closer look."""
        numbers = e164_digits(items) if self._parse is normalize_phone else None
        if numbers is None or (self._dedupe and not self._are_new(numbers)):
            return None
        phones: list[str] = items  # type: ignore[assignment]  # e164_digits has said so
        chunk = self._begin(0)
        chunk.numbers = numbers
        self._next += len(numbers)
        self._fill(range(chunk.first, self._next), phones)
        return chunk

    def _are_new(self, numbers: list[int]) -> bool:
        """Remember *numbers* where all are new; otherwise none of them."""
        seen = self._seen
        if not seen.isdisjoint(numbers):
            return False
        new_size = len(seen) + len(numbers)
        seen.update(numbers)
        if len(seen) < new_size:  # one stands here twice
            seen.difference_update(numbers)
            return False
        return True

    def _take_each(self, items: list[object]) -> Chunk:
        chunk = self._begin(len(items))
        indexes: list[int] = []
        phones: list[str] = []
        for place, item in enumerate(items):
            index = chunk.first + place
            try:
                phone = self._number(item)
            except InvalidPhone as exc:
                chunk.refused.append((index, _as_given(item), _invalid(exc)))
                continue
            number = chunk.numbers[place] = int(phone)
            if self._dedupe and number in self._seen:
                chunk.refused.append((index, phone, _DUPLICATE))
                continue
            if self._dedupe:
                self._seen.add(number)
            indexes.append(index)
            phones.append(phone)
        self._fill(indexes, phones)
        return chunk

    def _fill(self, indexes: Sequence[int], phones: list[str]) -> None:
        if self._phones:
            self._indexes = [*self._indexes, *indexes]
            self._phones += phones
        else:
            self._indexes, self._phones = indexes, phones


class MessageReader(Reader):
    """Reads messages; equal texts that stand near each other share requests."""

    def __init__(
        self,
        messages: Iterable[Message] | AsyncIterable[Message],
        *,
        batch_size: int,
        dedupe: bool,
        parse: ParsePhone,
        look_ahead: int,
    ) -> None:
        super().__init__(
            Source(messages, "messages"), batch_size=batch_size, dedupe=dedupe, parse=parse
        )
        self._look_ahead = look_ahead
        self._seen: set[bytes] = set()
        self._groups: dict[str, list[tuple[int, str, object]]] = {}  # oldest first
        self._held = 0

    @property
    def wanted(self) -> int:
        """So many that a batch of equal texts is found, and the look-ahead not exceeded."""
        return max(1, min(self._batch_size, self._look_ahead - self._held))

    def take(self, *, is_last: bool = False) -> Chunk:
        items = self.input.take()
        chunk = self._begin(len(items))
        for place, item in enumerate(items):
            self._take_one(chunk, place, item)
        while self._groups and (is_last or self._held >= self._look_ahead):
            self._emit(chunk, next(iter(self._groups)))
        return chunk

    def _take_one(self, chunk: Chunk, place: int, item: object) -> None:
        index = chunk.first + place
        try:
            message = _message(item)
            phone = self._number(message.phone)
            text = check_text(message.text)
        except (InvalidPhone, InvalidMessage) as exc:
            chunk.refused.append((index, _as_given(item), _invalid(exc)))
            self._keep_ref(chunk, index, item)
            return
        self._keep_ref(chunk, index, message)
        chunk.numbers[place] = int(phone)
        if self._dedupe and self._is_double(phone, text):
            chunk.refused.append((index, phone, _DUPLICATE))
            return
        group = self._groups.setdefault(text, [])
        group.append((index, phone, message.ref))
        self._held += 1
        if len(group) >= self._batch_size:
            self._emit(chunk, text)

    @staticmethod
    def _keep_ref(chunk: Chunk, index: int, item: object) -> None:
        if isinstance(item, Message) and item.ref is not None:
            chunk.refs.append((index, item.ref))

    def _is_double(self, phone: str, text: str) -> bool:
        pair = hashlib.blake2b(f"{phone} {text}".encode(), digest_size=16).digest()
        if pair in self._seen:
            return True
        self._seen.add(pair)
        return False

    def _emit(self, chunk: Chunk, text: str) -> None:
        group = self._groups.pop(text)
        self._held -= len(group)
        indexes, phones, refs = zip(*group, strict=True)
        has_refs = any(ref is not None for ref in refs)
        refs = refs if has_refs else ()
        chunk.batches.append(Batch(indexes, list(phones), text, refs, is_personal=True))


def _message(item: object) -> Message:
    if isinstance(item, Outcome) and item.text is not None:
        return Message(item.phone, item.text, item.ref)
    if not isinstance(item, Message):
        raise InvalidPhone(item, f"must be a Message(phone, text), not {type(item).__name__}")
    return item


def _invalid(exc: InvalidPhone | InvalidMessage) -> Verdict:
    if isinstance(exc, InvalidPhone):
        return Verdict(Status.NOT_SENT, codes.INVALID_PHONE, exc.reason)
    return Verdict(Status.NOT_SENT, codes.INVALID_MESSAGE, str(exc))


def _as_given(item: object) -> str:
    """Give a refused input back as it was; what is no text is named by its type."""
    if isinstance(item, Message | Outcome):
        item = item.phone
    if isinstance(item, str):
        return item
    with contextlib.suppress(ValueError):  # Python writes no number of more than 4,300 digits
        if isinstance(item, int | float | None):
            return repr(item)
    return f"<{type(item).__name__}>"
