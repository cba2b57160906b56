"""
Texts with places to fill in: ``Hi {name}, we meet on {first day}``.

Rules of this module:

1. A place is the name of a column and nothing else: no attributes, no formats, so that a template
   is as harmless as the text it makes.
2. ``{{`` and ``}}`` stand for braces, as everywhere in Python. A brace that is neither is refused
   with its position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Self

from attrs import frozen

__all__ = ["Template", "TemplateError"]

_PIECE = re.compile(r"(\{\{)|(\}\})|\{([^{}]+)\}|([{}])|([^{}]+)")


class TemplateError(ValueError):
    """A brace opens or closes no place; the message says which and what would be right."""


@frozen
class Template:
    """
    A text that was taken apart.

    Attributes:
        literals: What stands before, between and behind the places; one more than there are names.
        names: The names of the places, in order; one may stand twice.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Take *text* apart.

        Raises:
            TemplateError: A brace stands alone.
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
        """Make a text of one value for each name."""
        pieces = [self.literals[0]]
        for value, literal in zip(values, self.literals[1:], strict=True):
            pieces += (value, literal)
        return "".join(pieces)


def _about(brace: str, place: int) -> str:
    what = "opens no place" if brace == "{" else "closes no place"
    return (
        f"the {brace} at position {place} {what}; "
        f"write {{name of a column}}, or {brace * 2} for the sign itself"
    )
