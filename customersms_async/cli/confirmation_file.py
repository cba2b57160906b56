"""
What was confirmed for a list ``people.csv``, kept in ``people.csv.sms.json``.

The text is part of it, so that the list can be read again in the same way; only the owner of the
file can read it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

from ..errors import CustomerSMSError
from .selection import ListOptions, Selection

__all__ = ["OUTBOX", "Confirmation", "beside", "files_of"]

_ENDING: Final = ".sms.json"

#: The ending of the file name of a list's outbox.
OUTBOX: Final = ".sms.db"
_ONLY_OWNER: Final = 0o600


class BrokenConfirmation(CustomerSMSError):
    """The confirmation can no longer be read; the text says what to do."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} is damaged; delete it, and confirm the list again"


class NotKept(CustomerSMSError):
    """Nothing can be written beside the list; the text says what to do."""

    def __init__(self, folder: Path, why: str | None) -> None:
        super().__init__(folder, why)
        self.folder = folder
        self.why = why

    def __str__(self) -> str:
        why = f"{self.folder} cannot be written to ({self.why})"
        return f"{why}, and what was sent is recorded beside the list; copy it to another folder"


@dataclass(frozen=True)
class Confirmation:
    """
    What was confirmed for a list.

    Attributes:
        selection: The list, text and options.
        options: How the list was read.
        bad: How many of its rows are not part of the campaign, since they cannot be sent.
    """

    selection: Selection
    options: ListOptions
    bad: int = 0

    @classmethod
    def read(cls, file: Path, campaign: str) -> Confirmation | None:
        """
        Read what was confirmed for a campaign of the list; None if nothing was.

        Raises:
            BrokenConfirmation: The file was changed by something else.
        """
        kept = _kept(file).get(campaign)
        if kept is None:
            return None
        try:
            options: dict[str, Any] = kept["options"]
            for name in ("text_file", "skip"):
                options[name] = Path(options[name]) if options[name] else None
            return cls(Selection(**kept["selection"]), ListOptions(**options), kept["bad"])
        except (KeyError, TypeError) as exc:
            raise BrokenConfirmation(beside(file, _ENDING)) from exc

    def write(self, file: Path, campaign: str) -> None:
        """
        Write it to the file.

        Raises:
            NotKept: The folder of the list cannot be written to.
        """
        path = beside(file, _ENDING)
        text = json.dumps({**_kept(file), campaign: asdict(self)}, default=os.fspath)
        part = path.with_name(f".{path.name}.part")
        try:
            part.touch(_ONLY_OWNER)
            part.write_text(text, "utf-8")
            part.replace(path)
        except OSError as exc:
            raise NotKept(path.parent.absolute(), exc.strerror) from exc


def _kept(file: Path) -> dict[str, Any]:
    path = beside(file, _ENDING)
    try:
        found: object = json.loads(path.read_text("utf-8")) if path.exists() else {}
    except ValueError as exc:
        raise BrokenConfirmation(path) from exc
    if not isinstance(found, dict):
        raise BrokenConfirmation(path)
    return cast("dict[str, Any]", found)


def files_of(file: Path) -> list[Path]:
    """Return a list, and the files that are kept beside it."""
    return [file, beside(file, OUTBOX), beside(file, _ENDING)]


def beside(file: Path, ending: str) -> Path:
    """Return the path of a file that belongs to a list and is beside it."""
    return file.with_name(f"{file.name}{ending}")
