"""
Match the entries of an answer to the numbers of the request.

Rules of this module:

1. Every number of the request gets exactly one fate, for any answer at all.
2. Numbers are matched by their digits, as a multiset: the gateway may reorder, respell, omit,
   duplicate or add entries. A number that is not in the answer is unknown.
3. A number about which the answer contradicts itself is unknown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from .. import codes
from .._values.opaque import Opaque
from .._values.refusal_words import Family, family_of, reason
from .._values.status import SENT, Status, Verdict
from .codec import Answered, AnyEntry, TurnedAway

__all__ = ["Match", "accepted_in_order", "match_by_digits"]

_DECIMALS = re.compile(r"(?<=[0-9]{7})\.0+$")  # a number that was converted to a float
_NOT_DIGITS = re.compile(r"[^0-9]+")
_MISSING = Verdict(Status.UNKNOWN, codes.MISSING_IN_ANSWER, "the answer does not name this number")
_CONTRADICTED = Verdict(Status.UNKNOWN, codes.CONTRADICTED, "the answer says both yes and no")


class Match(Opaque, eq=False):
    """
    The fates of one request.

    Attributes:
        verdicts: One for all numbers, or one for each, in the order of the request.
        message_ids: One for each number, or None if no number has one.
        surplus: Entries about numbers that are not in the request, or more than it has of them.
        is_foreign: Whether the answer contains numbers, but none of the request: it belongs to
            another request, and so does anything else that arrives on its connection.
    """

    verdicts: Verdict | Sequence[Verdict]
    message_ids: Sequence[str | None] | None = None
    surplus: int = 0
    is_foreign: bool = False

    @property
    def turned_away(self) -> TurnedAway | None:
        """The refusal, if every number was refused for the rate: then nothing was carried out."""
        if isinstance(self.verdicts, Verdict) or not all(map(_is_for_rate, self.verdicts)):
            return None
        first = self.verdicts[0]
        return TurnedAway(first.code or codes.RATE_LIMITED, first.detail)


def _is_for_rate(verdict: Verdict) -> bool:
    return verdict.status is Status.REJECTED and family_of(verdict.code) is Family.RATE


def accepted_in_order(
    phones: Sequence[str], entries: Sequence[AnyEntry]
) -> Sequence[str | None] | None:
    """
    Match the usual answer: all accepted, in the order and spelling of the request.

    Returns:
        The message ids, None for each that is missing; None if it is another answer.
    """
    if len(phones) == len(entries) == 1:  # a list of one costs more than the item
        only = entries[0]
        return (only.message_id or None,) if only.phone == phones[0] and only.success else None
    if [entry.phone for entry in entries] != phones:
        return None
    message_ids = [entry.message_id or None for entry in entries if entry.success]
    return message_ids if len(message_ids) == len(entries) else None


def match_by_digits(
    phones: Sequence[str], answer: Answered, clean: Callable[[str], str], sent: str = ""
) -> Match:
    """
    Match any answer: find the fate of each number by its digits.

    Args:
        phones: The numbers of the request, in E.164 and in order.

        answer: The answer that was read.

        clean: Removes secrets from an error text.

        sent: The text of the message, which an error may echo.
    """

    def reject(entry: AnyEntry) -> Verdict:
        return _rejection(entry, clean, sent)

    asked: defaultdict[str, list[int]] = defaultdict(list)
    for place, phone in enumerate(phones):
        asked[phone[1:]].append(place)
    said: defaultdict[str, list[AnyEntry]] = defaultdict(list)
    for entry in answer.entries:
        digits = _NOT_DIGITS.sub("", _DECIMALS.sub("", entry.phone))
        said[digits.lstrip("0")].append(entry)
    named = asked.keys() & said.keys()
    verdicts = [_MISSING] * len(phones)
    message_ids: list[str | None] = [None] * len(phones)
    if not (answer.amid_text and len(named) < len(asked)):
        for digits in named:
            _share_out(asked[digits], said[digits], verdicts, message_ids, reject)
    expected = sum(min(len(asked[digits]), len(said[digits])) for digits in named)
    return Match(
        verdicts,
        message_ids,
        surplus=len(answer.entries) - expected,
        is_foreign=bool(answer.entries) and not named,
    )


def _share_out(
    places: Sequence[int],
    entries: Sequence[AnyEntry],
    verdicts: list[Verdict],
    message_ids: list[str | None],
    reject: Callable[[AnyEntry], Verdict],
) -> None:
    """Distribute the entries of one number over its places in the request."""
    agree = len({entry.success for entry in entries}) == 1
    if not agree and len(entries) != len(places):
        for place in places:
            verdicts[place] = _CONTRADICTED
        return
    for place, entry in zip(places, entries, strict=False):
        verdicts[place] = SENT if entry.success else reject(entry)
        message_ids[place] = (entry.message_id or None) if entry.success else None


def _rejection(entry: AnyEntry, clean: Callable[[str], str], sent: str) -> Verdict:
    detail = clean(entry.error) if entry.error else None
    return Verdict(Status.REJECTED, reason(entry.code, entry.error, sent), detail)
