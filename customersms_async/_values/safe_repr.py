"""
The `repr` of an object that was not made, since its constructor refused an argument.

Crash reporters show the local variables of each frame, and ``self`` is one of them; `traceback`
itself has no net for a `repr` that fails before Python 3.12.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

__all__ = ["safe_repr"]

T = TypeVar("T")


def safe_repr(describe: Callable[[T], str]) -> Callable[[T], str]:
    """Wrap a ``__repr__``, for objects that lack what their constructor had not set yet."""

    @functools.wraps(describe)
    def described(self: T) -> str:
        try:
            return describe(self)
        except AttributeError:
            return f"<{type(self).__name__} that was not made>"

    return described
