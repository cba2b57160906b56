"""``customersms check``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from ..outcomes import Message
from ..phones import is_without_country
from ..plan import Plan
from ..recipients import Problems, Recipients, Refusal
from ..segments import count
from .console import counted, fitted, result, result_json, say, typed
from .exits import Exit
from .segments import shown
from .selection import DEFAULTS, ListOptions, Look, Selection, look_through
from .table_files import check_output, write_table

__all__ = ["check", "details", "headline"]

_NAME_IT: Final = "  or name the country of such numbers, like --country US"
_ALL_OF_THEM: Final = "  check --bad FILE writes all of them to a table"

#: How many of the characters that force UCS-2 are listed.
_MOST_CHARS = 8
#: How many characters of a sample are shown.
_MOST_OF_A_TEXT = 480


def check(
    file: Annotated[Path, Parameter(help="The list: .csv, .txt or .xlsx, with a header.")],
    /,
    *,
    options: ListOptions = DEFAULTS,
    bad: Annotated[
        Path | None, Parameter(help="Write the bad rows, with the reason, to this file.")
    ] = None,
    json: Annotated[bool, Parameter(help="Print one line of JSON.")] = False,
) -> Exit:
    """Check a list of recipients; sends nothing and needs no key."""
    check_output("--bad", bad, file)
    people = options.open(file)
    look = look_through(people, options.batch_size)
    plan = look.plan
    token = Selection.of(file, options).token
    if json:
        result_json({**plan.to_dict(), "token": token, "problems": look.problems.lines()})
    else:
        for line in (*headline(people, plan), *details(look)):
            result(fitted(line, sys.stdout))
        if plan.recipients:
            words = ["customersms", "bulk", str(file), *options.words(), "--confirm", token]
            result("\nTo send exactly this:")
            result(f"  {typed(words)}")
    if bad is not None:
        write_table(bad, _bad_rows(people), people.delimiter or ",")
        say(f"{plan.bad:,} bad rows are in {bad}")
    return Exit.PARTIAL if plan.bad else Exit.OK


def headline(people: Recipients, plan: Plan, *, is_all: bool = True) -> Iterator[str]:
    """
    Yield three lines: what the list is, and what sending it takes.

    Args:
        people: The list.

        plan: Its plan.

        is_all: Whether all of it will be sent; else only the first line, about the list, is valid.
    """
    yield f"{people.path.name}: {_kind(people)}, numbers in {people.phone_column!r}"
    if not is_all:
        return
    yield str(plan)
    yield f"credits: at least {plan.credits_at_least:,}"


def details(look: Look) -> Iterator[str]:
    """Yield lines about what to look at before sending."""
    plan, problems, hidden = look
    if not plan.total:
        yield "there is no row below the header"
    if hidden:
        yield f"hidden in the workbook, but sent to as well: {counted(hidden, 'row')}"
    if problems.count:
        yield from _problems(problems)
    yield from _samples(plan)
    yield from _forcing(plan)


def _problems(problems: Problems) -> Iterator[str]:
    yield ""
    yield "Rows that cannot be sent to:"
    for line in problems.lines():
        yield f"  {line}"
        if is_without_country(line):
            yield _NAME_IT
    if problems.unnamed:
        yield _ALL_OF_THEM


def _kind(people: Recipients) -> str:
    if people.delimiter is None:
        first, *others = people.sheets
        return f"sheet {first!r} of {len(people.sheets)} in a workbook" if others else "a workbook"
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    parted_by = names.get(people.delimiter, repr(people.delimiter))
    return f"{people.encoding.removesuffix('-sig')} with {parted_by}"


def _samples(plan: Plan) -> Iterator[str]:
    samples: dict[str, tuple[Message, list[str]]] = {}
    for name in ("first", "longest", "dearest"):
        message: Message | None = getattr(plan, name)
        if message is not None:
            samples.setdefault(message.text, (message, []))[1].append(name)
    if samples:
        yield ""
    for message, names in samples.values():
        text = message.text
        cut = text if len(text) <= _MOST_OF_A_TEXT else text[:_MOST_OF_A_TEXT] + "..."
        yield f"The {', the '.join(names)} ({message.ref}; {count(text)}):"
        yield from (f"    {line}" for line in cut.split("\n"))


def _forcing(plan: Plan) -> Iterator[str]:
    if not plan.forcing:
        return
    yield ""
    yield f"Characters for which a segment holds 70, not 160, in {plan.ucs2:,} of them:"
    for one in plan.forcing[:_MOST_CHARS]:
        yield f"  {shown(one.char)} {one.name} in {one.messages:,}{_advice(one.swap)}"
    more = len(plan.forcing) - _MOST_CHARS
    if more > 0:
        yield f"  and {more:,} others"
    if plan.segments_swapped < plan.segments:
        yield f"  With these changes: {plan.segments_swapped:,} segments."


def _advice(swap: str | None) -> str:
    if swap is None:
        return ""
    return f", write {swap!r}" if swap else ", leave it out"


def _bad_rows(people: Recipients) -> Iterator[list[str]]:
    yield [*people.columns, "row", "reason"]
    for (number, cells), row in zip(people.rows(), people, strict=True):
        if isinstance(row, Refusal):
            width = len(people.columns)
            padded = [*cells[:width], *[""] * (width - len(cells))]
            yield [*padded, str(number), row.reason, *cells[width:]]
