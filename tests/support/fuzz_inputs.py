"""Inputs of a fuzzed run: good, bad and duplicate items, in every kind of container."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Final

from attrs import define, field

from customersms_async import Message

__all__ = ["INPUTS", "InputBroke", "Job", "make_job"]

Pair = tuple[str, str]

_BAD: Final = ("", "12", "555-1234", "+0123456789", "call me", None, 5, 2.5, b"+12125551234", [])


class InputBroke(Exception):
    """What a fuzzed input raises."""


@define(eq=False)
class Job:
    """
    One input.

    Attributes:
        items: The items, in order.
        pairs: The number and text of each; None for an invalid number.
        dedupe: The option of the run.
        kind: The kind of container.
        breaks_at: How many items are read before the input raises; None for never.
        read: How many were read.
    """

    items: list[object]
    pairs: list[Pair | None]
    dedupe: bool
    kind: str
    breaks_at: int | None
    dice: random.Random
    read: int = 0
    has_broken: bool = False
    asked: Counter[Pair] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.asked = Counter(pair for pair in self.pairs if pair is not None)
        if self.dedupe:
            self.asked = Counter(dict.fromkeys(self.asked, 1))

    @property
    def is_sized(self) -> bool:
        return self.kind in ("list", "tuple", "dict") and self.breaks_at is None

    def source(self) -> object:
        """Return the iterable; it counts the items that are read."""
        if self.is_sized:
            self.read = len(self.items)
            return _CONTAINERS[self.kind](self.items)
        return self._generate_async() if self.kind.startswith("async") else self._generate()

    def _generate(self) -> Iterator[object]:
        for item in self.items:
            self._break()
            self.read += 1
            yield item

    async def _generate_async(self) -> AsyncIterator[object]:
        try:
            for item in self.items:
                if self.kind == "async-slow" and self.dice.random() < 0.1:
                    await asyncio.sleep(self.dice.random() * 0.01)
                self._break()
                self.read += 1
                yield item
        finally:
            if self.kind == "async-slow":
                await asyncio.sleep(0.005)  # a cursor that closes slowly

    def _break(self) -> None:
        if self.read == self.breaks_at:
            self.has_broken = True
            raise InputBroke


class _Stable(dict[int, object]):
    """A sized collection that is not a sequence."""

    def __init__(self, items: list[object]) -> None:
        super().__init__(enumerate(items))

    def __iter__(self) -> Iterator[object]:  # type: ignore[override]
        return iter(self.values())


_CONTAINERS: Final = {"list": list, "tuple": tuple, "dict": _Stable}
INPUTS: Final = (*_CONTAINERS, "generator", "async", "async-slow")


def make_job(dice: random.Random, count: int, *, texts: list[str] | None) -> Job:
    """
    Make up an input.

    Args:
        dice: The dice of the round.

        count: About how many items.

        texts: Several for messages, of which each gets one; one text for plain numbers.
    """
    is_messages = len(texts or ()) > 1
    base = dice.randrange(10**5) * 10**4
    items: list[object] = []
    pairs: list[Pair | None] = []
    is_clean = dice.random() < 0.3
    for n in range(count):
        phone = f"+1{2_000_000_000 + base + n}"
        if not is_clean and n and dice.random() < 0.1:
            phone = f"+1{2_000_000_000 + base + dice.randrange(n)}"
        item = phone if is_clean else _written(phone, dice)
        text = dice.choice(texts or ["Hello"])
        is_bad = not isinstance(item, str) or item in _BAD
        pairs.append(None if is_bad else (phone, text))
        items.append(Message(item, text, ref=n) if is_messages else item)  # type: ignore[arg-type]
    breaks_at = dice.randrange(count) if dice.random() < 0.12 else None
    return Job(items, pairs, dice.random() < 0.7, dice.choice(INPUTS), breaks_at, dice)


def _written(phone: str, dice: random.Random) -> object:
    roll = dice.random()
    if roll < 0.05:
        return dice.choice(_BAD)
    if roll < 0.15:
        return f"{phone[:2]} ({phone[2:5]}) {phone[5:8]}-{phone[8:]}"
    return f"00{phone[1:]}" if roll < 0.2 else phone
