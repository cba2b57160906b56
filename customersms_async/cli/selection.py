"""The list, the text and the options that are confirmed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from cyclopts import Parameter
from cyclopts.validators import Number

from .._plan.bad_row import row_ref
from ..outcomes import Message
from ..plan import Plan, plan_messages
from ..recipients import Problems, Recipients, Refusal, read
from .country import parser_of
from .exits import UsageError

__all__ = ["DEFAULTS", "ListOptions", "Look", "Selection", "look_through"]

_AT_ONCE: Final = 1 << 20


def _option(about: str) -> Parameter:
    return Parameter(help=about)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """How to read a list of recipients; the same in `check` and `bulk`."""

    text: Annotated[
        str | None,
        _option("The text; {name} stands for a column. Without it, the column text is used."),
    ] = None
    text_file: Annotated[Path | None, _option("A file with the text.")] = None
    phone: Annotated[str | None, _option("The column of the numbers.")] = None
    country: Annotated[
        str | None, _option("A country like US, for numbers without a country code.")
    ] = None
    skip: Annotated[Path | None, _option("A list of numbers to leave out (opt-outs).")] = None
    sheet: Annotated[str | None, _option("The sheet of a workbook.")] = None
    encoding: Annotated[str | None, _option("The encoding of the file.")] = None
    delimiter: Annotated[str | None, _option("The separator of cells: one character, or tab.")] = (
        None
    )
    batch_size: Annotated[
        int,
        Parameter(
            help="Numbers in one request, at most; 100 if not given.", validator=Number(gte=1)
        ),
    ] = 100

    def words(self) -> list[str]:
        """Return them as one would type them."""
        given = ((one.name, getattr(self, one.name), one.default) for one in fields(self))
        typed = ((name, value) for name, value, default in given if value != default)
        return [word for name, value in typed for word in (_flag(name), str(value))]

    def open(self, file: Path) -> Recipients:
        """
        Open the list.

        Raises:
            UsageError: Two options contradict each other, or one of them is not valid.
            RecipientsError: The list cannot be used; the message says why.
            OSError: A file cannot be opened.
        """
        if self.text is not None and self.text_file is not None:
            msg = "use --text or --text-file, not both"
            raise UsageError(msg)
        return read(
            file,
            text=self.text,
            text_file=self.text_file,
            phone=self.phone,
            parse_phone=parser_of(self.country),
            skip=self.skip,
            sheet=self.sheet,
            encoding=self.encoding,
            delimiter=_delimiter(self.delimiter),
        )


DEFAULTS: Final = ListOptions()


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _delimiter(written: str | None) -> str | None:
    if written in ("tab", "\\t"):
        return "\t"
    if written is not None and (len(written) != 1 or written in '"\r\n'):
        msg = f"--delimiter must be one character, like ';', or tab, not {written!r}"
        raise UsageError(msg)
    return written


@dataclass(frozen=True)
class Selection:
    """
    The inputs of a plan, as one-way digests.

    Attributes:
        file: The list.
        text: The text, from an option or a file.
        skip: The opt-out list.
        options: All other options.
    """

    file: str
    text: str
    skip: str
    options: str

    @classmethod
    def of(cls, file: Path, options: ListOptions) -> Selection:
        """Read the selected inputs, and digest them."""
        text = (options.text or "").encode()
        others = (options.phone, options.country, options.sheet, options.encoding)
        more = (options.delimiter, options.batch_size)
        return cls(
            _digest_of(file),
            hashlib.sha256(text).hexdigest() + _digest_of(options.text_file),
            _digest_of(options.skip),
            hashlib.sha256(repr(others + more).encode()).hexdigest(),
        )

    @property
    def token(self) -> str:
        """Eight letters and digits that change with any of them."""
        whole = f"{self.file} {self.text} {self.skip} {self.options}"
        return hashlib.sha256(whole.encode()).hexdigest()[:8]

    def changed_from(self, other: Selection) -> list[str]:
        """Name what differs from *other*."""
        names = {
            "file": "the list",
            "text": "the text",
            "skip": "the opt-out list",
            "options": "the options",
        }
        return [name for key, name in names.items() if getattr(self, key) != getattr(other, key)]


def _digest_of(file: Path | None) -> str:
    if file is None:
        return ""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_AT_ONCE):
            digest.update(piece)
    return digest.hexdigest()


class Look(NamedTuple):
    """
    What was found in a list.

    Attributes:
        plan: The plan of its run.
        problems: What is wrong with it.
        hidden: Messages whose rows its workbook hides.
    """

    plan: Plan
    problems: Problems
    hidden: int


def look_through(people: Recipients, batch_size: int) -> Look:
    """Read the list once."""
    problems, hidden = Problems(), 0

    def noted(row: Message | Refusal) -> Message | Refusal:
        nonlocal hidden
        if isinstance(row, Refusal):
            problems.add(row)
        elif row.ref in hidden_refs:
            hidden += 1
        return row

    hidden_refs = set(map(row_ref, people.hidden))
    plan = plan_messages(map(noted, people), batch_size=batch_size)
    return Look(plan, problems, hidden)
