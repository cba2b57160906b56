"""
Texts that name options of `recipients.read`, for callers with another notation.

In Python an option is ``text=``, on the command line it is ``--text``. A text keeps the options
apart from its other words, which may be of any kind: a column, a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from attrs import frozen

__all__ = ["Option", "OptionText"]


@frozen
class Option:
    """An option, by its name in Python."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}="


class OptionText(str):
    """
    A text with options in it, written as in Python.

    Args:
        parts: Its words and options, in order.
    """

    __slots__ = ("parts",)

    parts: tuple[str | Option, ...]

    def __new__(cls, *parts: str | Option) -> Self:
        text = super().__new__(cls, "".join(map(str, parts)))
        text.parts = parts
        return text

    def __reduce__(self) -> tuple[type[OptionText], tuple[str | Option, ...]]:
        return type(self), self.parts

    def spelled(self, name_of: Callable[[str], str]) -> str:
        """Write it with each option as *name_of* its name."""
        return "".join(
            name_of(part.name) if isinstance(part, Option) else part for part in self.parts
        )
