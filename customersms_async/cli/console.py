"""What is said, and where: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

__all__ = ["complain", "forget_output", "result", "result_json", "say"]


def result(line: str = "") -> None:
    """Write a line of the result."""
    sys.stdout.write(f"{line}\n")


def result_json(values: Mapping[str, object]) -> None:
    """Write a result as one line of JSON."""
    result(json.dumps(values, ensure_ascii=False))


def say(line: str) -> None:
    """Tell what goes on."""
    sys.stderr.write(f"{line}\n")


def complain(line: str) -> None:
    """Say what went wrong."""
    say(f"customersms: {line}")


def forget_output() -> None:
    """
    Write nothing more: who read the output, like ``head``, has gone.

    Python would complain at its end about what it cannot flush.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
