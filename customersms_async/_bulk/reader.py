"""
The common part of both readers: indexes, checks, skips, and the memory of what was seen.

Rules of this module:

1. A bad item is refused, and never ends the run.
2. A skip function that raises ends the run: nothing is sent without asking it.
3. A clean chunk (strings in E.164, no duplicates) costs a few calls that run in C.
"""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Final, TypeAlias, cast

from attrs import define, field, frozen

from .. import codes
from .._ports.journal import Batch
from .._values.status import Status, Verdict
from ..errors import ConfigurationError, InvalidMessage, InvalidPhone
from ..outcomes import Message, Outcome
from ..phones import ParsePhone, checked, e164_digits, normalize_phone, split_phones
from .source import Source

__all__ = ["Chunk", "Phones", "Reader", "RefusedInput", "Skip", "SkipFunction", "read_skip"]

#: Numbers: any iterable, sync or async; one number; or several separated by commas. An `Outcome`
#: stands for its number.
Phones: TypeAlias = str | Iterable[str | Outcome] | AsyncIterable[str | Outcome]

#: Returns the reason to skip a number in E.164, or None.
SkipFunction: TypeAlias = Callable[[str], object]

DUPLICATE: Final = Verdict(Status.NOT_SENT, codes.DUPLICATE, "appeared earlier in the same run")
_SKIPPED: Final = Verdict(Status.NOT_SENT, codes.SKIPPED, "is among the numbers to skip")
_UNASKED: Final = Verdict(Status.NOT_SENT, codes.INPUT_FAILED, "the skip function raised")

#: Items that are checked in one go: with our own checks, and with the caller's functions, which may
#: be a hundred times as slow.
_AT_ONCE: Final = 250
_AT_ONCE_OF_CLEAN: Final = 1000
_AT_ONCE_OF_OTHERS: Final = 100


@frozen
class RefusedInput:
    """
    An input that is refused.

    Attributes:
        index: Its position in the input.
        given: The number; the input as given, if that is not a number.
        verdict: Why.
        duplicate_of: The index of its first occurrence, or None.
    """

    index: int
    given: str
    verdict: Verdict
    duplicate_of: int | None = None


@define(eq=False)
class Chunk:
    """
    Some inputs, in input order, and the batches that they completed.

    Attributes:
        first: The index of the first.
        numbers: One each: the digits of the number, or 0 if it was refused.
        refused: The refused inputs.
        batches: Batches that are ready to send.
        refs: Index and `Message.ref` of each that has one.
    """

    first: int
    numbers: list[int]
    refused: list[RefusedInput] = field(factory=list[RefusedInput])
    batches: list[Batch] = field(factory=list[Batch])
    refs: list[tuple[int, object]] = field(factory=list[tuple[int, object]])


@define(eq=False)
class Skip:
    """
    The numbers to leave out.

    Attributes:
        numbers: The digits of numbers.
        ask: Returns the reason to skip a number, or None; None if there is no such function.
    """

    numbers: frozenset[int] = frozenset()
    ask: SkipFunction | None = None


def read_skip(given: object, parse: ParsePhone) -> Skip:
    """
    Read the option ``skip``.

    Raises:
        InvalidPhone: One of its numbers is not valid.
        ConfigurationError: It is neither numbers nor a plain function.
    """
    if given is None:
        return Skip()
    if inspect.iscoroutinefunction(given):
        msg = "skip must be a plain function, not an async one: it would never be awaited"
        raise ConfigurationError(msg)
    if callable(given):
        return Skip(ask=cast("SkipFunction", given))
    if isinstance(given, bytes | bytearray) or not isinstance(given, Iterable):
        what = type(given).__name__
        msg = f"skip must be an iterable of numbers, or a function of a number, not {what}"
        raise ConfigurationError(msg)
    items = cast("Iterable[object]", split_phones(given) if isinstance(given, str) else given)
    numbers = list(items)
    clean = e164_digits(numbers) if parse is normalize_phone else None
    return Skip(frozenset(clean or [int(checked(parse, number)) for number in numbers]))


class Reader(ABC):
    """
    Turns the items of a source into batches.

    Args:
        source: The input.

        batch_size: Numbers in a full batch.

        dedupe: Whether duplicates are refused.

        parse: Converts an input to E.164, or raises.

        skip: The numbers to leave out.

    Attributes:
        source: The input.
        at_once: The most items that are checked in one go.
    """

    def __init__(
        self, source: Source, *, batch_size: int, dedupe: bool, parse: ParsePhone, skip: Skip
    ) -> None:
        self.source = source
        self._batch_size = batch_size
        self._dedupe = dedupe
        self._parse = parse
        self._skip = skip
        self._next: int = 0
        self._is_ours = parse is normalize_phone and skip.ask is None
        self.at_once: int = _AT_ONCE if self._is_ours else _AT_ONCE_OF_OTHERS

    @property
    @abstractmethod
    def wanted(self) -> int:
        """How many items to read before the next `take`."""

    @property
    def wanted_ahead(self) -> int:
        """How many items may be read ahead of that."""
        return 0

    @property
    @abstractmethod
    def oldest_at(self) -> float | None:
        """When the oldest held item was taken, or None if there is none."""

    @abstractmethod
    def take(self, now: float) -> Chunk:
        """Check what was read; *now* is the current time, for `oldest_at`."""

    @abstractmethod
    def flush(self) -> Batch | None:
        """Return the oldest held batch, full or not; None if there is none."""

    def forget(self) -> None:  # noqa: B027  # one without duplicates has nothing to forget
        """Release the memory of what was seen, at the end of the run."""

    def _note_cleanness(self, *, is_clean: bool) -> None:
        """Check more in one go if the last chunk was clean."""
        if self._is_ours:
            self.at_once = _AT_ONCE_OF_CLEAN if is_clean else _AT_ONCE

    def _begin(self, count: int) -> Chunk:
        chunk = Chunk(self._next, [0] * count)
        self._next += count
        return chunk

    def _number(self, item: object) -> str:
        if isinstance(item, Outcome):
            item = item.phone
        return checked(self._parse, item)

    def _skipped(self, phone: str) -> Verdict | None:
        """Return the verdict on a number that must be skipped, or None."""
        skip = self._skip
        if skip.numbers and int(phone) in skip.numbers:
            return _SKIPPED
        return None if skip.ask is None else self._ask(skip.ask, phone)

    def _ask(self, ask: SkipFunction, phone: str) -> Verdict | None:
        if self.source.failure is not None:
            return _UNASKED
        try:
            word = ask(phone)
        except Exception as exc:  # noqa: BLE001  # the caller's function may raise anything
            self.source.fail(exc)
            return _UNASKED
        if not word:
            return None
        return Verdict(Status.NOT_SENT, codes.SKIPPED, word if isinstance(word, str) else None)


def invalid(exc: InvalidPhone | InvalidMessage) -> Verdict:
    """Return the verdict on an invalid input."""
    if isinstance(exc, InvalidPhone):
        return Verdict(Status.NOT_SENT, codes.INVALID_PHONE, exc.reason)
    return Verdict(Status.NOT_SENT, codes.INVALID_MESSAGE, str(exc))


def as_given(item: object) -> str:
    """Return a refused input as it was; anything but a string is named by its type."""
    if isinstance(item, Message | Outcome):
        item = item.phone
    if isinstance(item, str):
        return item
    with contextlib.suppress(ValueError):  # of an int with more than 4,300 digits
        if isinstance(item, int | float | None):
            return repr(item)
    return f"<{type(item).__name__}>"
