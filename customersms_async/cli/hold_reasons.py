"""Why a campaign is held, and which command continues it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..outbox import CampaignHeld
from ..outbox._core.errors import Hold
from .campaign_location import CampaignLocation

__all__ = ["held_line"]


_ANOTHER: Final = "start another campaign with --campaign NAME"
_SAME_ENDPOINT: Final = "set CUSTOMERSMS_ENDPOINT (or --endpoint) to the first"


def held_line(held: CampaignHeld, file: Path | None, location: CampaignLocation) -> str:
    """Say what happened, and which command to type to continue this campaign."""
    resume = location.command("resume", file)
    export = location.command("export", file, "--only", "unknown")
    cures = {
        Hold.PAUSED: resume,
        Hold.CRASHED: f"look at {export}, then {resume}",
        Hold.STALE: f"if they are still right, {resume}",
        Hold.CANCELLED: _ANOTHER,
        Hold.COPIED: f"if this is the one to continue with, {resume} --moved",
        Hold.OTHER_ACCOUNT: f"if the key was changed, {resume} --new-key",
        Hold.OTHER_ENDPOINT: f"{_SAME_ENDPOINT}, or {_ANOTHER}",
    }
    return f"campaign {held.campaign!r} ({held.code}): {held.why}; {cures[Hold(held.code)]}"
