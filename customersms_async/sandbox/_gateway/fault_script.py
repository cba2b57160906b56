"""
Scripts: what happens to the next requests, one step each.

A script is written as ``"500, reset, rate-limited(7), ok*2"``: names of faults or ``ok``, in
parentheses the ``Retry-After`` of a rate-limit refusal, and after ``*`` how often.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, cast

from attrs import frozen

from .faults import RATE_REFUSALS, Fault, read_fault

__all__ = ["LONGEST", "FaultScript", "FaultStep", "make_steps", "read_script", "read_step"]

#: A script: one text, or a name or step for each request.
FaultScript = str | Iterable["str | Fault | FaultStep"]

#: The most steps of a script.
LONGEST: Final = 10_000

# A name, an argument in parentheses, and a count.
_STEP: Final = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?\s*(?:\*\s*([0-9]{1,9}))?\s*")

# Commas separate the steps, except those in parentheses.
_COMMA: Final = re.compile(r",(?![^()]*\))")


@frozen
class FaultStep:
    """
    What happens to one request.

    Attributes:
        fault: What goes wrong; None lets the request pass.
        retry_after: Header ``Retry-After`` of a rate-limit refusal, sent unchanged.
    """

    fault: Fault | None = None
    retry_after: str | None = None

    def __str__(self) -> str:
        name = self.fault or "ok"
        return name if self.retry_after is None else f"{name}({self.retry_after})"


def make_steps(
    fault: object, times: object = 1, retry_after: float | str | None = None
) -> list[FaultStep]:
    """
    Make *times* equal steps.

    Raises:
        ValueError: There is no such fault, *times* is out of range, *retry_after* is not valid in a
            header, or the fault has no such header.
    """
    if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= LONGEST:
        msg = f"times must be a whole number from 1 to {LONGEST}, not {times!r}"
        raise ValueError(msg)
    return [_step(read_fault(fault), retry_after)] * times


def _step(fault: Fault | None, retry_after: float | str | None) -> FaultStep:
    header = None if retry_after is None else str(retry_after)
    if header is not None and fault not in RATE_REFUSALS:
        msg = f"retry_after goes with {', '.join(RATE_REFUSALS)}, not with {fault or 'ok'}"
        raise ValueError(msg)
    if header is not None and not (header.isascii() and header.isprintable()):
        msg = f"retry_after must be one printable line of ASCII, not {header!r}"
        raise ValueError(msg)
    return FaultStep(fault, header)


def read_script(script: object) -> list[FaultStep]:
    """
    Read a script.

    Raises:
        ValueError: A step cannot be read, or there are too many; names the step.
    """
    steps = [step for part in _parts(script) for step in _read_part(part)]
    if len(steps) > LONGEST:
        msg = f"script must have at most {LONGEST} steps, not {len(steps)}"
        raise ValueError(msg)
    return steps


def read_step(step: object) -> FaultStep | None:
    """
    Read a single step.

    Returns:
        The step; None for None and ``"ok"``, which do nothing.

    Raises:
        ValueError: It is not a step.
    """
    if step is None or step == "":
        return None
    steps = _read_part(step)
    if len(steps) > 1:
        msg = f"a standing fault needs no count, but there is one in {step!r}"
        raise ValueError(msg)
    return steps[0] if steps[0].fault else None


def _parts(script: object) -> list[object]:
    if isinstance(script, str):
        return [part for part in _COMMA.split(script) if part.strip()]
    if isinstance(script, Iterable) and not isinstance(script, bytes):
        return list(cast("Iterable[object]", script))
    msg = f"script must be a text like '500, reset, ok' or a list of steps, not {script!r}"
    raise ValueError(msg)


def _read_part(part: object) -> list[FaultStep]:
    if isinstance(part, FaultStep):
        return [part]
    found = _STEP.fullmatch(part) if isinstance(part, str) else None
    if found is None:
        msg = f"a step must be written like 'html', 'ok*3' or 'rate-limited(7)', not {part!r}"
        raise ValueError(msg)
    name, retry_after, times = found.groups()
    return make_steps(name, int(times or 1), retry_after)
