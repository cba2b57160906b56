"""
The rows that a caller adds, read lazily and checked one by one.

Rules of this module:

1. A bad row is a row with a verdict. It never ends the reading, and is never left out.
2. Only a ``ref`` that is not a string ends it: it would be a different row the next time.
3. Other tasks get to run after every thousand rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from itertools import chain, islice
from typing import Final, TypeAlias, cast

from .._plan.bad_row import Refusal
from .._values.status import Status, Verdict
from .._wire.codec import check_text
from ..codes import INVALID_MESSAGE, INVALID_PHONE
from ..errors import InvalidMessage, InvalidPhone
from ..outcomes import Message
from ..phones import ParsePhone, checked
from ._core.rows import CONFLICT_MARK, Row, content_of, is_storable, storable

__all__ = ["Addition", "check_ref", "make_row", "read_rows"]

#: What can be added: messages, and the refusals of a list of recipients.
Addition: TypeAlias = Message | Refusal

#: Rows after which other tasks get to run, and rows in one transaction.
_NAP_AFTER: Final = 1000
_CHUNK: Final = 10_000

_LONGEST_REF: Final = 200


async def read_rows(items: object, parse: ParsePhone) -> AsyncIterator[list[Row]]:
    """
    Read *items* in chunks.

    Raises:
        TypeError: *items* cannot be iterated over, or a ref is not a string.
        ValueError: A ref is empty or too long.
    """
    rows: list[Row] = []
    try:
        async for some in _in_parts(items):
            rows.extend(make_row(item, parse) for item in some)  # keeps those before an error
            if len(rows) >= _CHUNK:
                yield rows
                rows = []
    except Exception:
        yield rows  # what came before is added
        raise
    yield rows


def make_row(item: object, parse: ParsePhone) -> Row:
    """Make a row from any input; a fault becomes its verdict."""
    if isinstance(item, Refusal):
        verdict = Verdict(Status.NOT_SENT, item.code, item.reason)
        return _row(item.ref, _as_given(item.phone), "", verdict)
    if not isinstance(item, Message):
        reason = f"must be a Message(phone, text), not {type(item).__name__}"
        return _row(None, "", "", Verdict(Status.NOT_SENT, INVALID_PHONE, reason))
    ref = None if item.ref is None else check_ref(item.ref)
    try:
        return _row(ref, checked(parse, item.phone), _check_storable(item.text), None)
    except InvalidPhone as exc:
        verdict = Verdict(Status.NOT_SENT, INVALID_PHONE, exc.reason)
    except InvalidMessage as exc:
        verdict = Verdict(Status.NOT_SENT, INVALID_MESSAGE, str(exc))
    return _row(ref, _as_given(item.phone), _as_given(item.text), verdict)


def check_ref(ref: object) -> str:
    """
    Check a ref and return it.

    Raises:
        TypeError: It is not a string.
        ValueError: It is empty, too long, or contains a character that no ref may have.
    """
    if not isinstance(ref, str):
        msg = f"ref must be a string, so that it stays the same, not {type(ref).__name__}"
        raise TypeError(msg)
    if not 0 < len(ref) <= _LONGEST_REF or CONFLICT_MARK in ref or not is_storable(ref):
        msg = f"ref must be a plain text of 1 to {_LONGEST_REF} characters, not {ref[:40]!r}"
        raise ValueError(msg)
    return ref


def _row(ref: str | None, phone: str, text: str, verdict: Verdict | None) -> Row:
    return Row(ref, phone, text, verdict, content_of(phone, text))


def _check_storable(text: object) -> str:
    """Check a text that PostgreSQL, unlike the gateway's JSON, may be unable to store."""
    checked_text = check_text(text)
    if is_storable(checked_text):
        return checked_text
    position = checked_text.index("\0")
    msg = (
        f"text has a NUL character at position {position}, which a database cannot store; remove it"
    )
    raise InvalidMessage(msg)


def _as_given(value: object) -> str:
    """Keep a bad value as it was, without characters that a database refuses."""
    return storable(value if isinstance(value, str) else f"<{type(value).__name__}>")


async def _in_parts(items: object) -> AsyncIterator[Iterable[object]]:
    """Yield a thousand at a time, read lazily, and let other tasks run in between."""
    if isinstance(items, AsyncIterable):
        async for item in cast("AsyncIterable[object]", items):
            yield (item,)
        return
    if not isinstance(items, Iterable):
        msg = f"messages must be an iterable of Message, not {type(items).__name__}"
        raise TypeError(msg)
    rest = iter(cast("Iterable[object]", items))
    for first in rest:
        yield chain((first,), islice(rest, _NAP_AFTER - 1))
        await asyncio.sleep(0)
