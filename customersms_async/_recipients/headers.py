"""
The columns of a list, by name.

Names are compared without case, spaces, dashes, underscores and invisible characters, as GOV.UK
Notify does: ``Phone Number`` is ``phone_number``.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from .option_text import Option, OptionText

__all__ = ["ColumnError", "ColumnNames", "column_letters", "is_blank"]

#: Names of the column of numbers, reduced by `_bare`, in languages of the gateway's customers.
_PHONES: Final = re.compile(
    r"(?:n|nr|no|num|numer|numero)?(?:d[ei])?"
    r"(?:(?:mobile?|cell|tele)?phone|phonemobile|mobile?|cell|tel|contact(?=n)|msisdn"  # English
    r"|cellulare|telefono|recapitotelefonico"  # Italian
    r"|(?:mobil)?telefon|handy|ruf(?=n)"  # German and Scandinavian
    r"|portable"  # French
    r"|(?:telefono)?movil|celular|telefone|telemovel"  # Spanish, Portuguese
    r"|mobiel|telefoon|gsm|telefonu|komorka)"  # Dutch, Polish
    r"(?:n|no|nr|num|number|nummer)?"
)
#: Names that may also be of other numbers: they count only if there is no better one.
_NUMBERS: Final = re.compile(r"number|numero|nummer")

#: Names of the column of texts.
_TEXTS: Final = ["text", "message", "sms", "body", "messaggio", "testo", "nachricht"]

_NO_PHONE: Final = OptionText("say which column has the numbers with ", Option("phone"))
_NO_TEXT: Final = OptionText("give the text with ", Option("text"), " or ", Option("text_file"))


class ColumnError(ValueError):
    """
    ColumnNames are missing, or appear more than once.

    Each argument is a message, which says what columns there are.
    """


def key_of(name: str) -> str:
    """Reduce a name to the part that is compared."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in plain if char not in "-_" and _is_seen(char))


def _bare(name: str) -> str:
    """Reduce a name further: to letters without their accents, and digits."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", key_of(name))))


def _is_seen(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char) != "Cf"


def is_blank(cells: Iterable[str]) -> bool:
    """Whether all of *cells* are blank."""
    return not any(cell and not cell.isspace() for cell in cells)


def column_letters(index: int) -> str:
    """Name a column as a spreadsheet does: 0 is A, 26 is AA."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


class ColumnNames:
    """
    The header of a list.

    Args:
        cells: The header's cells, as in the file.
    """

    def __init__(self, cells: Iterable[str]) -> None:
        self.names: tuple[str, ...] = tuple(cell.strip().strip("\ufeff").strip() for cell in cells)
        self._columns: dict[str, list[int]] = {}
        for column, name in enumerate(self.names):
            self._columns.setdefault(key_of(name), []).append(column)

    def __contains__(self, name: str) -> bool:
        return key_of(name) in self._columns

    def is_name_of(self, column: int, cell: str) -> bool:
        """Whether *cell* is the name of that column."""
        return key_of(cell) == key_of(self.names[column])

    def column(self, name: str) -> int:
        """
        Find the column of *name*.

        Raises:
            ColumnError: There is none, or there are several.
        """
        columns = self._columns.get(key_of(name), [])
        if not columns:
            msg = f"there is no column {name!r}{self._meant(name)}; {self.listed()}"
            raise ColumnError(msg)
        if len(columns) > 1:
            where = " and ".join(map(column_letters, columns))
            msg = f"the column {name!r} appears more than once ({where}); rename all but one"
            raise ColumnError(msg)
        return columns[0]

    def columns(self, names: Iterable[str]) -> list[int]:
        """
        Find the columns of *names*.

        Raises:
            ColumnError: Some are missing, or appear more than once; one message for each.
        """
        found: list[int] = []
        problems: list[str] = []
        for name in names:
            try:
                found.append(self.column(name))
            except ColumnError as exc:
                problems.extend(exc.args)
        if problems:
            raise ColumnError(*dict.fromkeys(problems))
        return found

    def phone(self, name: str | None) -> int:
        """
        Find the column of numbers: *name*, else the only one with a name like ``phone``.

        Raises:
            ColumnError: There is none, or more than one.
        """
        if name is not None:
            return self.column(name)
        found = self._named(_PHONES) or self._named(_NUMBERS)
        if len({key_of(self.names[column]) for column in found}) == 1:
            return self.column(self.names[found[0]])
        raise self._undecided([self.names[column] for column in found], _NO_PHONE)

    def text(self) -> int:
        """
        Find the column of texts: ``text``, else the only one with a similar name.

        Raises:
            ColumnError: There is none, or more than one.
        """
        found = [name for name in _TEXTS if name in self]
        if found[:1] == _TEXTS[:1] or len(found) == 1:
            return self.column(found[0])
        raise self._undecided(found, _NO_TEXT)

    def listed(self) -> str:
        """List them all."""
        shown = ", ".join(repr(name) for name in self.names if name)
        return f"the columns are {shown}"

    def _named(self, known: re.Pattern[str]) -> list[int]:
        return [column for column, name in enumerate(self.names) if known.fullmatch(_bare(name))]

    def _undecided(self, found: list[str], otherwise: OptionText) -> ColumnError:
        several = f"{' and '.join(map(repr, found))} could each be it: " if found else ""
        return ColumnError(OptionText(several, *otherwise.parts, f"; {self.listed()}"))

    def _meant(self, name: str) -> str:
        by_key = {key_of(known): known for known in self.names if known}
        close = difflib.get_close_matches(key_of(name), by_key, 2)
        meant = " or ".join(repr(by_key[key]) for key in close)
        return f" (did you mean {meant}?)" if meant else ""
