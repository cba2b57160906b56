"""
The library's log, as lines for the user of a command.

Rules of this module:

1. A line says what happens now and what the user can do; account hashes would mean nothing to them.
2. What the command itself prints (progress, fates, the end) is not printed twice.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from typing import Any, Final

from .console import counted, say

__all__ = ["log_shown"]

_logger = logging.getLogger("customersms_async")

#: Events that are shown from INFO on; of all others, only warnings and errors.
_SHOWN: Final = frozenset({"bulk.resumed"})
#: Fates, which the command prints itself; and the wait at closing, which the run has announced.
_KNOWN: Final = frozenset({"request.unknown", "client.draining"})
#: Events whose last argument says what happens, and the one before names the run.
_OF_A_RUN: Final = ("bulk.", "outbox.")


@contextlib.contextmanager
def log_shown() -> Generator[None]:
    """Show the log while the block runs."""
    handler, level = _Lines(), _logger.level
    _logger.addHandler(handler)
    _logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        _logger.removeHandler(handler)
        _logger.setLevel(level)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", ""))
        if event in _KNOWN or (record.levelno < logging.WARNING and event not in _SHOWN):
            return
        say(_draining(vars(record)) if event == "bulk.draining" else _line(event, record))


def _line(event: str, record: logging.LogRecord) -> str:
    if event.startswith(_OF_A_RUN) and isinstance(record.args, tuple):
        return f"the run {record.args[-1]}"
    return record.getMessage()


def _draining(facts: dict[str, Any]) -> str:
    return (
        f"waiting for {counted(facts['answers'], 'answer')}, up to {facts['seconds']:.0f} s; "
        f"Ctrl-C again gives up ({facts['numbers']:,} unknown)"
    )
