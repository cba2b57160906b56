"""
A campaign as a table for people: one line a row, with its fate and the evidence.

Rules of this module:

1. Every row of the campaign is there once, the bad and the doubled too.
2. It opens in a spreadsheet as it was written: a byte-order mark, and a ``'`` before each cell that
   a spreadsheet would take for a formula or a number. `normalize_phone` reads such a number.
3. Balances before and after stand beside a request; what they mean is not concluded.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable
from typing import Final

from ._core.read import Line

__all__ = ["HEADER", "as_csv"]

HEADER: Final = (
    "row",
    "ref",
    "phone",
    "status",
    "code",
    "detail",
    "duplicate_of",
    "message_id",
    "request",
    "left_at",
    "ended_at",
    "credits_before",
    "credits_after",
)

_LIKE_A_FORMULA: Final = re.compile(r"[=+\-@\t\r]")


def as_csv(lines: Iterable[Line], *, with_header: bool) -> str:
    """Write lines, each ended by CR and LF."""
    out = io.StringIO()
    writer = csv.writer(out)
    if with_header:
        out.write("\ufeff")
        writer.writerow(HEADER)
    writer.writerows(map(_cells, lines))
    return out.getvalue()


def _cells(line: Line) -> list[object]:
    return [
        line.id,
        _text(line.ref),
        _text(line.phone),
        line.status,
        line.code,
        _text(line.detail),
        line.duplicate_of,
        _text(line.message_id),
        line.request,
        _instant(line.left_at),
        _instant(line.ended_at),
        line.credits_before,
        line.credits_after,
    ]


def _text(text: str | None) -> str | None:
    return f"'{text}" if text and _LIKE_A_FORMULA.match(text) else text


def _instant(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(" ", "milliseconds")
