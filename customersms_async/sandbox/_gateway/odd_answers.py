"""
Answers of an odd shape, as a loosely typed server may write them.

Every function takes the documented answer, its entries, and the index of the entry concerned; it
returns a new answer and changes none of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .documented_answers import Document, Entry, sent
from .faults import Fault, FaultPlan

__all__ = ["SHAPES", "reshaped"]

_Shape = Callable[[Document, list[Entry], int], Document]

#: The number that `Fault.EXTRA_ENTRY` adds.
_UNREQUESTED: Final = sent("+15005550006", "msg_999999")

# An E.164 country code has one digit (1 and 7) or up to three; two will do for an odd spelling.
_SPACES_AFTER: Final = {"1": (2, 5, 8), "7": (2, 5, 8)}


def reshaped(
    document: Document, entries: list[Entry], *, plan: FaultPlan, phones: Sequence[str]
) -> Document:
    """
    Give the answer the shape that *plan* asks for.

    Args:
        document: The documented answer.

        entries: Its entries.

        plan: What goes wrong; a fault that does not concern the shape changes nothing.

        phones: The numbers of the request, one for each entry.
    """
    shape = SHAPES.get(plan.fault)
    if shape is None:
        return document
    index = 0 if plan.aimed_at is None else phones.index(plan.aimed_at)
    return shape(document, entries, index)


def _results(document: Document, results: object) -> Document:
    return document | {"results": results}


def _missing(document: Document, entries: list[Entry], index: int) -> Document:
    return _results(document, entries[:index] + entries[index + 1 :])


def _extra(document: Document, entries: list[Entry], index: int) -> Document:
    return _results(document, [*entries[: index + 1], _UNREQUESTED, *entries[index + 1 :]])


def _doubled(document: Document, entries: list[Entry], index: int) -> Document:
    return _results(document, [*entries[: index + 1], *entries[index:]])


def _wrong_numbers(document: Document, entries: list[Entry], _index: int) -> Document:
    strangers = [entry | {"phone": f"+1500555{n:04d}"} for n, entry in enumerate(entries)]
    return _results(document, strangers)


def _reordered(document: Document, entries: list[Entry], _index: int) -> Document:
    return _results(document, entries[::-1])


def _as_object(document: Document, entries: list[Entry], _index: int) -> Document:
    """Do as PHP does with an array whose indexes do not begin at 0."""
    return _results(document, {str(n): entry for n, entry in enumerate(entries, 1)})


def _without_results(document: Document, _entries: list[Entry], _index: int) -> Document:
    return {name: value for name, value in document.items() if name != "results"}


def _false_with_results(document: Document, _entries: list[Entry], _index: int) -> Document:
    head: Document = {
        "success": False,
        "error": "Some messages could not be sent",
        "code": "PARTIAL_FAILURE",
    }
    return head | {name: value for name, value in document.items() if name not in head}


def _integer_phones(document: Document, entries: list[Entry], _index: int) -> Document:
    return _results(document, [entry | {"phone": _integer(entry["phone"])} for entry in entries])


def _integer(phone: object) -> object:
    digits = _digits(phone)
    return int(digits) if digits.isascii() and digits.isdecimal() else phone


def _digit_phones(document: Document, entries: list[Entry], _index: int) -> Document:
    return _results(document, [entry | {"phone": _digits(entry["phone"])} for entry in entries])


def _digits(phone: object) -> str:
    return str(phone).removeprefix("+")


def _spaced_phones(document: Document, entries: list[Entry], _index: int) -> Document:
    return _results(document, [entry | {"phone": _spaced(entry["phone"])} for entry in entries])


def _spaced(phone: object) -> str:
    written = str(phone)
    first, second, third = _SPACES_AFTER.get(written[1:2], (3, 6, 9))
    groups = (written[:first], written[first:second], written[second:third], written[third:])
    return " ".join(filter(None, groups))


def _zero_one(document: Document, entries: list[Entry], _index: int) -> Document:
    numbered = [entry | {"success": int(entry["success"] is True)} for entry in entries]
    return _results(document | {"success": 1}, numbered)


def _odd_fields(document: Document, entries: list[Entry], _index: int) -> Document:
    odd: Document = {
        "message": None,
        "total_numbers": str(len(entries)),
        "successful_sends": None,
        "failed_sends": False,
        "remaining_credits": str(document["remaining_credits"]),
        "results": [_odd_entry(entry) for entry in entries],
        "debug": {"memory": 2_097_152, "queries": []},
    }
    return document | odd


def _odd_entry(entry: Entry) -> Entry:
    """Make the id a number and the reason a list, if the entry has them."""
    odd: Entry = dict(entry)
    if "message_id" in entry:
        odd["message_id"] = int(str(entry["message_id"]).removeprefix("msg_"))
    if "error" in entry:
        odd |= {"error": [entry["error"]], "code": 7}
    return odd | {"parts": "1"}


#: The faults that change the shape of the answer.
SHAPES: Final[Mapping[Fault | None, _Shape]] = {
    Fault.MISSING_ENTRY: _missing,
    Fault.EXTRA_ENTRY: _extra,
    Fault.DOUBLED_ENTRY: _doubled,
    Fault.WRONG_NUMBERS: _wrong_numbers,
    Fault.REORDERED: _reordered,
    Fault.RESULTS_AS_OBJECT: _as_object,
    Fault.NO_RESULTS: _without_results,
    Fault.FALSE_WITH_RESULTS: _false_with_results,
    Fault.INTEGER_PHONES: _integer_phones,
    Fault.DIGIT_PHONES: _digit_phones,
    Fault.SPACED_PHONES: _spaced_phones,
    Fault.ZERO_ONE_BOOLEANS: _zero_one,
    Fault.ODD_FIELDS: _odd_fields,
}
