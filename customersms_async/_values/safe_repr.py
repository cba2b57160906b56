"""
The `repr` of an object whose constructor refused an argument.

Crash reporters show the local variables of each frame, and ``self`` is one of them; before Python
3.12, `traceback` itself does not guard against a failing `repr`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

__all__ = ["safe_repr"]

T = TypeVar("T")


def safe_repr(describe: Callable[[T], str]) -> Callable[[T], str]:
    """Wrap a ``__repr__`` for objects whose constructor may have stopped halfway."""

    @functools.wraps(describe)
    def described(self: T) -> str:
        try:
            return describe(self)
        except AttributeError:
            return f"<{type(self).__name__} that was not made>"

    return described
