"""
Where the campaign of a list is stored.

The outbox of a list ``people.csv`` is the file ``people.csv.sms.db`` beside it.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from ..outbox import Campaign, CampaignStatus, Outbox
from .confirmation_file import OUTBOX, Confirmation, beside
from .console import typed
from .exits import UsageError

__all__ = ["BESIDE_LIST", "CampaignLocation", "File"]

_NOTHING_NAMED: Final = (
    "name a list, like people.csv, or an outbox and a campaign: --outbox URL --campaign NAME"
)

File = Annotated[Path | None, Parameter(help="The list. Its campaign is stored beside it.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CampaignLocation:
    """Which campaign; by default the one beside the list."""

    outbox: Annotated[str | None, Parameter(help="Another outbox: a path, or postgresql://...")] = (
        None
    )
    campaign: Annotated[str | None, Parameter(help="The campaign, if not that of the list.")] = None

    def open(self, file: Path | None) -> Outbox:
        """
        Return the outbox; it is not opened yet.

        Raises:
            UsageError: Neither a list nor an outbox with a campaign is named.
        """
        if self.outbox is not None:
            return Outbox(self.outbox)
        if file is None:
            raise UsageError(_NOTHING_NAMED)
        return Outbox(beside(file, OUTBOX))

    def name(self, file: Path | None) -> str:
        """
        Return the name of the campaign.

        Raises:
            UsageError: Neither a list nor a campaign is named.
        """
        name = self.campaign or (None if file is None else file.name)
        if name is None and self.outbox is None:
            raise UsageError(_NOTHING_NAMED)
        if name is None:
            msg = "name the campaign as well: --campaign NAME"
            raise UsageError(msg)
        return name

    def command(self, name: str, file: Path | None, *options: str) -> str:
        """Return a command for this campaign, as one would type it."""
        named = [] if file is None else [str(file)]
        where = [] if self.outbox is None else ["--outbox", self.outbox]
        which = [] if self.campaign is None else ["--campaign", self.campaign]
        return typed(["customersms", name, *named, *where, *which, *options])

    def of(self, outbox: Outbox, file: Path | None) -> Campaign:
        """
        Return the campaign.

        Raises:
            UsageError: The name is not valid.
        """
        try:
            return outbox.campaign(self.name(file))
        except ValueError as exc:
            msg = f"--campaign: {exc}"
            raise UsageError(msg) from None

    def existing(self, file: Path | None) -> Outbox:
        """
        Return the outbox of a campaign that was started.

        Raises:
            UsageError: There is none beside the list, or neither list nor outbox was named.
            FileNotFoundError: There is no such list, or no such outbox.
        """
        self.name(file)
        path = _path_of(self.outbox) if self.outbox or file is None else beside(file, OUTBOX)
        if path is not None and not path.exists():
            raise self._none_yet(file, path)
        return self.open(file)

    async def begun(self, outbox: Outbox, file: Path | None) -> Campaign:
        """
        Return a campaign that was started.

        Raises:
            UsageError: There is none of this name.
        """
        campaign = self.of(outbox, file)
        is_listed = file is not None and Confirmation.read(file, campaign.name) is not None
        if is_listed or _has_rows(await campaign.status()):
            return campaign
        if self.campaign is None:
            raise self._none_yet(file, None)
        msg = f"there is no campaign {campaign.name!r} in that outbox; --campaign must name one"
        raise UsageError(msg)

    def _none_yet(self, file: Path | None, path: Path | None) -> UsageError | FileNotFoundError:
        missing = path if self.outbox is not None else file
        if file is None or (missing is not None and not missing.exists()):
            return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(missing))
        again = self.command("bulk", file)
        return UsageError(f"nothing of {file.name} was sent yet; start with: {again}")


BESIDE_LIST: Final = CampaignLocation()


def _has_rows(now: CampaignStatus) -> bool:
    return bool(now.waiting + now.sent + now.rejected + now.not_sent + now.unknown)


def _path_of(url: str | None) -> Path | None:
    """Return the file of an outbox; None if it is not a file, or none is named."""
    scheme, found, rest = (url or "").partition("://")
    path = {"sqlite": rest[1:]}.get(scheme) if found else url
    return Path(path) if path else None
