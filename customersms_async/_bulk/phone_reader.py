"""Reads numbers that share one text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from .._ports.journal import Batch
from .._wire.codec import check_text
from ..errors import InvalidPhone
from ..phones import ParsePhone, e164_digits, split_phones
from .options import Options
from .reader import (
    DUPLICATE,
    Chunk,
    Phones,
    Reader,
    RefusedInput,
    Skip,
    as_given,
    invalid,
    read_skip,
)
from .source import open_source

__all__ = ["PhoneReader", "read_phones"]


class PhoneReader(Reader):
    """Reads numbers that share one text; see `Reader`."""

    def __init__(
        self,
        phones: Phones,
        text: str,
        *,
        batch_size: int,
        dedupe: bool,
        parse: ParsePhone,
        skip: Skip,
    ) -> None:
        source = open_source(split_phones(phones) if isinstance(phones, str) else phones, "phones")
        super().__init__(source, batch_size=batch_size, dedupe=dedupe, parse=parse, skip=skip)
        self._text = text
        # For each number the chunk of its first occurrence: its first index, and its numbers. So a
        # whole chunk is added by two calls that run in C.
        self._seen: dict[int, tuple[int, list[int]]] = {}
        self._indexes: Sequence[int] = ()
        self._phones: list[str] = []
        self._oldest_at: float | None = None

    @property
    def wanted(self) -> int:
        """How many numbers the current batch lacks."""
        return min(self._batch_size - len(self._phones), self.at_once)

    @property
    def oldest_at(self) -> float | None:
        return self._oldest_at

    def take(self, now: float) -> Chunk:
        items = self.source.take()
        clean = self._take_clean(items)
        chunk = clean or self._take_each(items)
        self._note_cleanness(is_clean=clean is not None)
        if len(self._phones) >= self._batch_size:
            chunk.batches.append(self._cut())
        elif self._phones and self._oldest_at is None:
            self._oldest_at = now
        return chunk

    def flush(self) -> Batch | None:
        return self._cut() if self._phones else None

    def forget(self) -> None:
        self._seen.clear()

    def _cut(self) -> Batch:
        batch = Batch(self._indexes, self._phones, self._text)
        self._indexes, self._phones, self._oldest_at = (), [], None
        return batch

    def _take_clean(self, items: list[object]) -> Chunk | None:
        """Take a whole chunk at once; None if any item needs a closer look."""
        numbers = e164_digits(items) if self._is_ours else None
        if numbers is None or (self._skip.numbers and not self._skip.numbers.isdisjoint(numbers)):
            return None
        if self._dedupe and not self._are_new(numbers):
            return None
        phones: list[str] = items  # type: ignore[assignment]  # checked by e164_digits
        chunk = self._begin(0)
        chunk.numbers = numbers
        self._next += len(numbers)
        self._fill(range(chunk.first, self._next), phones)
        return chunk

    def _are_new(self, numbers: list[int]) -> bool:
        """Remember *numbers* if all are new; otherwise none of them."""
        seen, chunk = self._seen, (self._next, numbers)
        before = len(seen)
        known = list(map(seen.setdefault, numbers, repeat(chunk)))
        if len(seen) == before + len(numbers):
            return True
        for number, its_chunk in zip(numbers, known, strict=True):
            if its_chunk is chunk:
                seen.pop(number, None)
        return False

    def _take_each(self, items: list[object]) -> Chunk:
        chunk = self._begin(len(items))
        indexes: list[int] = []
        phones: list[str] = []
        for offset, item in enumerate(items):
            if (phone := self._take_one(chunk, offset, item)) is not None:
                indexes.append(chunk.first + offset)
                phones.append(phone)
        self._fill(indexes, phones)
        return chunk

    def _take_one(self, chunk: Chunk, offset: int, item: object) -> str | None:
        """Return the number of an item, or None if it is refused."""
        index = chunk.first + offset
        try:
            phone = self._number(item)
        except InvalidPhone as exc:
            chunk.refused.append(RefusedInput(index, as_given(item), invalid(exc)))
            return None
        number = chunk.numbers[offset] = int(phone)
        if skipped := self._skipped(phone):
            chunk.refused.append(RefusedInput(index, phone, skipped))
            return None
        if self._dedupe and number in self._seen:
            first, numbers = self._seen[number]
            chunk.refused.append(
                RefusedInput(index, phone, DUPLICATE, first + numbers.index(number))
            )
            return None
        if self._dedupe:
            self._seen[number] = (chunk.first, chunk.numbers)
        return phone

    def _fill(self, indexes: Sequence[int], phones: list[str]) -> None:
        if not self._phones:
            self._indexes, self._phones = indexes, phones
            return
        self._indexes = _joined(self._indexes, indexes)
        self._phones += phones


def read_phones(phones: Phones, text: object, options: Options, parse: ParsePhone) -> Reader:
    """
    Make the reader of a run over numbers.

    Raises:
        TypeError: *phones* cannot be iterated over.
        InvalidMessage: *text* cannot be sent.
        InvalidPhone: A number in the option ``skip`` is not valid.
    """
    return PhoneReader(
        phones,
        check_text(text),
        batch_size=options.batch_size,
        dedupe=options.dedupe,
        parse=parse,
        skip=read_skip(options.skip, parse),
    )


def _joined(first: Sequence[int], second: Sequence[int]) -> Sequence[int]:
    """Join indexes; adjacent ranges stay a range, which is written in one go."""
    if isinstance(first, range) and isinstance(second, range) and first.stop == second.start:
        return range(first.start, second.stop)
    return [*first, *second]
