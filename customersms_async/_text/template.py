"""
Texts with placeholders: ``Hi {name}, we meet on {first day}``.

Rules of this module:

1. A placeholder is the name of a column and nothing else: no attributes, no formats, so that a
   template is as harmless as the text it makes.
2. ``{{`` and ``}}`` stand for braces, as everywhere in Python. Any other brace is refused with its
   position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Self

from attrs import frozen

__all__ = ["Template", "TemplateError"]

_PIECE = re.compile(r"(\{\{)|(\}\})|\{([^{}]+)\}|([{}])|([^{}]+)")


class TemplateError(ValueError):
    """A brace is unmatched; the message says which one and what would be right."""


@frozen
class Template:
    """
    A parsed text.

    Attributes:
        literals: The text before, between and after the placeholders; one more than the names.
        names: The names of the placeholders, in order, with repetitions.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Parse *text*.

        Raises:
            TemplateError: A brace is unmatched.
        """
        literals, names = [""], list[str]()
        for piece in _PIECE.finditer(text):
            opened, closed, name, stray, plain = piece.groups()
            if stray:
                raise TemplateError(_about(stray, piece.start()))
            if name:
                names.append(name.strip())
                literals.append("")
            else:
                literals[-1] += plain or (opened or closed)[0]
        return cls(tuple(literals), tuple(names))

    def fill(self, values: Sequence[str]) -> str:
        """Fill in one value for each name."""
        pieces = [self.literals[0]]
        for value, literal in zip(values, self.literals[1:], strict=True):
            pieces += (value, literal)
        return "".join(pieces)


def _about(brace: str, position: int) -> str:
    what = "opens no placeholder" if brace == "{" else "closes no placeholder"
    return (
        f"the {brace} at position {position} {what}; "
        f"write {{name of a column}}, or {brace * 2} for the character itself"
    )
