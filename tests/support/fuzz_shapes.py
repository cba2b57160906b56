"""Variants of the documented answer from a loosely typed gateway. Nothing here is a lie."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from attrs import frozen

__all__ = ["SHAPES", "Document", "Said", "Shape", "documented"]

Document: TypeAlias = dict[str, object]


@frozen
class Said:
    """The fate of one number of a request."""

    phone: str
    is_accepted: bool


Shape: TypeAlias = Callable[[Sequence[Said], random.Random], Document]


def entry(said: Said) -> Document:
    """Return the documented entry, or a likely one for a failed number."""
    if said.is_accepted:
        return {"phone": said.phone, "success": True, "message_id": f"msg_{said.phone[1:]}"}
    return {"phone": said.phone, "success": False, "error": "Blocked", "code": "NUMBER_BLOCKED"}


def documented(said: Sequence[Said]) -> Document:
    """Return the answer as documented."""
    accepted = sum(one.is_accepted for one in said)
    return {
        "success": True,
        "message": "SMS sending completed",
        "total_numbers": len(said),
        "successful_sends": accepted,
        "failed_sends": len(said) - accepted,
        "remaining_credits": 1_000_000,
        "results": [entry(one) for one in said],
    }


def _results(said: Sequence[Said], results: object) -> Document:
    return documented(said) | {"results": results}


def _respelled(said: Sequence[Said], dice: random.Random) -> Document:
    return _results(said, [entry(one) | {"phone": _spelled(one.phone, dice)} for one in said])


def _spelled(phone: str, dice: random.Random) -> object:
    digits = phone[1:]
    spaced = f"+{digits[0]} ({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
    return dice.choice([digits, f"00{digits}", spaced, int(digits), f" {phone} ", phone])


def _missing(said: Sequence[Said], dice: random.Random) -> Document:
    return _results(said, [entry(one) for one in said if dice.random() < 0.7])


def _doubled(said: Sequence[Said], dice: random.Random) -> Document:
    twice = [one for one in said for _ in range(dice.choice([1, 2]))]
    return _results(said, [entry(one) for one in twice])


def _surplus(said: Sequence[Said], dice: random.Random) -> Document:
    others = [Said(f"+1500555{n:04}", dice.random() < 0.5) for n in range(3)]
    entries = [entry(one) for one in (*said, *others)]
    dice.shuffle(entries)
    return _results(said, entries)


def _contradictory(said: Sequence[Said], dice: random.Random) -> Document:
    others = [Said(one.phone, not one.is_accepted) for one in said if dice.random() < 0.4]
    entries = [entry(one) for one in (*said, *others)]
    dice.shuffle(entries)
    return _results(said, entries)


def _reordered(said: Sequence[Said], dice: random.Random) -> Document:
    return _results(said, dice.sample([entry(one) for one in said], len(said)))


def _as_object(said: Sequence[Said], _: random.Random) -> Document:
    return _results(said, {str(n): entry(one) for n, one in enumerate(said, 1)})


def _by_number(said: Sequence[Said], _: random.Random) -> Document:
    return _results(said, {one.phone: {"success": one.is_accepted} for one in said})


def _top_false(said: Sequence[Said], _: random.Random) -> Document:
    return documented(said) | {"success": False, "error": "Some failed", "code": "PARTIAL"}


def _zero_one(said: Sequence[Said], _: random.Random) -> Document:
    entries = [entry(one) | {"success": int(one.is_accepted)} for one in said]
    return _results(said, entries) | {"success": 1}


def _odd_fields(said: Sequence[Said], _: random.Random) -> Document:
    entries = [entry(one) | {"message_id": 7, "error": ["no"], "code": 3} for one in said]
    return _results(said, entries) | {"remaining_credits": "98", "total_numbers": None}


def _odd_texts(said: Sequence[Said], dice: random.Random) -> Document:
    texts = ["\x00", "é\x00ü", "\U0001f600", "", " ", "x" * 300, "rate limit"]
    return _results(
        said,
        [
            entry(one) | dict.fromkeys(("message_id", "error", "code"), dice.choice(texts))
            for one in said
        ],
    )


def _odd_entries(said: Sequence[Said], dice: random.Random) -> Document:
    odd: list[object] = [None, 5, "x", [], {}, {"phone": None}, {"success": True}, {"phone": True}]
    entries = [entry(one) if dice.random() < 0.6 else dice.choice(odd) for one in said]
    return _results(said, entries) | {"success": dice.choice([True, False])}


def _words_for_booleans(said: Sequence[Said], dice: random.Random) -> Document:
    entries = [entry(one) | {"success": str(one.is_accepted).lower()} for one in said]
    return _results(said, entries) | {"success": dice.choice([True, False, "true"])}


def _other_names(said: Sequence[Said], dice: random.Random) -> Document:
    entries = [{"number": one.phone, "ok": one.is_accepted} for one in said]
    top = {"success": dice.choice([True, False]), "successful_sends": None}
    return _results(said, entries) | top


def _counts_only(said: Sequence[Said], dice: random.Random) -> Document:
    accepted: int = sum(one.is_accepted for one in said)
    if not accepted:
        return documented(said)
    spelled = dice.choice([accepted, str(accepted), float(accepted)])
    return {"success": dice.choice([True, False]), "successful_sends": spelled}


def _no_results(said: Sequence[Said], dice: random.Random) -> Document:
    return _results(said, dice.choice([None, "", 0, [], {}])) | {"success": True}


def _others_numbers(said: Sequence[Said], _: random.Random) -> Document:
    strangers = [Said(f"+1500555{n:04}", is_accepted=True) for n, _ in enumerate(said)]
    return documented(strangers)


SHAPES: Final[dict[str, Shape]] = {
    "respelled": _respelled,
    "missing": _missing,
    "doubled": _doubled,
    "surplus": _surplus,
    "contradictory": _contradictory,
    "reordered": _reordered,
    "as-object": _as_object,
    "by-number": _by_number,
    "top-false": _top_false,
    "zero-one": _zero_one,
    "odd-fields": _odd_fields,
    "odd-texts": _odd_texts,
    "odd-entries": _odd_entries,
    "words-for-booleans": _words_for_booleans,
    "other-names": _other_names,
    "counts-only": _counts_only,
    "no-results": _no_results,
    "others-numbers": _others_numbers,
}
