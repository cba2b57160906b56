"""
The columns of a report: a few bytes per number instead of an object.

========  =====  ==============================================================
column    bytes  meaning
========  =====  ==============================================================
phones        8  the digits of the E.164 number; 0 if the input was refused
verdicts      2  an index into the table of distinct verdicts
requests      4  the number of the attempt that decided its fate; 0 for none
id_at         8  where the message id begins in ``ids``; 0 for none
========  =====  ==============================================================

``ids`` holds the message ids, each terminated by a NUL. What does not fit a column is kept in a
dictionary by index: refused inputs, duplicates, references, texts of messages that were not sent,
ids with a NUL inside, and verdicts beyond the first 65,535 distinct ones (if a gateway writes a
different text for every number).

Rule of this module: a request of any size is written with a handful of calls that run in C.
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, count, repeat
from typing import Final, cast

from attrs import frozen

from .status import Status, Verdict

__all__ = ["PENDING", "Columns", "Row"]

_END: Final = b"\0"
_IN_SIDE_TABLE: Final = 0xFFFF

#: Unsigned, of 8 bytes. Where a C ``long`` has 8, its items are converted at a third of the cost.
_U64: Final = "L" if array("L").itemsize == 8 else "Q"  # noqa: PLR2004  # bytes


#: A placeholder until the fate is known; no finished report contains one.
PENDING: Final = Verdict(Status.NOT_SENT, "PENDING")


@frozen
class Row:
    """One row of the table, assembled from the columns."""

    phone: str
    verdict: Verdict
    message_id: str | None
    ref: object
    request: int
    text: str | None
    duplicate_of: int | None


class Columns:
    """A growing table with one row per number; rows are added in input order and decided later."""

    __slots__ = (
        "_doubles",
        "_given",
        "_id_at",
        "_ids",
        "_odd_ids",
        "_phones",
        "_places",
        "_rare",
        "_refs",
        "_requests",
        "_table",
        "_texts",
        "_verdicts",
    )

    def __init__(self) -> None:
        self._phones = array(_U64)
        self._verdicts = array("H")
        self._requests = array("I")
        self._id_at = array(_U64)
        self._ids: bytearray = bytearray(_END)
        self._table: list[Verdict] = [PENDING]
        self._places: dict[Verdict, int] = {PENDING: 0}
        self._given: dict[int, str] = {}
        self._doubles: dict[int, int] = {}
        self._refs: dict[int, object] = {}
        self._odd_ids: dict[int, str] = {}
        self._texts: dict[int, str] = {}
        self._rare: dict[int, Verdict] = {}

    def __len__(self) -> int:
        return len(self._phones)

    def extend(self, numbers: Sequence[int]) -> None:
        """Add rows without a fate; *numbers* are E.164 digits as integers, 0 if refused."""
        more = len(numbers)
        self._phones.extend(array(_U64, numbers))  # twice as fast as without the intermediate array
        self._verdicts.frombytes(bytes(2 * more))
        self._requests.frombytes(bytes(4 * more))
        self._id_at.frombytes(bytes(8 * more))

    def keep_given(self, index: int, given: str) -> None:
        """Keep an input that is not a number, as it was given."""
        self._given[index] = given

    def keep_double(self, index: int, first: int) -> None:
        """Keep the index at which the number of a row came first."""
        self._doubles[index] = first

    def keep_ref(self, index: int, ref: object) -> None:
        """Keep the caller's reference of a row."""
        self._refs[index] = ref

    def keep_text(self, at: Sequence[int], text: str) -> None:
        """Keep the text of messages that were not sent and may be sent again."""
        self._texts.update(zip(at, repeat(text)))

    def decide(
        self,
        at: Sequence[int],
        verdicts: Verdict | Sequence[Verdict],
        message_ids: Sequence[str | None] | None = None,
        request: int = 0,
    ) -> None:
        """
        Write the fate of some rows.

        Args:
            at: Their indexes; a `range` of step 1 is written in one go.

            verdicts: One for all, or one for each.

            message_ids: One for each, or None if there are none.

            request: The number of the attempt that decided their fate; 0 for none.
        """
        if isinstance(verdicts, Verdict):
            self._put(self._verdicts, at, self._place(verdicts, at))
        else:
            for index, verdict in zip(at, verdicts, strict=True):
                self._verdicts[index] = self._place(verdict, (index,))
        if request:
            self._put(self._requests, at, request)
        if message_ids is not None:
            self._put_ids(at, message_ids)

    def where(self, wanted: Callable[[Verdict], bool]) -> Iterator[int]:
        """Return the indexes of the rows whose verdict is *wanted*, in order."""
        places = {place for place, verdict in enumerate(self._table) if wanted(verdict)}
        if self._rare:
            places.add(_IN_SIDE_TABLE)
        for index, place in enumerate(self._verdicts):
            if place in places and (place != _IN_SIDE_TABLE or wanted(self._rare[index])):
                yield index

    def row(self, index: int) -> Row:
        """Assemble one row."""
        place = self._verdicts[index]
        given = self._given.get(index)
        return Row(
            phone=f"+{self._phones[index]}" if given is None else given,
            verdict=self._rare[index] if place == _IN_SIDE_TABLE else self._table[place],
            message_id=self._message_id(index),
            ref=self._refs.get(index),
            request=self._requests[index],
            text=self._texts.get(index),
            duplicate_of=self._doubles.get(index),
        )

    def trim(self) -> None:
        """Free the memory that growing arrays allocate in advance."""
        self._phones = self._phones[:]
        self._verdicts = self._verdicts[:]
        self._requests = self._requests[:]
        self._id_at = self._id_at[:]
        self._ids = self._ids[:]

    def _place(self, verdict: Verdict, at: Sequence[int]) -> int:
        place = self._places.get(verdict)
        if place is None and len(self._table) < _IN_SIDE_TABLE:
            place = self._places[verdict] = len(self._table)
            self._table.append(verdict)
        if place is None:
            self._rare.update(zip(at, repeat(verdict)))
            return _IN_SIDE_TABLE
        return place

    @staticmethod
    def _put(column: array[int], at: Sequence[int], value: int) -> None:
        if isinstance(at, range):
            column[at.start : at.stop] = array(column.typecode, (value,)) * len(at)
            return
        for index in at:
            column[index] = value

    def _put_ids(self, at: Sequence[int], message_ids: Sequence[str | None]) -> None:
        if not (isinstance(at, range) and self._put_plain_ids(at, message_ids)):
            for index, message_id in zip(at, message_ids, strict=True):
                self._put_id(index, message_id)

    def _put_plain_ids(self, at: range, message_ids: Sequence[str | None]) -> bool:
        """Write the ids of a whole request if all are plain ASCII; return whether they were."""
        ids = cast("Sequence[str]", message_ids)  # a None among them raises; handled below
        try:
            joined = "\0".join(ids)
        except TypeError:
            return False
        if not joined.isascii() or joined.count("\0") != len(ids) - 1:
            return False
        self._id_at[at.start : at.stop] = array(_U64, _begins(ids, joined, len(self._ids)))
        self._ids += joined.encode() + _END
        return True

    def _put_id(self, index: int, message_id: str | None) -> None:
        if not message_id:
            return
        if "\0" in message_id:
            self._odd_ids[index] = message_id
            return
        self._id_at[index] = len(self._ids)
        self._ids += message_id.encode() + _END

    def _message_id(self, index: int) -> str | None:
        begin = self._id_at[index]
        if not begin:
            return self._odd_ids.get(index)
        return self._ids[begin : self._ids.index(_END, begin)].decode() or None


def _begins(ids: Sequence[str], joined: str, first: int) -> Iterable[int]:
    """Return the offset at which each of *ids* begins in *joined*, from *first* on."""
    step = len(ids[0]) + 1
    if joined[step - 1 :: step] == "\0" * (len(ids) - 1):  # equal lengths, as usual
        return range(first, first + step * len(ids), step)
    return map(operator.add, accumulate(map(len, ids[:-1]), initial=first), count())
