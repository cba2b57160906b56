"""
What a person has confirmed for a list ``people.csv``: it stands in ``people.csv.sms.json``.

The text is part of it, so that the list can be read again as it was; the file is its owner's alone.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from .selection import ListOptions, Selection

__all__ = ["Accepted", "beside"]

_ENDING: Final = ".sms.json"
_ONLY_OWNER: Final = 0o600


@dataclass(frozen=True)
class Accepted:
    """What a person has confirmed for a list, and with which options it was read."""

    selection: Selection
    options: ListOptions

    @classmethod
    def read(cls, file: Path, campaign: str) -> Accepted | None:
        """Read what was confirmed for a campaign of the list; None where nothing was."""
        kept = _kept(file).get(campaign)
        if kept is None:
            return None
        options: dict[str, Any] = kept["options"]
        for name in ("text_file", "skip"):
            options[name] = Path(options[name]) if options[name] else None
        return cls(Selection(**kept["selection"]), ListOptions(**options))

    def write(self, file: Path, campaign: str) -> None:
        """Remember it."""
        mine = {"selection": asdict(self.selection), "options": asdict(self.options)}
        path = beside(file, _ENDING)
        part = path.with_name(f".{path.name}.part")
        part.touch(_ONLY_OWNER)
        part.write_text(json.dumps({**_kept(file), campaign: mine}, default=os.fspath), "utf-8")
        part.replace(path)


def _kept(file: Path) -> dict[str, Any]:
    path = beside(file, _ENDING)
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def beside(file: Path, ending: str) -> Path:
    """Name a file that belongs to a list, and lies beside it."""
    return file.with_name(f"{file.name}{ending}")
