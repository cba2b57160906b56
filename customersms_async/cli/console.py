"""Output of commands: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

__all__ = [
    "complain",
    "counted",
    "fitted",
    "forget_output",
    "result",
    "result_json",
    "say",
    "typed",
]

#: The indent from which on a line is a text, whose next lines are indented as much.
_OF_A_TEXT: Final = 4


def result(line: str = "") -> None:
    """Write a line of the result."""
    sys.stdout.write(f"{line}\n")


def result_json(values: Mapping[str, object]) -> None:
    """Write a result as one line of JSON."""
    result(json.dumps(values, ensure_ascii=False))


def fitted(line: str, stream: TextIO) -> str:
    """
    Wrap a line that is too long for a terminal; elsewhere, leave it as it is.

    Not for lines that contain a command: text copied from a terminal includes its line breaks.
    """
    if not stream.isatty():
        return line
    import shutil  # noqa: PLC0415  # only a terminal needs these two
    import textwrap  # noqa: PLC0415

    indent = " " * (len(line) - len(line.lstrip(" ")))
    return textwrap.fill(
        line,
        shutil.get_terminal_size().columns - 1,
        subsequent_indent=indent if len(indent) >= _OF_A_TEXT else f"{indent}  ",
        replace_whitespace=False,
        break_on_hyphens=False,
    )


def counted(number: int, noun: str) -> str:
    """Write a number and its noun: ``1 row``, ``2,183 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def typed(words: Sequence[str]) -> str:
    """Write a command as one would type it in this system's shell."""
    import shlex  # noqa: PLC0415  # few commands show another one
    import subprocess  # noqa: PLC0415  # for its quoting; nothing is run

    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def say(line: str) -> None:
    """Print a line about the progress; a terminal or reader that has gone does not end a run."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{line}\n")


def complain(line: str) -> None:
    """Print what went wrong."""
    say(f"customersms: {line}")


def forget_output() -> None:
    """
    Write nothing more: the reader of the output, such as ``head``, has gone.

    Otherwise Python would complain at exit that it cannot flush.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
