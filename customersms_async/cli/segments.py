"""``customersms segments``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ..segments import Segments, count
from .console import result, result_json
from .exits import Exit, UsageError

__all__ = ["segments"]


def segments(
    text: Annotated[str, Parameter(help="The text, in quotation marks.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print one line of JSON.")] = False,
) -> Exit:
    """Count the segments of a text, and show what makes it long."""
    if not text:
        msg = "the text is empty, and an empty text cannot be sent"
        raise UsageError(msg)
    counted = count(text)
    if json:
        result_json(counted.to_dict())
    else:
        _show(counted)
    return Exit.OK


def _show(counted: Segments) -> None:
    result(str(counted))
    for number, part in enumerate(counted.parts if counted.joints else (), 1):
        result(f"  part {number}: {part!r}")
    for forcing in counted.forcing:
        result(f"  {shown(forcing.char)} {forcing}")
    if counted.segments_swapped < counted.segments:
        result(f"  then it is {count(counted.swapped)}: {counted.swapped!r}")


def shown(char: str) -> str:
    """Show a character, or a space if it is invisible."""
    return char if char.isprintable() and not char.isspace() else " "
