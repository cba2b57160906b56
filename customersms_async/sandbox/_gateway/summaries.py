"""What arrived, in one line for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from .records import SandboxMessage, SandboxRequest

__all__ = ["outline", "plural", "quoted"]

#: How many messages a repr shows, and characters of each.
_SHOWN, _SHORT = 3, 60


def outline(messages: Sequence[SandboxMessage], requests: Sequence[SandboxRequest]) -> str:
    """Summarise what arrived in one line, for a repr."""
    counts = f"{plural(len(messages), 'message')}, {plural(len(requests), 'request')}"
    newest = list(islice(reversed(messages), _SHOWN))[::-1]
    shown = "; ".join(f"{one.phone}: {quoted(one.text, _SHORT)}" for one in newest)
    return f"{counts}, the newest {shown}" if shown else counts


def quoted(text: str, longest: int) -> str:
    """Quote a text, cut if it is longer."""
    return repr(text if len(text) <= longest else f"{text[:longest]}…")


def plural(count: int, noun: str) -> str:
    """Count things in words."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
